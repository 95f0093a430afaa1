"""What a prompt asks for, as tokens: the target of the goal head, and the split into trained and held-out goals."""

import zlib

import numpy as np

from playground.model import GOAL_TOKENS
from playground.task import Goal
from playground.tokens.scalars import encode_continuous
from playground.tokens.text import PADDING, encode_text
from playground.tokens.timestep import CONTINUOUS_START


def goal_tokens(task: str, goal: Goal) -> np.ndarray:
    """Tokens int64 [GOAL_TOKENS] of a goal in words or numbers, or of the task's name without one; -1 pads."""
    if goal is None or isinstance(goal, str):
        tokens = encode_text(goal or task.partition("/")[2].replace("-", " "))
    else:
        tokens = encode_continuous(np.atleast_1d(np.asarray(goal, np.float64))) + CONTINUOUS_START
    tokens = np.append(tokens, PADDING)[:GOAL_TOKENS]
    return np.pad(tokens, (0, GOAL_TOKENS - len(tokens)), constant_values=-1)


def held_out_goals(goals: np.ndarray, one_in: int) -> np.ndarray:
    """Which episodes show a goal of the hold-out split, the same ones every time.

    Whether prompts are read or known by heart, the loss on goals that are trained on does not say.

    Args:
        goals: int64 [E, GOAL_TOKENS], each episode's goal as tokens.
        one_in: about one distinct goal in so many is held out.

    Returns:
        bool [E]; all False where there are less than twice as many distinct goals.
    """
    if len(np.unique(goals, axis=0)) < 2 * one_in:
        return np.zeros(len(goals), bool)
    return np.array([zlib.crc32(goal.tobytes()) % one_in == 0 for goal in goals])
