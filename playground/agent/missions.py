"""Missions of several parts, carried out one at a time: the text that an agent reads is the part that is due."""

from collections.abc import Callable
from dataclasses import dataclass

Split = Callable[[str], tuple[str, ...]]
"""An instruction -> its subtasks in order, such as `playground.environment.DomainEnv.subtasks`."""


def whole(text: str) -> tuple[str, ...]:
    """Takes an instruction for its own only subtask."""
    return (text,)


@dataclass
class Progress:
    """How far a row's mission has come.

    Attributes:
        split: the grammar of the world's instructions.
        mission: the whole text.
        parts: its parts, in the order in which they are due.
        due: which of them is due.
    """

    split: Split = whole
    mission: str = ""
    parts: tuple[str, ...] = ("",)
    due: int = 0

    def read(self, mission: str) -> str:
        """The part that is due; another mission than before begins with its first."""
        if mission != self.mission:
            self.mission, self.parts, self.due = mission, self.split(mission), 0
        return self.parts[self.due]

    def cross_off(self) -> None:
        """Goes on to the next part; behind the last one to the first: had all been done, the episode would be over."""
        self.due = (self.due + 1) % len(self.parts)
