"""Tasks that no recipe trains on, as a ladder: the higher the rung, the less they share with what is trained on.

Below the first rung are the held-out goals of the families (`playground.domains.goals`), which are no tasks of their
own.
"""

from collections.abc import Mapping

RUNGS: Mapping[str, tuple[str, ...]] = {
    "new task": ("babyai/PickupDist-hidden",),
    "new world": (
        "atari/Boxing",
        "minigrid/DoorKey-16x16",
        "minigrid/LavaCrossingS11N5",
        "minigrid/MultiRoom-N6",
        "minigrid/ObstructedMaze-1Dl",
        "minigrid/ObstructedMaze-1Dlh",
        "minigrid/ObstructedMaze-1Dlhb",
        "minigrid/ObstructedMaze-2Dl",
        "minigrid/PutNear-6x6-N2",
    ),
}
"""Rung -> ids: a new task in a scene that is trained on; a new world of a domain that is trained on."""

HELD_OUT = tuple(id for ids in RUNGS.values() for id in ids)


def rung(task: str) -> str | None:
    """The rung of a task; None if recipes train on it."""
    return next((name for name, ids in RUNGS.items() if task in ids), None)
