"""MiniGrid's expert: a planner that knows only the cells that it has seen.

An expert that knew the whole grid would walk straight to what the agent cannot see, and no clone could tell why.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from playground.task import Action, Observation

if TYPE_CHECKING:
    from playground.domains.minigrid.env import MiniGridEnv

LEFT, RIGHT, FORWARD, PICK_UP, DROP, TOGGLE, DONE = range(7)

STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""Direction -> step in x and y, as upstream counts them."""

Cell = tuple[int, int]
Pose = tuple[int, int, int]
"""Where the agent stands, and its direction."""


class SearchExpert:
    """Goes where its errand leads by what it has seen, and to the nearest unseen cell where it has seen too little.

    It opens the doors in its way, fetches the key of a locked one, and takes away what blocks a corridor. It can take
    over in any state: then it has seen nothing yet but what is in view.
    """

    def __init__(self, env: MiniGridEnv):
        self._env = env
        self.reset()

    def reset(self) -> None:
        """Forgets what was seen."""
        self._seen: np.ndarray | None = None

    def act(self, observation: Observation) -> Action:
        """See `Expert.act`."""
        self._look()
        for errand in (self._errand, self._fetch_key, self._explore, self._clear):
            action = errand()
            if action is not None:
                return np.asarray(action, np.int64)
        return np.asarray(LEFT, np.int64)  # something that moves is in the way

    def _look(self) -> None:
        """Adds the cells in view to those seen."""
        world = self._env.upstream
        if self._seen is None or self._env.steps == 0:
            self._seen = np.zeros((world.width, world.height), bool)
        _, visible = world.gen_obs_grid()
        self._visible = np.zeros_like(self._seen)
        size = world.agent_view_size
        corner = np.array(world.agent_pos) + world.dir_vec * (size - 1) - world.right_vec * (size // 2)
        for right, back in np.argwhere(visible):
            x, y = corner - world.dir_vec * back + world.right_vec * right
            if 0 <= x < world.width and 0 <= y < world.height:
                self._visible[x, y] = True
        self._seen |= self._visible

    def _errand(self) -> int | None:
        """The next action of what the task asks for; None where what it takes was not seen, or cannot be reached."""
        aim = self._env.errand()
        place = next(self._find(aim.kind, aim.colour), None)
        if place is None:
            return None
        held = self._env.upstream.carrying
        if aim.action is None:
            return self._way(lambda x, y, _: (x, y) == place)
        if aim.action == DROP:
            return self._put_down(near=place)
        if aim.action == PICK_UP and held is not None:
            return self._put_down() if self._face(place, PICK_UP) is not None else None
        return self._face(place, aim.action)

    def _fetch_key(self) -> int | None:
        """The next action towards the key of a locked door that was seen, or towards clearing the way to that door."""
        held = self._env.upstream.carrying
        # A door first that what is in hand opens.
        doors = [(cell, self._thing(*cell)) for cell in self._find("door")]
        for (x, y), door in sorted(doors, key=lambda found: not self._opens(held, found[1])):
            if not door.is_locked or not self._env.may_open(door):
                continue
            if self._opens(held, door) and (action := self._face((x, y), TOGGLE)) is not None:
                return action
            near = (cell for cell in _beside((x, y)) if self._can_take(cell))
            blocking = [cell for cell in near if self._face(cell, PICK_UP) is not None]
            keys = [cell for cell in self._find("key", door.color) if self._face(cell, PICK_UP) is not None]
            wanted = blocking + keys
            if wanted:
                return self._face(wanted[0], PICK_UP) if held is None else self._put_down()
            boxes = self._find("box") if self._env.boxed and not self._opens(held, door) else iter(())
            for place in boxes:
                if (action := self._face(place, TOGGLE)) is not None:
                    return action
        return None

    def _clear(self) -> int | None:
        """The next action towards taking away, or putting aside, what may block the way."""
        if self._env.upstream.carrying is not None:
            return self._put_down()
        return self._way(lambda *pose: self._can_take(self._ahead(pose)), PICK_UP)

    def _put_down(self, near: Cell | None = None) -> int | None:
        """The next action towards putting down what is in hand, on a cell that is empty and in front of no door."""

        def suits(x: int, y: int, direction: int) -> bool:
            cell = self._ahead((x, y, direction))
            if near is not None:
                return self._is_empty(cell) and max(abs(cell[0] - near[0]), abs(cell[1] - near[1])) <= 1
            return self._is_empty(cell) and not any(self._is_door(other) for other in _beside(cell))

        return self._way(suits, DROP)

    def _explore(self) -> int | None:
        """The next action towards facing the nearest cell that was not seen."""
        assert self._seen is not None
        seen = self._seen
        return self._way(lambda *pose: not seen[self._ahead(pose)], FORWARD)

    def _face(self, place: Cell, action: int) -> int | None:
        """The next action towards a pose that faces a cell; `action` once it does."""
        return self._way(lambda *pose: self._ahead(pose) == place, action)

    def _way(self, arrived: Callable[[int, int, int], bool], action: int | None = None) -> int | None:
        """The first action of the shortest way to a pose that counts as arrived.

        Args:
            arrived: (x, y, direction) -> whether that is where to go.
            action: what to do there; None if there is nothing left to do.

        Returns:
            The action; None if there is no such way, or nothing left to do.
        """
        x, y = self._env.upstream.agent_pos
        start: Pose = (int(x), int(y), int(self._env.upstream.agent_dir))
        if arrived(*start):
            return action
        reached: dict[Pose, int] = {start: -1}
        rings: list[deque[tuple[Pose, int]]] = [deque([(start, -1)]), deque(), deque()]  # by cost, at most 2 a step
        while any(rings):
            ring = rings.pop(0)
            rings.append(deque())
            while ring:
                pose, first = ring.popleft()
                if pose != start and reached[pose] != first:
                    continue  # reached cheaper meanwhile
                if arrived(*pose):
                    return first
                for step, after, cost in self._moves(pose):
                    if after not in reached:
                        begin = step if first < 0 else first
                        reached[after] = begin
                        rings[cost - 1].append((after, begin))
        return None

    def _moves(self, pose: Pose) -> Iterator[tuple[int, Pose, int]]:
        """What can be done in a pose: action, pose that it leads to, steps that it takes."""
        x, y, direction = pose
        ahead = self._ahead(pose)
        if self._can_stand(ahead):
            yield FORWARD, (*ahead, direction), 1
        elif self._can_open(ahead):
            yield TOGGLE, (*ahead, direction), 2
        yield RIGHT, (x, y, (direction + 1) % 4), 1
        yield LEFT, (x, y, (direction - 1) % 4), 1

    def _thing(self, x: int, y: int) -> Any:
        """What lies in a cell that was seen; what moves is known only while it is in view."""
        thing = self._env.upstream.grid.get(x, y)
        has_left = self._env.moving and thing is not None and thing.type == "ball" and not self._visible[x, y]
        return None if has_left else thing

    def _find(self, kind: str, colour: str | None = None) -> Iterator[Cell]:
        """Cells seen that hold such a thing."""
        assert self._seen is not None
        for x, y in np.argwhere(self._seen):
            thing = self._thing(x, y)
            if thing is not None and thing.type == kind and colour in (None, thing.color):
                yield int(x), int(y)

    @staticmethod
    def _ahead(pose: Pose) -> Cell:
        x, y, direction = pose
        return x + STEPS[direction][0], y + STEPS[direction][1]

    def _known(self, cell: Cell) -> bool:
        assert self._seen is not None
        return bool(self._seen[cell])

    def _is_empty(self, cell: Cell) -> bool:
        return self._known(cell) and self._thing(*cell) is None

    def _can_stand(self, cell: Cell) -> bool:
        thing = self._thing(*cell)
        return self._known(cell) and (thing is None or (thing.can_overlap() and thing.type != "lava"))

    def _can_open(self, cell: Cell) -> bool:
        thing = self._thing(*cell)
        if not self._known(cell) or thing is None or thing.type != "door" or not self._env.may_open(thing):
            return False
        return not thing.is_locked or self._opens(self._env.upstream.carrying, thing)

    def _can_take(self, cell: Cell) -> bool:
        thing = self._thing(*cell)
        return self._known(cell) and thing is not None and bool(thing.can_pickup())

    def _is_door(self, cell: Cell) -> bool:
        thing = self._thing(*cell)
        return self._known(cell) and thing is not None and thing.type == "door"

    @staticmethod
    def _opens(held: Any, door: Any) -> bool:
        """Whether what is in hand, if anything, is a door's key."""
        return held is not None and held.type == "key" and held.color == door.color


def _beside(cell: Cell) -> list[Cell]:
    return [(cell[0] + dx, cell[1] + dy) for dx, dy in STEPS]
