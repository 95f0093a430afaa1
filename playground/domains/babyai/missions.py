"""BabyAI's missions: their grammar and their subtasks."""

import re
from typing import Any

from playground.domains.grid_worlds import THING
from playground.errors import BadValueError

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
    things = [ObjDesc(kind, colour) for colour, kind in THING.findall(mission)]
    verb = next((verb for verb in make if mission.startswith(f"{verb} ")), None)
    if verb is None or len(things) != (2 if verb == "put" else 1) or (verb == "open" and things[0].type != "door"):
        raise BadValueError(f"mission is {mission!r}; give one such as 'go to the red ball'")
    return make[verb](*things)


def fulfils(goal: str, achieved: str) -> bool:
    """Whether two missions ask for the same thing, be it "a" thing or "the" thing."""
    return re.sub(r"\b(a|the) ", "", goal) == re.sub(r"\b(a|the) ", "", achieved)
