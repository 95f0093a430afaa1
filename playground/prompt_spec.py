"""Prompts as text: which demonstrations they show, and how these are cut and edited.

    metaworld/reach#0                          a shipped demonstration
    my-drive-1                                 a recording, by its name or its folder
    metaworld/reach#0[10:60:2]                 timesteps 10, 12, … below 60
    metaworld/reach#0+metaworld/push#1         one after the other
    metaworld/reach#0~reversed~actions-only    edits, applied from left to right
    none                                       no prompt

The same text stands behind `--prompt`, in a swap, in a link to the page and in the window. Parser and printer stand
side by side and are inverse. The page's script has its own, `web/static/prompt_spec.js`; `tests/prompt_specs.json`
holds examples that both are tested against.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

from playground.episode import Episode
from playground.errors import BadValueError, UnknownNameError
from playground.prompt import Prompt

NO_PROMPT = "none"
"""The text of no prompt."""

MAX_CUTS = 4
"""Demonstrations that one prompt may join."""

EDITS: dict[str, Callable[[Prompt], Prompt]] = {
    "reversed": Prompt.reversed,
    "shuffled": Prompt.shuffled,
    "actions-only": Prompt.actions_only,
    "observations-only": Prompt.observations_only,
}
"""What can be done to a whole prompt, in the order in which buttons and keys apply it."""

OPPOSITES = {"actions-only": "observations-only", "observations-only": "actions-only"}
"""Edits that hide everything when both are made."""

OLD_EDITS = {"actions": "actions-only", "observations": "observations-only"}
"""How links called two edits before they could be typed behind `--prompt`."""

_NUMBER = re.compile(r"#[0-9]{1,6}")
_NAME = re.compile(r"[^#\[\]+~]+(#[0-9]{1,6})?")
_NAME_ENDS = re.compile(r"[#\[+~]|$")
_BRACKETS = re.compile(r"\[(?P<start>[0-9]{0,6}):(?P<stop>[0-9]{0,6})(:(?P<stride>[0-9]{1,6}))?\]")
_CURE = "write domain/task#0, domain/task#0[10:60], two of them joined by +, or none"


@dataclass(frozen=True)
class Demonstration:
    """One demonstration that was found by its name.

    Attributes:
        name: the name, with `#0` where a number was left out.
        episode: all of it.
        start, stop: the timesteps [start, stop) that are meant where no cut is written: a recording may be trimmed.
        recording: its folder, if a person recorded it.
    """

    name: str
    episode: Episode
    start: int
    stop: int
    recording: Path | None = None

    @property
    def title(self) -> str:
        """The name as it is shown: a recording's folder without the way to it."""
        return self.name if self.recording is None else Path(self.name).name or self.name


@dataclass(frozen=True)
class Cut:
    """Timesteps start, start + stride, … below stop of one demonstration.

    Attributes:
        name: the demonstration's name.
        start: None takes the demonstration as it is, a recording as it was trimmed.
        stop: None is the end.
        stride: every how many-th timestep.

    Raises:
        BadValueError: no timestep can be left.
    """

    name: str
    start: int | None = None
    stop: int | None = None
    stride: int = 1

    def __post_init__(self) -> None:
        """Counts from 0 where only a stop or a stride is given."""
        if self.start is None and (self.stop is not None or self.stride != 1):
            object.__setattr__(self, "start", 0)
        if self.stride < 1:
            raise BadValueError(f"prompt {self}: the stride is {self.stride}; give 1 or more")
        if self.start is not None and self.stop is not None and self.start >= self.stop:
            raise BadValueError(f"prompt {self}: the cut leaves nothing; let it stop after {self.start}")

    def __str__(self) -> str:
        """The cut's text."""
        if self.start is None:
            return self.name
        stop = "" if self.stop is None else self.stop
        return f"{self.name}[{self.start}:{stop}" + (f":{self.stride}]" if self.stride != 1 else "]")

    def steps(self, found: Demonstration) -> range:
        """The timesteps of the demonstration that are shown.

        Raises:
            BadValueError: the cut begins after the demonstration's end.
        """
        length = len(found.episode)
        if self.start is None:
            return range(found.start, found.stop)
        if self.start >= length:
            raise BadValueError(f"prompt {self}: the cut leaves nothing of {length} timesteps; start below {length}")
        return range(self.start, length if self.stop is None else min(self.stop, length), self.stride)

    def build(self, found: Demonstration) -> Prompt:
        """The cut's prompt, from the demonstration of its name.

        Raises:
            BadValueError: the cut begins after the demonstration's end.
        """
        steps = self.steps(found)
        return Prompt.from_episode(found.episode, found.name, steps.start, steps.stop - steps.start, steps.step)


