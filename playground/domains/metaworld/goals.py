"""Goals of Meta-World: which tasks hide one, and how those of reach, push and pick-place are split."""

from collections.abc import Mapping

import numpy as np

from playground.domains.goals import EXTRAPOLATED, INTERPOLATED, TRAINED, Interval, NumericFamily, numbers
from playground.task import Goal

_HIDING = (
    "assembly basketball box-close coffee-pull coffee-push hand-insert peg-insert-side pick-out-of-hole pick-place "
    "pick-place-wall plate-slide plate-slide-back plate-slide-back-side plate-slide-side push push-back push-wall "
    "reach reach-wall shelf-place soccer stick-pull stick-push"
)
HIDDEN_GOAL = frozenset(_HIDING.split())
"""Tasks for which upstream draws a goal of its own that cannot be read off the objects."""

# Goals are uniform in these boxes, metres: upstream's own; `_family` splits them by one coordinate.
_BOXES = {
    "reach": ((-0.1, 0.8, 0.05), (0.1, 0.9, 0.3)),
    "push": ((-0.1, 0.8, 0.01), (0.1, 0.9, 0.02)),
    "pick-place": ((-0.1, 0.8, 0.05), (0.1, 0.9, 0.3)),
}
_HEIGHTS = {TRAINED: ((0.05, 0.13), (0.2, 0.3)), INTERPOLATED: ((0.13, 0.2),), EXTRAPOLATED: ((0.3, 0.38),)}
_SIDES = {
    TRAINED: ((-0.1, -0.03), (0.03, 0.1)),
    INTERPOLATED: ((-0.03, 0.03),),
    EXTRAPOLATED: ((-0.18, -0.1), (0.1, 0.18)),
}


def _family(
    name: str, parameter: str, tolerance: float, intervals: Mapping[str, tuple[Interval, ...]]
) -> NumericFamily:
    """A family whose goals differ in the coordinate `parameter`, "x" (to the side) or "z" (height)."""
    axis, (low, high) = "xyz".index(parameter), _BOXES[name]
    compared = 2 if parameter == "x" else 3  # upstream puts the puck's goal on the table, whatever its height

    def compose(value: float, rng: np.random.Generator) -> tuple[float, ...]:
        goal = rng.uniform(low, high)
        goal[axis] = value
        return tuple(goal)

    def distance(goal: Goal, achieved: Goal) -> float:
        difference = numbers(goal, 3, "x, y and z") - numbers(achieved, 3, "x, y and z")
        return float(np.linalg.norm(difference[:compared]))

    return NumericFamily(
        task=f"metaworld/{name}",
        parameter=parameter,
        unit="m",
        tolerance=tolerance,
        intervals=intervals,
        compose=compose,
        value=lambda goal: float(numbers(goal, 3, "x, y and z")[axis]),
        distance=distance,
    )


FAMILIES = (
    _family("reach", "z", 0.05, _HEIGHTS),
    _family("push", "x", 0.05, _SIDES),
    _family("pick-place", "z", 0.07, _HEIGHTS),
)
SPLIT = {f"{family.task.partition('/')[2]}{wall}": family for family in FAMILIES for wall in ("", "-wall")}
"""Name -> the family by which its goals are held out. Behind a wall they are as well: the wall is not observed."""
