"""What is shown as numbers: of the world, of the decision, of two decisions beside each other, and of the time."""

from collections import deque
from typing import Any

import numpy as np

from playground.events import Decision, StepEvent
from playground.scores import normalise, reference_scores
from playground.session import Session
from playground.task import EVALUATION_SEEDS, Goal, Task

WINDOW_SECONDS = 1.0
"""Time over which rates are measured."""

SHOWN_BINS = 32
"""Bins that a continuous action's distribution is shown with; the model's are added up."""


def readouts(session: Session) -> dict[str, Any]:
    """The latest event of a task's session in JSON's terms; nothing before the first."""
    event, task = session.last, session.task
    if task is None or event is None:
        return {}
    decision, achieved = event.decision, session.env.achieved
    return {
        "episode": event.episode,
        "t": event.t,
        "max_steps": task.max_steps,
        "return": round(event.total_reward, 4),
        "reward": round(event.reward, 4),
        "score": _score(task, event),
        "success": event.success,
        "goal": readable_goal(event.goal) or _told(event),
        "subtask": None if decision is None or decision.subtask == _told(event) else decision.subtask or None,
        "achieved": readable_goal(achieved),
        "distance": distance(event.goal, achieved),
        "seed": event.seed - EVALUATION_SEEDS.start,
        "done": event.done,
        "acted": event.prompt,
        "action": None if event.action is None else _numbers(event.action),
        "proposed": None if decision is None else _numbers(decision.action),
        "latency_ms": None if decision is None else decision.latency_ms,
        "entropy": None if decision is None else entropy_bits(decision.probabilities),
        "prompt_steps": None if decision is None else decision.prompt_steps,
        "live_steps": None if decision is None else decision.live_steps,
    }


def _score(task: Task, event: StepEvent) -> float | None:
    """The episode's normalised score, 0 as random and 1 as the expert; None where it can still be solved."""
    if task.has_success and not (event.success or event.done):
        return None
    result = float(bool(event.success)) if task.has_success else event.total_reward
    return normalise(result, reference_scores().get(task.id))


def _told(event: StepEvent) -> str | None:
    """What the world tells in words, None if nothing."""
    return next((part for part in event.observation.values() if isinstance(part, str) and part), None)


def rates(ticks: deque[tuple[float, bool]], fps: float) -> dict[str, Any]:
    """World seconds per second and pictures per second over the last second.

    Args:
        ticks: for each step of the episode, when it was (seconds) and whether it was drawn.
        fps: the world's own rate.
    """
    recent = [tick for tick in ticks if ticks[-1][0] - tick[0] < WINDOW_SECONDS]
    seconds = recent[-1][0] - recent[0][0] if len(recent) > 1 else 0.0
    if not seconds:
        return {"ratio": None, "drawn_fps": None}
    return {
        "ratio": (len(recent) - 1) / seconds / fps,
        "drawn_fps": round(sum(drawn for _, drawn in recent[1:]) / seconds),
    }


def readable_goal(goal: Goal) -> str | None:
    """A goal as text."""
    if goal is None or isinstance(goal, str):
        return goal
    return "(" + ", ".join(f"{number:.2f}" for number in goal) + ")"


def distance(goal: Goal, achieved: Goal) -> float | None:
    """How far from the goal it has come, in the goal's own unit; None where there is nothing to measure."""
    if goal is None or achieved is None or isinstance(goal, str) or isinstance(achieved, str):
        return None
    return float(np.linalg.norm(np.subtract(goal, achieved)))


def distribution(event: StepEvent | None) -> list[list[float]] | None:
    """The decision's distribution, one list per action token of at most `SHOWN_BINS` shares."""
    if event is None or event.decision is None or event.decision.probabilities is None:
        return None
    p = np.asarray(event.decision.probabilities, np.float64)
    if p.shape[1] > SHOWN_BINS:
        p = np.add.reduceat(p, np.linspace(0, p.shape[1], SHOWN_BINS, endpoint=False).astype(int), axis=1)
    return p.round(3).tolist()


def entropy_bits(probabilities: np.ndarray | None) -> float | None:
    """Mean entropy of an action's tokens, from [A, bins]; None for policies without probabilities."""
    if probabilities is None:
        return None
    p = np.clip(probabilities, 1e-12, 1.0)
    return float(-(p * np.log2(p)).sum(axis=-1).mean())


def divergence_bits(one: Decision | None, other: Decision | None) -> float | None:
    """Jensen-Shannon divergence of two decisions' distributions, mean over the action's tokens: 0 (equal) to 1 bit."""
    if one is None or other is None or one.probabilities is None or other.probabilities is None:
        return None
    p, q = one.probabilities.astype(np.float64), other.probabilities.astype(np.float64)
    between = (entropy_bits((p + q) / 2) or 0.0) - ((entropy_bits(p) or 0.0) + (entropy_bits(q) or 0.0)) / 2
    return max(0.0, between)


def _numbers(action: np.ndarray) -> list[float]:
    return np.atleast_1d(action).astype(float).round(3).tolist()
