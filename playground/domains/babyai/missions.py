"""BabyAI's missions: their grammar, their subtasks, and which of them are trained where the mission is hidden."""

import re
from typing import Any

from playground.domains.goals import EXTRAPOLATED, INTERPOLATED, TRAINED
from playground.errors import BadValueError

COLOURS = ("red", "green", "blue", "purple", "yellow", "grey")
KINDS = ("ball", "box", "key", "door")

HELD_OUT_PAIRS = frozenset({("purple", "ball"), ("blue", "box"), ("green", "key"), ("red", "door")})
"""Pairs of a colour and a kind that no hidden mission of the trained part names, though it names each of the two."""

HELD_OUT_COLOUR = "yellow"
"""The colour that no hidden mission of the trained part names."""

_THING = re.compile(rf"({'|'.join(COLOURS)}) ({'|'.join(KINDS)})\b")

AND, THEN, AFTER = " and ", ", then ", " after you "


def subtasks(mission: str) -> tuple[str, ...]:
    """The clauses of a mission in the order in which they are due: "A after you B and C" -> B, C, A.

    A mission that joins nothing is its own only subtask.
    """
    first, after, second = mission.partition(AFTER)
    if after:
        return (*subtasks(second), *subtasks(first))
    first, then, second = mission.partition(THEN)
    if then:
        return (*subtasks(first), *subtasks(second))
    return tuple(mission.split(AND))


def parse_mission(mission: str) -> Any:
    """A mission of one clause, or of two joined by ", then", as upstream's instruction.

    Raises:
        BadValueError: a clause is none of "go to", "pick up", "open", "put ... next to" with colour and kind of the
            things.
    """
    from minigrid.envs.babyai.core.verifier import (
        BeforeInstr,
        GoToInstr,
        ObjDesc,
        OpenInstr,
        PickupInstr,
        PutNextInstr,
    )

    first, then, second = mission.partition(THEN)
    if then:
        return BeforeInstr(parse_mission(first), parse_mission(second))
    make = {"go to": GoToInstr, "pick up": PickupInstr, "open": OpenInstr, "put": PutNextInstr}
    things = [ObjDesc(kind, colour) for colour, kind in _THING.findall(mission)]
    verb = next((verb for verb in make if mission.startswith(f"{verb} ")), None)
    if verb is None or len(things) != (2 if verb == "put" else 1) or (verb == "open" and things[0].type != "door"):
        raise BadValueError(f"mission is {mission!r}; give one such as 'go to the red ball'")
    return make[verb](*things)


def mission_part(mission: str) -> str | None:
    """The part of the goals that a mission belongs to, by the things that it names; None if it names none in full."""
    things = _THING.findall(mission)
    if not things:
        return None
    if any(colour == HELD_OUT_COLOUR for colour, _ in things):
        return EXTRAPOLATED
    return INTERPOLATED if HELD_OUT_PAIRS & set(things) else TRAINED


def fulfils(goal: str, achieved: str) -> bool:
    """Whether two missions ask for the same thing, be it "a" thing or "the" thing."""
    return re.sub(r"\b(a|the) ", "", goal) == re.sub(r"\b(a|the) ", "", achieved)
