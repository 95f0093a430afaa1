"""What a user may call a demonstration: `domain/task#K` for a shipped one, a recording's name or folder.

`playground.prompt_spec` says how names are cut, joined and edited.
"""

import os
import re
from pathlib import Path

from playground.demonstrations.files import load_episodes
from playground.demonstrations.recordings import VERSION, recorded_cut, recordings_root
from playground.demonstrations.shipped_files import shipped, shipped_counts
from playground.errors import BadFileError, BadValueError, UnknownNameError
from playground.prompt import Prompt
from playground.prompt_spec import Demonstration, PromptSpec

_NUMBERED = re.compile(r"(?P<base>.+)#(?P<number>[0-9]{1,6})")


def find_prompt(text: str) -> Prompt | None:
    """The prompt that a text means, see `playground.prompt_spec`; None for `none`.

    Raises:
        UnknownNameError: a demonstration or an edit does not exist.
        BadValueError: the text cannot be read, or a cut leaves nothing.
        BadFileError: a recording is broken.
    """
    return parse_prompt(text).build(find_demonstration)


def parse_prompt(text: str) -> PromptSpec:
    """Reads a prompt's text as a person on this machine means it: a path that exists is one, whatever is in it.

    Raises:
        BadValueError: the text cannot be read.
        UnknownNameError: there is no such edit.
    """
    return PromptSpec.parse(text, _is_path)


def find_demonstration(name: str) -> Demonstration:
    """The demonstration of a name.

    Raises:
        UnknownNameError: nothing has that name.
        BadValueError: there is no K-th demonstration.
        BadFileError: the recording is broken.
    """
    parts = None if _is_path(name) else _NUMBERED.fullmatch(name)
    base, number = (name, 0) if parts is None else (parts["base"], int(parts["number"]))
    if base in shipped_counts():
        episodes = shipped(base)
        _check_number(name, number, len(episodes))
        return Demonstration(f"{base}#{number}", episodes[number], 0, len(episodes[number]))
    folder = _folder(base)
    recorded = load_episodes(folder)
    _check_number(name, number, len(recorded))
    shown = base if len(recorded) == 1 else f"{base}#{number}"
    return Demonstration(shown, recorded[number], *recorded_cut(folder, len(recorded[number])), folder)


def _is_path(name: str) -> bool:
    """Whether a name is a path that exists; tasks with shipped demonstrations go first."""
    return name not in shipped_counts() and os.path.exists(name)


def _check_number(name: str, number: int, count: int) -> None:
    if number >= count:
        raise BadValueError(f"prompt {name!r}: there are {count} demonstrations; give #0 to #{count - 1}")


def _folder(base: str) -> Path:
    """A recording by its path, or by its name among the person's recordings."""
    if Path(base).exists():
        return Path(base)
    if base.startswith((".", "/")):
        raise BadFileError(f"{base}: no such folder; give `domain/task#K` or a recording's folder")
    own = recordings_root() / (base.removesuffix(VERSION) + VERSION)
    if own.exists():
        return own
    raise UnknownNameError("prompt", base, [f"{task}#0" for task in shipped_counts()])
