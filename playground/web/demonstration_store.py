"""The demonstrations that a visitor can name: the shipped ones, which all share, and those driven or uploaded."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from playground.demonstrations import shipped, shipped_counts
from playground.episode import Episode
from playground.errors import BadValueError, UnknownNameError
from playground.prompt import Prompt
from playground.prompt_spec import Demonstration, PromptSpec

OWN = "yours"
MAX_OWN = 12
"""A visitor's own demonstrations; older ones go."""

MAX_OWN_STEPS = 2000
MIN_OWN_STEPS = 3


@dataclass
class DemonstrationStore:
    """Finds demonstrations by name: `domain/task#K` for shipped ones, `yours/TOKEN#K` for the visitor's own.

    The token is random, so that nobody can name another visitor's. No name is ever taken for a path.
    """

    token: str = field(default_factory=lambda: secrets.token_hex(4))
    own: dict[str, Episode] = field(default_factory=dict)
    _count: int = 0

    def find(self, name: str) -> Demonstration:
        """The demonstration of that name.

        Raises:
            UnknownNameError: there is none.
        """
        if name in self.own:
            return Demonstration(name, self.own[name], 0, len(self.own[name]))
        task, _, digits = name.partition("#")
        number = int(digits or 0) if (digits or "0").isdecimal() else -1
        if not 0 <= number < shipped_counts().get(task, 0):
            raise UnknownNameError("demonstration", name, [*self.own, *(f"{task}#0" for task in shipped_counts())])
        episode = shipped(task)[number]
        return Demonstration(f"{task}#{number}", episode, 0, len(episode))

    def prompt(self, text: str) -> Prompt | None:
        """The prompt that a text means, see `playground.prompt_spec`.

        Raises:
            PlaygroundError: the text cannot be read, or there is no such demonstration.
        """
        return PromptSpec.parse(text).build(self.find)

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
