"""Goal families: tasks whose goal only a prompt can tell, with the split of their goals into trained and held-out ones.

An environment draws its own goal from the *trained* part, whatever its seed. So demonstrations for training never show
a held-out goal. Those are met only on request: `reset(options={"goal": family.draw(part, rng)})`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from playground.errors import BadValueError, UnknownNameError
from playground.task import Goal

TRAINED, INTERPOLATED, EXTRAPOLATED = PARTS = ("trained", "interpolated", "extrapolated")
"""Parts of a family's goals: trained on; a gap held out between them; held out beyond them."""

Interval = tuple[float, float]


class GoalFamily(Protocol):
    """A task with a goal parameter that the observation does not show.

    Attributes:
        task: task id.
        parameter: what varies, such as "speed".
        unit: of the parameter and of errors; empty where errors are 0 or 1.
        tolerance: error up to which a goal counts as achieved.
    """

    @property
    def task(self) -> str:
        """Task id."""

    @property
    def parameter(self) -> str:
        """What varies, such as "speed"."""

    @property
    def unit(self) -> str:
        """Of the parameter and of errors; empty where errors are 0 or 1."""

    @property
    def tolerance(self) -> float:
        """Error up to which a goal counts as achieved."""

    def draw(self, part: str, rng: np.random.Generator) -> Goal:
        """A goal of that part."""

    def part(self, goal: Goal) -> str | None:
        """Which of PARTS a goal belongs to; None beyond all of them."""

    def error(self, goal: Goal, achieved: Goal) -> float:
        """How far what was achieved is from the goal, in `unit`."""


@dataclass(frozen=True)
class NumericFamily:
    """Goals that are numbers, split by one parameter of theirs.

    Attributes:
        intervals: part -> intervals [low, high) of the parameter, in `unit`.
        compose: (value of the parameter, generator) -> goal; what the parameter leaves open is drawn.
        value: goal -> value of the parameter.
        distance: (goal, achieved) -> error, in `unit`.
    """

    task: str
    parameter: str
    unit: str
    tolerance: float
    intervals: Mapping[str, tuple[Interval, ...]]
    compose: Callable[[float, np.random.Generator], tuple[float, ...]] = field(repr=False)
    value: Callable[[Goal], float] = field(repr=False)
    distance: Callable[[Goal, Goal], float] = field(repr=False)

    def draw(self, part: str, rng: np.random.Generator) -> Goal:
        """A goal of that part, uniform in the parameter.

        Raises:
            UnknownNameError: there is no such part.
        """
        if part not in self.intervals:
            raise UnknownNameError("part of a goal family", part, self.intervals)
        widths = np.array([high - low for low, high in self.intervals[part]])
        low, high = self.intervals[part][rng.choice(len(widths), p=widths / widths.sum())]
        return tuple(float(x) for x in self.compose(float(rng.uniform(low, high)), rng))

    def part(self, goal: Goal) -> str | None:
        """See `GoalFamily.part`."""
        value = self.value(goal)
        return next(
            (part for part in PARTS for low, high in self.intervals.get(part, ()) if low <= value < high),
            None,
        )

    def error(self, goal: Goal, achieved: Goal) -> float:
        """See `GoalFamily.error`."""
        return float(self.distance(goal, achieved))


@dataclass(frozen=True)
class NamedFamily:
    """Goals that are texts, split by the things that they name.

    Attributes:
        texts: every goal.
        split: goal -> part; None for goals that are no text of this family.
        fulfils: (goal, achieved) -> whether the one asks for no more than the other tells.
    """

    task: str
    parameter: str
    texts: tuple[str, ...]
    split: Callable[[str], str | None] = field(repr=False)
    fulfils: Callable[[str, str], bool] = field(repr=False)
    unit: str = ""
    tolerance: float = 0.5

    def draw(self, part: str, rng: np.random.Generator) -> Goal:
        """A goal of that part.

        Raises:
            UnknownNameError: there is no such part.
        """
        if part not in PARTS:
            raise UnknownNameError("part of a goal family", part, PARTS)
        of_part = [text for text in self.texts if self.split(text) == part]
        return of_part[rng.integers(len(of_part))]

    def part(self, goal: Goal) -> str | None:
        """See `GoalFamily.part`."""
        return self.split(goal) if isinstance(goal, str) else None

    def error(self, goal: Goal, achieved: Goal) -> float:
        """0 or 1."""
        return float(not (isinstance(goal, str) and isinstance(achieved, str) and self.fulfils(goal, achieved)))


def numbers(goal: Goal, size: int, what: str) -> np.ndarray:
    """A goal as float64 [size].

    Raises:
        BadValueError: it is something else than `what`.
    """
    values = np.array(() if goal is None or isinstance(goal, str) else goal, dtype=np.float64)
    if values.shape != (size,) or not np.isfinite(values).all():
        raise BadValueError(f"goal is {goal!r}; give {what}")
    return values
