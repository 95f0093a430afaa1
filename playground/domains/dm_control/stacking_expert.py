"""An expert that stacks two bricks: takes one, carries it over the other, lets go, and knocks it home."""

import numpy as np

from playground.domains.dm_control.stacking import HAND_SPEED, TURN_SPEED, Reading, StackingEnv
from playground.environment import DomainEnv
from playground.task import Action, Observation

_FISTED = 1.28
"""Angle of the thumb without a brick, radians."""


class StackingExpert:
    """Takes the brick, carries it over the other, lets go, and knocks it home with its fist. It has no memory."""

    def __init__(self, env: DomainEnv):
        assert isinstance(env, StackingEnv)
        self._env = env

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation) -> Action:
        """See `Expert.act`."""
        speed, turn, grip = self._decide(self._env.read())
        wanted = np.array([*(speed / HAND_SPEED), turn / TURN_SPEED, grip])
        wanted[:3] /= max(1.0, float(np.linalg.norm(wanted[:3])))
        return np.clip(wanted, -1.0, 1.0).astype(np.float32)

    def _decide(self, now: Reading) -> tuple[np.ndarray, float, float]:
        """Speed of the hand, metres per second, [3]; of its turning, radians per second; grip."""
        above = now.hand - now.top - (0.0, 0.0, 0.01)  # the finger tips reach below the point between them
        aside = float(np.hypot(*above[:2]))
        missing = now.goal - now.top
        seated = float(np.hypot(*missing[:2])) < 0.004 and -0.001 < -missing[2] < 0.0036 and abs(now.twist) < 0.1
        if seated and -missing[2] < 0.0004:
            return np.array([0.0, 0.0, 0.1 * (now.hand[2] < 0.12)]), 0.0, -1.0
        if seated:
            return self._knock(now, above)
        around = aside < 0.012 and abs(above[2]) < 0.012 and abs(now.grasp) < 0.3
        aloft = now.top[2] > 0.006 and aside < 0.03 and abs(above[2]) < 0.03
        if around or aloft:
            held = now.fingers.mean() > 1.0 and (np.abs(now.finger_speed).max() < 0.3 or now.top[2] > 0.004)
            return self._carry(now, missing) if held else (-4.0 * above, 4.0 * now.grasp, 1.0)
        return self._approach(now, above)

    def _approach(self, now: Reading, above: np.ndarray) -> tuple[np.ndarray, float, float]:
        """Over the brick, then down around it, a little off the other brick where that is near."""
        way, other = -above.copy(), now.base - now.top
        if np.hypot(*other[:2]) < 0.1:
            way -= 0.01 * np.sign(other @ now.hand_turn[:, 0]) * now.hand_turn[:, 0]
        aside = np.hypot(*way[:2])
        if aside > 0.01 or abs(now.grasp) > 0.15:
            way[2] = 0.07 - above[2]
            if aside < 0.03 and above[2] < 0.07:  # it is nearly there: do not rise again
                way[2] = min(way[2], 0.0)
        return 4.0 * way, 4.0 * now.grasp, -1.0

    def _carry(self, now: Reading, missing: np.ndarray) -> tuple[np.ndarray, float, float]:
        """Up, over the base, into line with it, and down upon its studs."""
        away = float(np.hypot(*missing[:2]))
        low = -missing[2] < 0.009 and away < 0.012
        turn = 4.0 * now.twist
        if away <= (0.005 if low else 0.0012) and abs(now.twist) <= (0.1 if low else 0.02):
            return np.array([*(4.0 * missing[:2]), -0.06]), turn, 1.0
        lift = missing[2] + (0.008 if away < 0.01 and abs(now.twist) < 0.1 else 0.03)
        if lift > 0.02 and not low:
            return np.array([0.0, 0.0, 0.12]), turn, 1.0
        return 4.0 * np.array([*missing[:2], lift]), turn, 1.0

    def _knock(self, now: Reading, above: np.ndarray) -> tuple[np.ndarray, float, float]:
        """Lets go, makes a fist above the brick and presses where it stands highest."""
        turn = 4.0 * now.grasp
        if now.fingers[0] > _FISTED:
            off = above[:2] + 0.05 * now.top_turn[:2, 2]
            down = -0.15 if np.hypot(*off) < 0.006 or above[2] < 0.035 else 0.0
            return np.array([*(-8.0 * off), down]), turn, 1.0
        if above[2] < 0.05:
            return np.array([0.0, 0.0, 0.15 * (now.fingers.mean() < 1.0)]), turn, -1.0
        return np.array([*(-4.0 * above[:2]), 0.0]), turn, 1.0
