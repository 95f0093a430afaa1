"""Settings: frozen dataclasses that are read from JSON and changed by assignments such as `sampling.prompted=0.5`.

A name is a path through nested dataclasses. Behind a field that holds a mapping it goes on with a key, which may hold
dots and slashes: `sampling.task_weights.classic/CartPole=2`.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from playground.errors import BadValueError, UnknownNameError

T = TypeVar("T")

POSITIVE = math.ulp(0.0)
"""The smallest number above zero."""


def read_settings(kind: type[T], data: Mapping[str, Any]) -> T:
    """Makes a settings dataclass from what JSON holds; fields that are left out keep their defaults.

    Raises:
        UnknownNameError: a field does not exist.
        BadValueError: a value is of another type than its field, or the dataclass refuses it.
    """
    _check_names(kind, kind, data, "")
    try:
        return TypeAdapter(kind).validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        message = first["msg"][:1].lower() + first["msg"][1:]
        raise BadValueError(f"setting {name} is {first['input']!r}: {message}") from error


def assign(settings: T, assignments: Iterable[str]) -> T:
    """The same settings with some of them changed.

    Args:
        settings: a dataclass.
        assignments: `name=value` each. A value is JSON or plain text; a list may be given with commas.

    Raises:
        UnknownNameError: a name does not exist.
        BadValueError: there is no value, it is of another type, or the dataclass refuses it.
    """
    tree = asdict(settings)  # type: ignore[call-overload]
    for assignment in assignments:
        name, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals:
            raise BadValueError(f"setting {assignment!r} has no value; write {name}=VALUE")
        if not _put(settings, tree, name, text):
            raise UnknownNameError("setting", name, setting_names(type(settings)))
    return read_settings(type(settings), tree)


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Two trees of settings as one; where both have a value that is no mapping, the second one's counts."""
    merged = dict(base)
    for name, value in changes.items():
        old = merged.get(name)
        merged[name] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def check_range(settings: Any, names: Iterable[str], least: float, most: float = math.inf, label: str = "") -> None:
    """Refuses numbers that are out of range, infinite or NaN.

    Args:
        settings: a dataclass.
        names: fields with numbers, or with mappings to numbers. None is let through.
        least: smallest value; `POSITIVE` for anything above zero.
        most: largest value.
        label: what stands before the field in the message; the class's name if left out.

    Raises:
        BadValueError: a value is out of range.
    """
    label = label or type(settings).__name__.lower()
    for name in names:
        value = getattr(settings, name)
        entries = {f"{name}.{key}": v for key, v in value.items()} if isinstance(value, Mapping) else {name: value}
        for entry, number in entries.items():
            if number is None or (least <= number <= most and math.isfinite(number)):
                continue
            wanted = "more than 0" if least == POSITIVE else f"{least:g} or more"
            raise BadValueError(
                f"{label}.{entry} is {number}; give {wanted if most == math.inf else f'{least:g} to {most:g}'}"
            )


def setting_names(kind: Any) -> list[str]:
    """Every name that can be assigned in a settings dataclass."""
    names = []
    for name, hint in _hints(kind).items():
        names += [f"{name}.{inner}" for inner in setting_names(hint)] if is_dataclass(hint) else [name]
    return names


def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind) if field.init}


def _check_names(root: Any, kind: Any, data: Mapping[str, Any], path: str) -> None:
    hints = _hints(kind)
    for name, value in data.items():
        if name not in hints:
            raise UnknownNameError("setting", path + name, setting_names(root))
        if is_dataclass(hints[name]):
            if not isinstance(value, Mapping):
                inner = ", ".join(_hints(hints[name]))
                raise BadValueError(f"setting {path}{name} is {value!r}; give an object with some of {inner}")
            _check_names(root, hints[name], value, f"{path}{name}.")


def _put(settings: Any, tree: dict[str, Any], path: str, text: str) -> bool:
    """Puts a value into the tree of `settings` at a dotted path; returns whether there is such a setting."""
    name, _, rest = path.partition(".")
    if name not in tree:
        return False
    old = getattr(settings, name)
    if is_dataclass(old):
        return _put(old, tree[name], rest, text)
    if not rest:
        tree[name] = _value(text, old)
    elif isinstance(old, Mapping):
        tree[name][rest] = _value(text, old.get(rest))
    return not rest or isinstance(old, Mapping)


def _value(text: str, old: Any) -> Any:
    """What a text on the command line stands for, at the place of an old value."""
    if isinstance(old, str):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = [part.strip() for part in text.split(",")] if isinstance(old, tuple) else text
    return [value] if isinstance(old, tuple) and not isinstance(value, list) else value
