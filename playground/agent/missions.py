"""Missions of several parts, carried out one at a time: the text that an agent reads is the part that is due."""

from dataclasses import dataclass

AND, THEN, AFTER = " and ", ", then ", " after you "


def parts(mission: str) -> tuple[str, ...]:
    """The parts of a mission in the order in which they are due: "A after you B and C" -> B, C, A.

    A mission that joins nothing is its own only part.
    """
    first, after, second = mission.partition(AFTER)
    if after:
        return (*parts(second), *parts(first))
    first, then, second = mission.partition(THEN)
    if then:
        return (*parts(first), *parts(second))
    return tuple(mission.split(AND))


@dataclass
class Progress:
    """How far a row's mission has come.

    Attributes:
        mission: the whole text.
        parts: its parts, in the order in which they are due.
        due: which of them is due.
    """

    mission: str = ""
    parts: tuple[str, ...] = ("",)
    due: int = 0

    def read(self, mission: str) -> str:
        """The part that is due; another mission than before begins with its first."""
        if mission != self.mission:
            self.mission, self.parts, self.due = mission, parts(mission), 0
        return self.parts[self.due]

    def cross_off(self) -> None:
        """Goes on to the next part; behind the last one to the first: had all been done, the episode would be over."""
        self.due = (self.due + 1) % len(self.parts)
