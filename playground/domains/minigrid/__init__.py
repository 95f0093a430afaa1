"""MiniGrid's own worlds: rooms, lava, keys and moving obstacles, with experts that know only what they have seen.

BabyAI's levels, which come with the same package, are a domain of their own. In the worlds named `-hidden` the mission
is withheld: they look alike, and the prompt alone tells which thing is meant.
"""

from functools import partial

from playground.domains.goals import NamedFamily
from playground.domains.grid_worlds import COLOURS, mission_part
from playground.domains.minigrid.env import MiniGridEnv, World, fetch, find_ball, go_to_object, open_doors, put_near
from playground.domains.minigrid.expert import SearchExpert
from playground.task import Horizons, Task

__all__ = ["FAMILIES", "TASKS", "MiniGridEnv", "SearchExpert"]

FPS = 10.0

WORLDS = {
    "Empty-Random-6x6": World("MiniGrid-Empty-Random-6x6-v0", 144),
    "FourRooms": World("MiniGrid-FourRooms-v0", 100),
    "DoorKey-5x5": World("MiniGrid-DoorKey-5x5-v0", 250),
    "DoorKey-6x6": World("MiniGrid-DoorKey-6x6-v0", 360),
    "DoorKey-8x8": World("MiniGrid-DoorKey-8x8-v0", 640),
    "LavaGapS5": World("MiniGrid-LavaGapS5-v0", 100),
    "LavaGapS7": World("MiniGrid-LavaGapS7-v0", 196),
    "LavaCrossingS9N1": World("MiniGrid-LavaCrossingS9N1-v0", 324),
    "LavaCrossingS9N3": World("MiniGrid-LavaCrossingS9N3-v0", 324),
    "SimpleCrossingS9N1": World("MiniGrid-SimpleCrossingS9N1-v0", 324),
    "SimpleCrossingS9N3": World("MiniGrid-SimpleCrossingS9N3-v0", 324),
    "DistShift1": World("MiniGrid-DistShift1-v0", 252, changes={"agent_start_pos": None}),  # else all seeds are alike
    "MultiRoom-N2-S4": World("MiniGrid-MultiRoom-N2-S4-v0", 40),
    "MultiRoom-N4-S5": World("MiniGrid-MultiRoom-N4-S5-v1", 80),
    "Fetch-5x5-N2": World("MiniGrid-Fetch-5x5-N2-v0", 125, fetch, verb="pick up"),
    "Fetch-8x8-N3": World("MiniGrid-Fetch-8x8-N3-v0", 320, fetch, verb="pick up"),
    "GoToObject-8x8-N2": World("MiniGrid-GoToObject-8x8-N2-v0", 320, go_to_object, verb="go to"),
    "RedBlueDoors-6x6": World("MiniGrid-RedBlueDoors-6x6-v0", 720, open_doors, opens="none"),
    "LockedRoom": World("MiniGrid-LockedRoom-v0", 190, opens="named"),
    "Dynamic-Obstacles-Random-6x6": World("MiniGrid-Dynamic-Obstacles-Random-6x6-v0", 144, moving=True),
    # Held out, see `playground.domains.hold_outs`:
    "DoorKey-16x16": World("MiniGrid-DoorKey-16x16-v0", 1000),  # upstream: 2560
    "LavaCrossingS11N5": World("MiniGrid-LavaCrossingS11N5-v0", 484),
    "MultiRoom-N6": World("MiniGrid-MultiRoom-N6-v0", 120),
    "PutNear-6x6-N2": World("MiniGrid-PutNear-6x6-N2-v0", 30, put_near, opens="none"),
    "ObstructedMaze-1Dl": World("MiniGrid-ObstructedMaze-1Dl-v0", 288, find_ball),
    "ObstructedMaze-1Dlh": World("MiniGrid-ObstructedMaze-1Dlh-v0", 288, find_ball, boxed=True),
    "ObstructedMaze-1Dlhb": World("MiniGrid-ObstructedMaze-1Dlhb-v0", 288, find_ball, boxed=True),
    "ObstructedMaze-2Dl": World("MiniGrid-ObstructedMaze-2Dl-v0", 576, find_ball),
}

HIDDEN = ("Fetch-5x5-N2", "Fetch-8x8-N3", "GoToObject-8x8-N2")
"""Worlds in which a demonstration shows the whole mission, and there are several things to choose from."""


def _make(name: str, hidden: bool, size: int) -> MiniGridEnv:
    return MiniGridEnv(f"{name}-hidden" if hidden else name, WORLDS[name], size, hidden)


def _task(name: str, hidden: bool) -> Task:
    world = WORLDS[name]
    scene = "minigrid/hidden" if hidden else "minigrid/moving" if world.moving else "minigrid"
    return Task(
        id=f"minigrid/{name}-hidden" if hidden else f"minigrid/{name}",
        scene=scene,
        fps=FPS,
        max_steps=world.max_steps,
        make=partial(_make, name, hidden),
        make_expert=SearchExpert,
        has_success=True,
        hidden_goal=hidden,
        observed_goal=not hidden,
        takeover_tries=40,
        horizons=Horizons(takeover=10, prompt=30),
    )


TASKS = (*(_task(name, False) for name in WORLDS), *(_task(name, True) for name in HIDDEN))


def _family(name: str, kinds: tuple[str, ...]) -> NamedFamily:
    return NamedFamily(
        task=f"minigrid/{name}-hidden",
        parameter="mission",
        texts=tuple(f"{WORLDS[name].verb} the {colour} {kind}" for colour in COLOURS for kind in kinds),
        split=mission_part,
        fulfils=lambda goal, achieved: goal == achieved,
    )


FAMILIES = (_family("Fetch-8x8-N3", ("key", "ball")), _family("GoToObject-8x8-N2", ("key", "ball", "box")))
