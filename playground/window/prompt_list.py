"""The prompts at hand for a task: their names in order, the digits they are marked with, and a person's own."""

from dataclasses import replace
from itertools import count
from pathlib import Path

from playground.demonstrations import Demonstration, new_recordings_root, rename_recording, trim_recording
from playground.errors import BadValueError
from playground.prompt_spec import NO_PROMPT, Cut, PromptSpec
from playground.viewing.prompt_names import prompt_names

DIGITS = range(1, 10)


class PromptList:
    """Prompts by name, `none` the last of them.

    Args:
        task: whose prompts and whose scene's.
    """

    def __init__(self, task: str):
        self._task = task
        self.names = prompt_names(task)
        self.marks = {n: name for n, name in zip(DIGITS, self.names, strict=False) if name != NO_PROMPT}
        """Digit -> name."""

    def beside(self, name: str, by: int) -> str:
        """The prompt `by` places further than another one, in a circle."""
        here = self.names.index(name) if name in self.names else 0
        return self.names[(here + by) % len(self.names)]

    def add(self, recordings: list[Path]) -> str | None:
        """Lists recordings that are new and gives them free digits; returns the last new one's name."""
        new = [name for path in recordings if (name := recording_name(path)) not in self.names]
        for name in new:
            self.names.insert(len(self.names) - 1, name)
            free = next((n for n in DIGITS if n not in self.marks), None)
            if free is not None:
                self.marks[free] = name
        return new[-1] if new else None

    def rename(self, found: Demonstration | None, name: str) -> Path:
        """Gives a recording another name; returns its folder.

        Raises:
            BadValueError: it is no recording, or the name cannot be given.
        """
        if found is None or found.recording is None:
            raise BadValueError("only recordings of yours can be named; make one with d or v, and choose it with t")
        path = rename_recording(found.recording, name)
        old, new = recording_name(found.recording), recording_name(path)
        self.marks = {n: new if marked == old else marked for n, marked in self.marks.items()}
        self.names = prompt_names(self._task)
        return path


def trimmed(spec: PromptSpec, found: Demonstration | None, at: int, end: bool) -> PromptSpec:
    """Lets a prompt's last demonstration begin, or end, at a timestep; a recording keeps that.

    Raises:
        BadValueError: there is nothing to trim, or nothing would be left.
    """
    if found is None:
        raise BadValueError("there is no prompt to trim; choose one with left and right")
    start, stop = (found.start, at + 1) if end else (at, found.stop)
    cut = Cut(found.name, start, stop, spec.cuts[-1].stride)
    if found.recording is not None:
        trim_recording(found.recording, start, stop)
        cut = Cut(found.name)
    return replace(spec, cuts=(*spec.cuts[:-1], cut))


def recording_name(path: Path) -> str:
    """What a recording is called as a prompt."""
    return path.name.removesuffix("-v0")


def free_video(task: str) -> Path:
    """A file among the recordings that does not exist yet, `TASK-N.mp4`; makes the folder.

    Raises:
        BadValueError: the folder cannot be written.
    """
    root = new_recordings_root()
    return next(file for n in count(1) if not (file := root / f"{task.replace('/', '-')}-{n}.mp4").exists())
