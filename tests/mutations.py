"""Damaged input: bytes and JSON changed at random, as disks, networks, editors and people change them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ODD: list[Callable[[np.random.Generator], Any]] = [
    lambda rng: None,
    lambda rng: bool(rng.integers(2)),
    lambda rng: int(rng.choice([-1, 0, 1, 2, 255, 2**31, 2**63, 10**30])),
    lambda rng: float(rng.choice([0.5, -1e9, 1e308, float("nan"), float("inf")])),
    lambda rng: str(rng.choice(["", "word", "../../x", "\x00", "ä" * 300, "\ud800", "1e5", "#3[0:1]~+"])),
    lambda rng: [],
    lambda rng: {},
    lambda rng: [1, "a", None],
    lambda rng: {"a": {"b": [1.5]}},
    lambda rng: "x" * 100_000,
]


def mutated_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    """The same bytes after one to four changes: flipped, cut out, doubled, inserted, cut off."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        if not changed:
            return b""
        at = int(rng.integers(len(changed)))
        length = int(rng.integers(1, 1 + min(64, len(changed) - at)))
        match int(rng.integers(5)):
            case 0:
                changed[at] ^= 1 << int(rng.integers(8))
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = changed[at : at + length]
            case 3:
                changed[at:at] = rng.bytes(length)
            case _:
                del changed[at:]
    return bytes(changed)


def mutated_json(text: str, rng: np.random.Generator) -> str:
    """The same JSON with one to three places replaced, removed, or nested very deeply."""
    value = json.loads(text)
    for _ in range(int(rng.integers(1, 4))):
        places = list(_places(value))
        if not places:
            return json.dumps(ODD[int(rng.integers(len(ODD)))](rng))
        holder, key = places[int(rng.integers(len(places)))]
        match int(rng.integers(8)):
            case 0:
                del holder[key]
            case 1:
                return json.dumps(value).replace(json.dumps(holder[key]), "[" * 20_000 + "]" * 20_000, 1)
            case _:
                holder[key] = ODD[int(rng.integers(len(ODD)))](rng)
    return json.dumps(value)


def mutated_copy(whole: Path, copy: Path, rng: np.random.Generator) -> None:
    """Copies a folder, and changes or deletes one of its files."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(whole, copy)
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    file = files[int(rng.integers(len(files)))]
    content = file.read_bytes()
    if file.suffix == ".json" and rng.random() < 0.8:
        file.write_bytes(mutated_json(content.decode(), rng).encode("utf-8", "surrogatepass"))
    elif rng.random() < 0.05:
        file.unlink()
    else:
        file.write_bytes(mutated_bytes(content, rng))


def _places(value: Any) -> Any:
    """Every (container, key) in a JSON value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from _places(value[key])
