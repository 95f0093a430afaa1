"""A visitor's shelf: the shipped demonstrations, which all share, and those that the visitor drove or uploaded."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from playground.demonstrations import shipped, shipped_counts
from playground.episode import Episode
from playground.errors import BadValueError, UnknownNameError

OWN = "yours"
MAX_OWN = 12
"""A visitor's own demonstrations; older ones go."""

MAX_OWN_STEPS = 2000
MIN_OWN_STEPS = 3


@dataclass
class Shelf:
    """Finds demonstrations by name: `domain/task#K` for shipped ones, `yours/TOKEN#K` for the visitor's own.

    The token is drawn anew, so that nobody can name another visitor's.
    """

    token: str = field(default_factory=lambda: secrets.token_hex(4))
    own: dict[str, Episode] = field(default_factory=dict)
    _count: int = 0

    def find(self, name: str) -> Episode:
        """The demonstration of that name.

        Raises:
            UnknownNameError: there is none.
        """
        if name in self.own:
            return self.own[name]
        task, _, number = name.partition("#")
        if not number.isdecimal() or int(number) >= shipped_counts().get(task, 0):
            raise UnknownNameError("demonstration", name, [*self.own, *(f"{task}#0" for task in shipped_counts())])
        return shipped(task)[int(number)]

    def add(self, episodes: Sequence[Episode]) -> list[str]:
        """Takes own demonstrations; returns their names.

        Raises:
            BadValueError: one is too short or too long.
        """
        for episode in episodes:
            if not MIN_OWN_STEPS <= len(episode) <= MAX_OWN_STEPS:
                raise BadValueError(
                    f"a demonstration of {len(episode)} steps; give one of {MIN_OWN_STEPS} to {MAX_OWN_STEPS}"
                )
        names = []
        for episode in episodes[:MAX_OWN]:
            name = f"{OWN}/{self.token}#{self._count}"
            self._count += 1
            self.own[name] = episode
            names.append(name)
        while len(self.own) > MAX_OWN:
            del self.own[next(iter(self.own))]
        return names
