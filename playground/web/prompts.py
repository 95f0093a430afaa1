"""Prompts as text, so that the page, a link and the timeline mean the same: which demonstrations, cut and edited how.

    metaworld/reach#0                      a whole demonstration
    metaworld/reach#0[10:60:2]             steps 10, 12, … below 60
    metaworld/reach#0+metaworld/push#1     one after the other
    metaworld/reach#0~reversed~actions     edits, applied in this order

Parser and generator stand side by side; they are inverse.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from playground.episode import Episode
from playground.errors import BadValueError
from playground.prompt import Prompt, Segment
from playground.viewing.catalogue import NO_PROMPT

MAX_CUTS = 4
"""Demonstrations that one prompt may join."""

EDITS: dict[str, Callable[[Prompt], Prompt]] = {
    "reversed": Prompt.reversed,
    "shuffled": Prompt.shuffled,
    "actions": Prompt.actions_only,
    "observations": Prompt.observations_only,
}

_CUT = re.compile(r"(?P<name>[\w./-]+#\d{1,4})(\[(?P<start>\d{1,6}):(?P<stop>\d{0,6})(:(?P<stride>\d{1,3}))?\])?")


@dataclass(frozen=True)
class Cut:
    """Steps start, start + stride, … below stop (None: the end) of the demonstration `domain/task#K`."""

    name: str
    start: int = 0
    stop: int | None = None
    stride: int = 1

    def __str__(self) -> str:
        if (self.start, self.stop, self.stride) == (0, None, 1):
            return self.name
        stop = "" if self.stop is None else self.stop
        return f"{self.name}[{self.start}:{stop}" + (f":{self.stride}]" if self.stride != 1 else "]")

    def of(self, episode: Episode) -> Prompt:
        """The cut's prompt.

        Raises:
            BadValueError: the cut is empty.
        """
        length = None if self.stop is None else self.stop - self.start
        return Prompt.from_episode(episode, self.name, self.start, length, self.stride)


@dataclass(frozen=True)
class Recipe:
    """What a prompt is made of; without cuts, no prompt."""

    cuts: tuple[Cut, ...] = ()
    edits: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "~".join(["+".join(map(str, self.cuts)) or NO_PROMPT, *self.edits])

    @classmethod
    def parse(cls, text: str) -> "Recipe":
        """Reads what `str` gave.

        Raises:
            BadValueError: it is no prompt's text.
        """
        joined, *edits = text.split("~")
        if joined == NO_PROMPT:
            return cls()
        found = [_CUT.fullmatch(part) for part in joined.split("+")]
        if len(found) > MAX_CUTS:
            raise BadValueError(f"prompt joins {len(found)} demonstrations; join {MAX_CUTS} at most")
        if unknown := [edit for edit in edits if edit not in EDITS]:
            raise BadValueError(f"prompt edit {unknown[0]!r} does not exist; use {', '.join(EDITS)}")
        cuts = []
        for part, match in zip(joined.split("+"), found, strict=True):
            if match is None:
                raise BadValueError(f"prompt {part[:80]!r} is none; write domain/task#0, domain/task#0[10:60] or none")
            stop, stride = match["stop"], match["stride"]
            cut = Cut(match["name"], int(match["start"] or 0), int(stop) if stop else None, int(stride or 1))
            cuts.append(cut)
        return cls(tuple(cuts), tuple(edits))

    def build(self, find: Callable[[str], Episode]) -> Prompt | None:
        """The prompt, under this text as its name; `find` gives a demonstration by its name.

        Raises:
            PlaygroundError: there is no such demonstration, or a cut is empty.
        """
        return self._assembled([cut.of(find(cut.name)) for cut in self.cuts])

    def steps(self, find: Callable[[str], Episode]) -> Prompt | None:
        """The same prompt, each of whose actions is the step's number in its demonstration and each task its name."""
        parts = []
        for cut in self.cuts:
            count = len(find(cut.name))
            numbers = Segment(cut.name, {}, np.arange(count))
            stop = count if cut.stop is None else cut.stop
            parts.append(Prompt(cut.name, (numbers.take(slice(cut.start, stop, cut.stride)),)))
        return self._assembled(parts)

    def _assembled(self, parts: list[Prompt]) -> Prompt | None:
        if not parts:
            return None
        joined = reduce(Prompt.joined, parts)
        return replace(reduce(lambda prompt, edit: EDITS[edit](prompt), self.edits, joined), name=str(self))