@dataclass(frozen=True)
class PromptSpec:
    """What a prompt is made of; without cuts, no prompt.

    Attributes:
        cuts: parts of demonstrations, which the agent reads one after the other.
        edits: of `EDITS`, in the order in which they are applied.

    Raises:
        BadValueError: there are too many cuts, or edits that cannot go together.
        UnknownNameError: there is no such edit.
    """

    cuts: tuple[Cut, ...] = ()
    edits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Checks that the parts go together."""
        if len(self.cuts) > MAX_CUTS:
            raise BadValueError(f"a prompt joins {len(self.cuts)} demonstrations; join {MAX_CUTS} at most")
        for edit in self.edits:
            if edit not in EDITS:
                raise UnknownNameError("prompt edit", edit, EDITS)
            if not self.cuts:
                raise BadValueError(f"the edit {edit!r} has nothing to edit; give it a demonstration")
            if self.edits.count(edit) > 1:
                raise BadValueError(f"the edit {edit!r} is made {self.edits.count(edit)} times; make it once")
            if OPPOSITES.get(edit) in self.edits:
                raise BadValueError(f"the edits {' and '.join(self.edits)} hide all of a prompt; make one of them")

    def __str__(self) -> str:
        """The prompt's text, which `parse` reads."""
        return "~".join(["+".join(map(str, self.cuts)) or NO_PROMPT, *self.edits])

    @classmethod
    def parse(cls, text: str, is_path: Callable[[str], bool] = lambda name: False) -> "PromptSpec":
        """Reads a prompt's text.

        Args:
            text: see the module.
            is_path: whether a name is a path on this machine; such a name is read whole, whatever is in it. Texts
                that come from elsewhere know no paths.

        Raises:
            BadValueError: it is no prompt's text.
            UnknownNameError: there is no such edit.
        """
        cuts, rest = list[Cut](), "" if text == NO_PROMPT else f"+{text}"
        while rest.startswith("+"):
            end = _name_end(rest[1:], is_path)
            name, after = rest[1 : end + 1], rest[end + 1 :]
            brackets = _BRACKETS.match(after)
            following = after if brackets is None else after[brackets.end() :]
            if name in ("", NO_PROMPT) or following[:1] not in ("", "+", "~"):
                part = re.split("[+~]", rest[1:])[0]
                raise BadValueError(f"prompt {text[:80]!r}: {part[:80]!r} names no demonstration; {_CURE}")
            cuts.append(Cut(name) if brackets is None else _cut(name, brackets))
            rest = following
        return cls(tuple(cuts), tuple(OLD_EDITS.get(edit, edit) for edit in rest.split("~")[1:]))

    def build(self, find: Callable[[str], Demonstration]) -> Prompt | None:
        """The prompt, named by its text.

        Args:
            find: gives a demonstration by its name.

        Raises:
            PlaygroundError: there is no such demonstration, or a cut begins after its end.
        """
        if not self.cuts:
            return None
        found = [find(cut.name) for cut in self.cuts]
        joined = reduce(Prompt.joined, (cut.build(one) for cut, one in zip(self.cuts, found, strict=True)))
        edited = reduce(lambda prompt, edit: EDITS[edit](prompt), self.edits, joined)
        titles = (replace(cut, name=one.title) for cut, one in zip(self.cuts, found, strict=True))
        return replace(edited, name=str(replace(self, cuts=tuple(titles))))

    def toggled(self, edit: str) -> "PromptSpec":
        """The same prompt with an edit, or without it where it has been made; no prompt stays none."""
        if edit in self.edits:
            return replace(self, edits=tuple(other for other in self.edits if other != edit))
        others = [other for other in self.edits if other != OPPOSITES.get(edit)]
        return replace(self, edits=tuple(sorted((*others, edit), key=list(EDITS).index))) if self.cuts else self

    def joined(self, other: "PromptSpec") -> "PromptSpec":
        """This prompt followed by another one's demonstrations.

        Raises:
            BadValueError: these are too many.
        """
        return replace(self, cuts=self.cuts + other.cuts)


def _name_end(text: str, is_path: Callable[[str], bool]) -> int:
    """Where the name ends that a text begins with: after the longest path there is, or where the grammar says."""
    ends = [match.start() for match in _NAME_ENDS.finditer(text)]
    path = next((end for end in reversed(ends) if is_path(text[:end])), None)
    match = _NAME.match(text) if path is None else _NUMBER.match(text, path)
    return (path or 0) if match is None else match.end()


def _cut(name: str, brackets: re.Match[str]) -> Cut:
    start, stop, stride = (brackets[part] for part in ("start", "stop", "stride"))
    return Cut(name, int(start or 0), int(stop) if stop else None, int(stride or 1))
