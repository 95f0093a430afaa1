"""BabyAI: grid worlds with instructions in English, and the bot that solves them (upstream: minigrid).

An agent sees the 7 x 7 cells in front of it as (object, colour, state) symbols, its compass direction, and the mission.
The variants named `-hidden` withhold the mission: the prompt alone tells what to do, and all of them look alike.
"""

from fnmatch import fnmatchcase
from functools import partial

from playground.domains.babyai.bot import BotExpert
from playground.domains.babyai.env import BabyAIEnv
from playground.domains.babyai.missions import fulfils
from playground.domains.goals import NamedFamily
from playground.domains.grid_worlds import COLOURS, KINDS, mission_part
from playground.task import Amount, Horizons, Task

FPS = 10.0

# Upstream's step limit. Where upstream's depends on the mission it is the largest one, yet at most about 1000.
# Left out: the *Debug duplicates, in which opening any other door ends the episode.
LEVELS = {
    **{"GoToRedBallGrey": 64, "GoToRedBall": 64, "GoToRedBallNoDists": 64, "GoToRedBlueBall": 64},
    **{"GoToObj": 64, "GoToObjS4": 16, "GoToObjS6": 36},
    **{"GoToLocal": 64, "GoToLocalS5N2": 25, "GoToLocalS6N2": 36, "GoToLocalS6N3": 36, "GoToLocalS6N4": 36},
    **{"GoToLocalS7N4": 49, "GoToLocalS7N5": 49, "GoToLocalS8N2": 64, "GoToLocalS8N3": 64, "GoToLocalS8N4": 64},
    **{"GoToLocalS8N5": 64, "GoToLocalS8N6": 64, "GoToLocalS8N7": 64},
    **{"GoTo": 576, "GoToOpen": 576, "GoToImpUnlock": 576, "GoToDoor": 441, "GoToObjDoor": 576},
    **{"GoToObjMaze": 576, "GoToObjMazeOpen": 576, "GoToObjMazeS4R2": 64, "GoToObjMazeS4": 144},
    **{"GoToObjMazeS5": 225, "GoToObjMazeS6": 324, "GoToObjMazeS7": 441, "GoToSeq": 1000, "GoToSeqS5R2": 400},
    **{"Open": 576, "OpenRedDoor": 50, "OpenDoor": 576, "OpenDoorColor": 576, "OpenDoorLoc": 576},
    **{"OpenTwoDoors": 720, "OpenRedBlueDoors": 720, "OpenDoorsOrderN2": 720, "OpenDoorsOrderN4": 720},
    **{"Pickup": 576, "UnblockPickup": 576, "PickupLoc": 64, "PickupDist": 49, "PickupAbove": 288},
    **{"PutNextLocal": 128, "PutNextLocalS5N3": 50, "PutNextLocalS6N4": 72, "PutNextS4N1": 128, "PutNextS5N1": 200},
    **{"PutNextS5N2": 200, "PutNextS6N3": 288, "PutNextS7N4": 392},
    **{"PutNextS5N2Carrying": 200, "PutNextS6N3Carrying": 288, "PutNextS7N4Carrying": 392},
    **{"Unlock": 576, "UnlockLocal": 576, "UnlockLocalDist": 576, "KeyInBox": 576, "UnlockPickup": 72},
    **{"UnlockPickupDist": 72, "BlockedUnlockPickup": 576, "UnlockToUnlock": 1080},
    **{"ActionObjDoor": 441, "FindObjS5": 500, "FindObjS6": 720, "FindObjS7": 980},
    **{"KeyCorridor": 1080, "KeyCorridorS3R1": 270, "KeyCorridorS3R2": 270, "KeyCorridorS3R3": 270},
    **{"KeyCorridorS4R3": 480, "KeyCorridorS5R3": 750, "KeyCorridorS6R3": 1080},
    **{"OneRoomS8": 64, "OneRoomS12": 144, "OneRoomS16": 256, "OneRoomS20": 400},
    **{"MoveTwoAcrossS5N2": 400, "MoveTwoAcrossS8N9": 1024},
    **{"Synth": 1152, "SynthS5R2": 300, "SynthLoc": 1152, "SynthSeq": 1000},
    **{"MiniBossLevel": 800, "BossLevel": 1000, "BossLevelNoUnlock": 1000},
}

LONG_LEVELS = (
    "BossLevel*",
    "Find*S7",
    "GoTo",
    "GoTo*Maze",
    "GoTo*Open",
    "GoToImp*",
    "GoToSeq",
    "KeyCorridor*",
    "MoveTwo*",
    "Open",
    "Pickup",
    "Synth*",
    "Unblock*",
    "Unlock",
    "UnlockTo*",
)
"""Levels whose expert needs some 40 to 110 steps; most others take it 5 to 20."""

# Levels of one room, or of one step away from it, in which a demonstration shows the whole mission: objects are named
# by colour and kind, and the layout leaves several to choose from.
HIDDEN_LEVELS = (
    *("GoToLocal", "GoToLocalS5N2", "GoToLocalS6N3", "GoToLocalS8N7", "GoToDoor", "GoToObjDoor"),
    *("ActionObjDoor", "OpenDoorsOrderN4", "PutNextLocal", "PutNextLocalS5N3", "PickupDist"),
)


def _family(level: str, verb: str, kinds: tuple[str, ...]) -> NamedFamily:
    texts = tuple(f"{verb} the {colour} {kind}" for colour in COLOURS for kind in kinds)
    return NamedFamily(f"babyai/{level}-hidden", "mission", texts, mission_part, fulfils)


def _make(level: str, max_steps: int, hide_mission: bool, size: int) -> BabyAIEnv:
    return BabyAIEnv(level, size, max_steps, hide_mission)


def _episodes(level: str) -> int:
    """How many episodes are collected of a level."""
    if any(fnmatchcase(level, pattern) for pattern in LONG_LEVELS):
        return 400
    return 500 if level.startswith("GoToLocalS") else 1500


def _task(level: str, hidden: bool) -> Task:
    return Task(
        id=f"babyai/{level}-hidden" if hidden else f"babyai/{level}",
        scene="babyai/hidden" if hidden else "babyai",
        fps=FPS,
        max_steps=LEVELS[level],
        make=partial(_make, level, LEVELS[level], hidden),
        make_expert=BotExpert,
        has_success=True,
        hidden_goal=hidden,
        observed_goal=not hidden,
        takeover_tries=40,
        horizons=Horizons(agent=600, recovery=400, takeover=10, prompt=30),
        amount=Amount(goals=750, episodes_per_goal=2) if hidden else Amount(goals=_episodes(level)),
    )


TASKS = [_task(level, False) for level in LEVELS] + [_task(level, True) for level in HIDDEN_LEVELS]

FAMILIES = (
    _family("GoToLocal", "go to", KINDS[:3]),
    _family("GoToDoor", "go to", KINDS[3:]),
    _family("PickupDist", "pick up", KINDS[:3]),
)
