"""Whether an episode from outside is what its readers need: axes, kinds, goal, seed, and its task's observations.

The container may be whole and its content of no use: an action of two axes, a grey picture, a goal that is a number.
All of it is looked at once, where a dataset is read.
"""

import json
import math
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from playground import assets
from playground.demonstrations.archives import packed_metadata
from playground.episode import Episode
from playground.errors import BadFileError
from playground.task import Goal
from playground.tokens.images import PATCH
from playground.tokens.scalars import BINS
from playground.tokens.timestep import MAX_DISCRETE_ACTIONS

MAX_ACTION_SIZE = 64
"""Most numbers of one action."""

MAX_WIDTH = 4096
"""Most numbers of one observation that is neither picture nor grid."""

_TASK = re.compile(r"[\w-]+/[\w.-]+")

Form = tuple[str, tuple[int, ...]]
"""Kind (`float`, `integer`, `text`) and shape of one timestep's part."""


def checked_goal(value: Any) -> Goal:
    """A goal as it comes out of JSON, which knows no tuples.

    Raises:
        BadFileError: it is neither a text, nor a list of finite numbers, nor missing.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(_is_number(x) for x in value):
        return tuple(float(x) for x in value)
    raise BadFileError(f"the goal is {_shown(value)}; a goal is a text or a list of numbers")


def checked_seed(value: Any) -> int | None:
    """A seed as it comes out of JSON.

    Raises:
        BadFileError: it is no whole number from 0 on, nor missing.
    """
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63):
        return value
    raise BadFileError(f"the seed is {_shown(value)}; a seed is a whole number from 0 on")


def checked_success(value: Any) -> bool | None:
    """Whether the task was solved, as it comes out of JSON.

    Raises:
        BadFileError: it is neither true nor false, nor missing.
    """
    if value is None or isinstance(value, bool):
        return value
    raise BadFileError(f"success is {_shown(value)}; it is true, false, or null where the task defines none")


def check_episode(episode: Episode) -> None:
    """Looks at actions and observations, and compares them with the task's shipped demonstrations, if it has any.

    Raises:
        BadFileError: something in it has no reader.
    """
    if len(episode.task) > 200:
        raise BadFileError(f"the task's name has {len(episode.task)} letters; it is `domain/name`")
    _check_actions(episode.actions)
    if not episode.observations:
        raise BadFileError("there are no observations; record them too")
    for key, values in episode.observations.items():
        _check_observation(key, values)
    found = {key: _form(values) for key, values in episode.observations.items()} | {"action": _form(episode.actions)}
    known = task_forms(episode.task)
    if known is not None and found != known:
        raise BadFileError(f"{difference(found, known)}, in demonstrations of {episode.task}; record it in that task")


def difference(found: dict[str, Form], known: dict[str, Form]) -> str:
    """The first part in which two forms differ, in words."""
    for key in sorted(known.keys() | found.keys()):
        if key not in known:
            return f"{key!r} is {_words(found[key])}, and nothing"
        if key not in found:
            return f"{key!r} is missing, and {_words(known[key])}"
        if found[key] != known[key]:
            return f"{key!r} is {_words(found[key])}, and {_words(known[key])}"
    raise ValueError("the forms are equal")


def task_forms(task: str) -> dict[str, Form] | None:
    """Key -> form of a task's observations, and `action`; from its shipped demonstrations, None without any."""
    return _forms_in(assets.ASSETS / "demonstrations" / f"{task}-v0.zip") if _TASK.fullmatch(task) else None


@lru_cache(maxsize=256)
def _forms_in(file: Path) -> dict[str, Form] | None:
    if not file.is_file():
        return None
    metadata = json.loads(packed_metadata(file))
    observations = json.loads(metadata["observation_space"])["subspaces"]
    spaces = {**observations, "action": json.loads(metadata["action_space"])}
    return {key: _space_form(space) for key, space in spaces.items()}


def _space_form(space: dict[str, Any]) -> Form:
    """The form of a space in Minari's JSON."""
    match space["type"]:
        case "Text":
            return "text", ()
        case "Discrete":
            return "integer", ()
        case "MultiDiscrete":
            return "integer", np.shape(space["nvec"])
        case _:
            return ("float" if space["dtype"].startswith("float") else "integer"), tuple(space["shape"])


def _form(values: np.ndarray) -> Form:
    kind = {"U": "text", "f": "float"}.get(values.dtype.kind, "integer")
    return kind, values.shape[1:]


def _words(form: Form) -> str:
    kind, shape = form
    return kind if not shape else f"{kind} {list(shape)}"


def _check_actions(actions: np.ndarray) -> None:
    kind, shape = _form(actions)
    if kind == "float" and len(shape) == 1 and 1 <= shape[0] <= MAX_ACTION_SIZE:
        return
    if actions.dtype.kind in "iu" and not shape:
        if actions.size and not 0 <= int(actions.min()) <= int(actions.max()) < MAX_DISCRETE_ACTIONS:
            raise BadFileError(
                f"actions go from {actions.min()} to {actions.max()}; the agent has the actions 0 to "
                f"{MAX_DISCRETE_ACTIONS - 1}"
            )
        return
    raise BadFileError(
        f"an action is {actions.dtype} {list(shape)}; the agent acts by 1 to {MAX_ACTION_SIZE} numbers of one axis, "
        "or by one whole number"
    )


def _check_observation(key: str, values: np.ndarray) -> None:
    shape = values.shape[1:]
    what = f"observation {key!r} is {values.dtype} {list(shape)}"
    if values.dtype.kind == "U":
        good, cure = not shape, "give one text a timestep"
    elif values.dtype.kind == "f":
        good, cure = len(shape) <= 1 and values[0].size <= MAX_WIDTH, f"give up to {MAX_WIDTH} numbers of one axis"
    elif values.dtype == np.uint8 and len(shape) in (2, 3) and min(shape[:2]) >= PATCH:
        good, cure = len(shape) == 3 and shape[2] == 3, "give pictures in three colours, [height, width, 3]"
    elif values.dtype.kind in "iu":
        good, cure = len(shape) in (0, 1, 3) and values[0].size <= MAX_WIDTH, "give whole numbers, or a grid of cells"
        if good and values.size and not 0 <= int(values.min()) <= int(values.max()) < BINS:
            good, cure = False, f"its numbers go from {values.min()} to {values.max()}; give 0 to {BINS - 1}"
    else:
        good, cure = False, "give numbers, pictures or texts"
    if not good:
        raise BadFileError(f"{what}; {cure}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
