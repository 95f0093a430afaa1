"""Instructions of several subtasks, carried out one at a time: the text that an agent reads is the current subtask."""

from collections.abc import Callable
from dataclasses import dataclass

Split = Callable[[str], tuple[str, ...]]
"""An instruction -> its subtasks in order, such as `playground.environment.DomainEnv.subtasks`."""


def whole(text: str) -> tuple[str, ...]:
    """Takes an instruction for its own only subtask."""
    return (text,)


@dataclass
class SubtaskTracker:
    """How far an agent has come with an instruction.

    Attributes:
        split: the grammar of the world's instructions.
        instruction: the whole text.
        subtasks: its subtasks, in the order in which they are to be done.
        index: which of them is the current one.
    """

    split: Split = whole
    instruction: str = ""
    subtasks: tuple[str, ...] = ("",)
    index: int = 0

    @property
    def current(self) -> str:
        """The text of the current subtask."""
        return self.subtasks[self.index]

    def follow(self, instruction: str) -> str:
        """Takes the world's instruction; a new one begins with its first subtask. Returns the current subtask."""
        if instruction != self.instruction:
            self.instruction, self.subtasks, self.index = instruction, self.split(instruction), 0
        return self.current

    def advance(self) -> None:
        """Goes on to the next subtask; after the last to the first, as an episode ends when all are really done."""
        self.index = (self.index + 1) % len(self.subtasks)
