"""What a user may call a demonstration: `domain/task#K`, a recording's name or folder; `[A:B]` behind it cuts it."""

import re
from dataclasses import dataclass
from pathlib import Path

from playground.demonstrations.files import load_episodes
from playground.demonstrations.recordings import VERSION, recorded_cut, recordings_root
from playground.demonstrations.shipped_files import shipped, shipped_counts
from playground.episode import Episode
from playground.errors import BadFileError, BadValueError, UnknownNameError
from playground.prompt import Prompt

_GRAMMAR = re.compile(r"(?P<base>[^#\[]+)(?:#(?P<number>\d+))?(?:\[(?P<start>\d*):(?P<stop>\d*)\])?")


@dataclass(frozen=True)
class Demonstration:
    """One demonstration that was found by its name.

    Attributes:
        name: the name, `#0` added where a number was left out.
        episode: all of it.
        start, stop: the timesteps [start, stop) that are meant.
        recording: its folder, if a person recorded it.
    """

    name: str
    episode: Episode
    start: int
    stop: int
    recording: Path | None = None

    @property
    def prompt(self) -> Prompt:
        shown = self.name if self.recording is None else self.name.rpartition("/")[2]
        return Prompt.from_episode(self.episode, shown, self.start, self.stop - self.start)


def find_demonstration(name: str) -> Demonstration:
    """The demonstration of a name.

    Raises:
        UnknownNameError: nothing has that name.
        BadValueError: there is no K-th demonstration, or the cut leaves nothing.
        BadFileError: the recording is broken.
    """
    parts = _GRAMMAR.fullmatch(name)
    if parts is None:
        raise BadValueError(f"prompt {name!r} is no name; write domain/task#K, or domain/task#K[A:B] for a part of it")
    base, number = parts["base"], int(parts["number"] or 0)
    folder: Path | None = None
    if base in shipped_counts():
        episodes: tuple[Episode, ...] = shipped(base)
        shown = f"{base}#{number}"
    else:
        folder = _folder(base)
        episodes = tuple(load_episodes(folder))
        shown = base if len(episodes) == 1 else f"{base}#{number}"
    if number >= len(episodes):
        raise BadValueError(
            f"prompt {name!r}: there are {len(episodes)} demonstrations; give #0 to #{len(episodes) - 1}"
        )
    episode = episodes[number]
    start, stop = (0, len(episode)) if folder is None else recorded_cut(folder, len(episode))
    if parts["start"] is not None:
        start, stop = int(parts["start"] or 0), min(int(parts["stop"] or len(episode)), len(episode))
        if start >= stop:
            raise BadValueError(f"prompt {name!r}: cut [{start}, {stop}) of {len(episode)} timesteps leaves nothing")
        shown += f"[{start}:{stop}]"
    return Demonstration(shown, episode, start, stop, folder)


def prompt(name: str) -> Prompt | None:
    """What a user means by a prompt's name, see `find_demonstration`; None for `none`."""
    return None if name == "none" else find_demonstration(name).prompt


def _folder(base: str) -> Path:
    """A recording by its path, or by its name among the person's recordings."""
    if Path(base).exists():
        return Path(base)
    if base.startswith((".", "/", "~")):
        raise BadFileError(f"{base}: no such folder; give `domain/task#K` or a recording's folder")
    own = recordings_root() / (base.removesuffix(VERSION) + VERSION)
    if own.exists():
        return own
    raise UnknownNameError("prompt", base, [f"{task}#0" for task in shipped_counts()])
