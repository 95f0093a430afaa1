"""Meta-World's experts: upstream's scripted policies, and what they need to be good ones."""

import warnings
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from playground.task import Action, Observation

if TYPE_CHECKING:
    from playground.domains.metaworld import MetaWorldEnv

_RETREATING = frozenset(["door-close", "door-open", "handle-pull-side"])
_RETREAT_STEPS = 60

_WALLED = frozenset(["pick-place-wall", "push-wall"])
"""There the script sends the hand to the puck straight through the wall, if it takes over behind it."""

_WALL_Y = 0.75
_WALL_NEAR = 0.06
_WALL_CLEAR = 0.22
"""Where the wall stands, how near to it the hand may get, and how high it must be to pass above, metres."""

_PRESSING = frozenset(["shelf-place", "sweep-into"])
"""There the script can close the fingers above the object, and press on it for ever."""

_STUCK_STEPS = 5
_STUCK_WITHIN = 0.004
_LIFT_STEPS = 15
"""A hand that is sent down and stays within so many metres for so many steps goes up, open, for as many as these."""

_TURNED = {"faucet-open": 1.0, "faucet-close": -1.0}
"""Which way (along x) these turn the faucet's handle. The script pushes at its tip as if it had not been turned the
other way, and never gets behind it."""

_HANDLE = 0.175
_TURNED_BY = 0.06
_HANDLE_CLEAR = 0.08
"""Length of the handle; how far its tip is off to the other side where the script fails; how much higher than the tip
the hand must be to pass above it, metres."""

_BEHIND = 0.05
"""How far behind the ball the hand goes down, metres."""


class ScriptedExpert:
    """Upstream's scripted policy, which reads the whole state and the goal from the environment.

    Where it would get stuck, it is helped. In a few tasks it would when it takes over: there the hand first goes up,
    and back to where it started, over the wall (see `_over_wall`), or behind the handle (see `_turn_back`). In
    `_PRESSING` the hand lets go and tries again. A peg that hangs low between the fingers is shown to it a little
    higher, and so is a puck that is carried where it is to be pushed: it would go on to grasp it, and drag it along.
    (Success in 50 episodes: inserting the peg 0.74 to 1.00, shelf-place 0.86 to 0.96, sweep-into 0.90 to 1.00.) In
    soccer upstream's drives the ball to the side first, and often runs after it: see `_dribble`.
    """

    def __init__(self, env: "MetaWorldEnv", name: str):
        from metaworld import policies

        # Upstream warns at nearly every step that its actions need clipping, which is what is done here.
        warnings.filterwarnings("ignore", message=r"Constant\(s\) may be too high")
        self._env = env
        self._name = name
        known: dict[str, Any] = policies.ENV_POLICY_MAP
        self._policy = known[f"{name}-v3"]()
        self._retreat = self._lift = 0
        self._heights: deque[float] = deque(maxlen=_STUCK_STEPS)

    def reset(self) -> None:
        """See `Expert.reset`."""
        self._lift = 0
        self._heights.clear()
        self._retreat = _RETREAT_STEPS if self._name in _RETREATING and self._env.steps else 0

    def act(self, observation: Observation) -> Action:
        """See `Expert.act`."""
        if self._retreat:
            self._retreat -= 1
            way = self._env.hand_start - self._env.full_observation[:3]
            if self._retreat > _RETREAT_STEPS // 2 and way[2] > 0.05:
                way[:2] = 0.0
            if np.abs(way).max() > 0.03:
                return np.append(np.clip(10 * way, -1.0, 1.0), -1.0).astype(np.float32)
            self._retreat = 0
        if self._lift:
            self._lift -= 1
            return np.array([0.0, 0.0, 1.0, -1.0], np.float32)
        action = np.clip(self._wanted(), -1.0, 1.0).astype(np.float32)
        if self._presses(action):
            self._lift = _LIFT_STEPS
            self._heights.clear()
        return action

    def _wanted(self) -> np.ndarray:
        seen = self._env.full_observation
        if self._name == "soccer":
            return _dribble(seen)
        if self._name in _TURNED and (back := _turn_back(seen, _TURNED[self._name])) is not None:
            return back
        if self._name in _WALLED and (over := _over_wall(seen)) is not None:
            return over
        return self._policy.get_action(self._shown())

    def _shown(self) -> np.ndarray:
        """What the script sees: hand (3), fingers' opening, object (3) and more."""
        seen = self._env.full_observation
        near, below = np.linalg.norm(seen[:2] - seen[4:6]), seen[2] - seen[6]
        peg = self._name == "peg-insert-side" and seen[3] < 0.4 and near < 0.04 and 0.02 < below < 0.035
        puck = self._name == "push-wall" and seen[3] < 0.6 and near < 0.02 and 0.04 < below < 0.05 and seen[6] > 0.04
        if peg or puck:
            seen = seen.copy()
            seen[6] = seen[2] - 0.02
        return seen

    def _presses(self, action: np.ndarray) -> bool:
        """Whether closed fingers are sent down onto the object, and stay."""
        if self._name not in _PRESSING:
            return False
        seen = self._env.full_observation
        self._heights.append(float(seen[2]))
        above = np.linalg.norm(seen[:2] - seen[4:6]) < 0.05 and seen[2] - seen[6] > 0.055
        stays = len(self._heights) == _STUCK_STEPS and abs(self._heights[-1] - self._heights[0]) < _STUCK_WITHIN
        return bool(action[2] < -0.5 and seen[3] < 0.45 and above and stays)


def _over_wall(seen: np.ndarray) -> np.ndarray | None:
    """Action [4] that takes an empty hand up and over the wall, or none where the wall is not in its way.

    It depends on the present state alone: a clone could not tell when a retreat that is counted in steps is due.

    Args:
        seen: hand (3), opening, puck (3) and more.
    """
    hand, puck = seen[:3], seen[4:7]
    way = puck[:2] - hand[:2]
    between = (hand[1] - _WALL_Y) * (puck[1] - _WALL_Y) < 0
    if np.linalg.norm(way) < 0.03 or not (between or abs(hand[1] - _WALL_Y) < _WALL_NEAR):
        return None
    if hand[2] < _WALL_CLEAR:
        return np.array([0.0, 0.0, 1.0, 0.0])
    return np.append(10.0 * way, [0.0, 0.0])


def _turn_back(seen: np.ndarray, side: float) -> np.ndarray | None:
    """Action [4] that pushes a faucet's handle back from the other side, or none where it is not turned to it.

    Wherever the hand is behind the handle it goes down: a clone that had to meet one point there hovered about it.

    Args:
        seen: hand (3), opening, tip of the handle (3) and more; where the tip is to be (3) last. Metres.
        side: 1 or -1, where that is along x.
    """
    hand, tip, goal = seen[:3], seen[4:7], seen[-3:]
    handle = tip[:2] - (goal[:2] - np.array([side * _HANDLE, 0.0]))
    if side * handle[0] > -_TURNED_BY:
        return None
    handle = handle / np.linalg.norm(handle)
    way = side * np.array([-handle[1], handle[0]])
    pushed = tip[:2] - 0.03 * handle
    ahead, aside = (hand[:2] - pushed) @ way, (hand[:2] - pushed) @ handle
    behind = pushed - 0.07 * way
    along = -0.06 < aside < 0.035
    if along and -0.15 < ahead < 0.005 and hand[2] < tip[2] + 0.05:  # push
        target = np.append(pushed + 0.05 * way, tip[2] + 0.03)
    elif along and -0.14 < ahead < -0.045:  # down
        target = np.append(behind, tip[2] + 0.03)
    elif hand[2] < tip[2] + _HANDLE_CLEAR:  # up
        target = np.append(hand[:2], tip[2] + 0.15)
    else:  # over it
        target = np.append(behind, tip[2] + 0.13)
    return np.append(10.0 * (target - hand), 1.0)


def _dribble(seen: np.ndarray) -> np.ndarray:
    """Soccer: gets behind the ball, over it if need be, and pushes it gently towards the goal; action [4].

    (Success in 50 episodes: 0.94, with upstream's 0.90, in fewer steps.)

    Args:
        seen: hand (3), opening, ball (3) and more; the goal (3) last.
    """
    hand, ball, goal = seen[:3], seen[4:7], seen[-3:]
    way = goal[:2] - ball[:2]
    way = way / max(float(np.linalg.norm(way)), 1e-6)
    offset = hand[:2] - ball[:2]
    ahead = float(offset @ way)
    aside = float(np.linalg.norm(offset - ahead * way))
    behind = ball[:2] - _BEHIND * way
    away = float(np.linalg.norm(hand[:2] - behind))
    fastest = 1.0
    if ahead < -0.01 and aside < 0.015 and hand[2] < 0.06:  # push
        target, fastest = np.append(ball[:2] + 0.02 * way, 0.03), 0.6
    elif away < 0.015:  # down
        target = np.append(behind, 0.03)
    elif hand[2] < ball[2] + 0.06 and np.linalg.norm(offset) < 0.1 and ahead > -0.7 * _BEHIND:  # up
        target = np.append(hand[:2], 0.15)
    else:  # over it
        target = np.append(behind, 0.13 if ahead > -0.7 * _BEHIND or away > 0.03 else 0.03)
    motion = 15.0 * (target - hand)
    return np.append(motion * min(1.0, fastest / max(float(np.abs(motion).max()), 1e-6)), 1.0)
