"""What the page shows as numbers, and how messages to it are packed."""

import json
import struct
from collections import deque
from typing import Any

import numpy as np

from playground import assets
from playground.session import Session
from playground.task import EVALUATION_SEEDS
from playground.training.scoring import normalise
from playground.web.catalogue import readable

WINDOW_SECONDS = 1.0
"""Time over which rates are measured."""


def readouts(session: Session, ticks: deque[tuple[float, bool]]) -> dict[str, Any]:
    """The latest event in JSON's terms; nothing before the first.

    Args:
        session: of a task.
        ticks: for each step of the episode, when it was (seconds) and whether it was drawn.
    """
    event = session.last
    if session.task is None or event is None:
        return {}
    decision = event.decision
    recent = [tick for tick in ticks if ticks[-1][0] - tick[0] < WINDOW_SECONDS]
    seconds = recent[-1][0] - recent[0][0] if len(recent) > 1 else 0.0
    achieved = float(bool(event.success)) if session.task.has_success else event.total_reward
    return {
        "episode": event.episode,
        "t": event.t,
        "max_steps": session.task.max_steps,
        "return": event.total_reward,
        "reward": event.reward,
        "score": normalise(achieved, assets.scores().get(session.task.id)),
        "success": event.success,
        "goal": readable(event.goal),
        "seed": event.seed - EVALUATION_SEEDS.start,
        "done": event.done,
        "acted": event.prompt,
        "action": None if event.action is None else np.atleast_1d(event.action).astype(float).round(3).tolist(),
        "choices": int(getattr(session.env.action_space, "n", 0)),
        "latency_ms": None if decision is None else decision.latency_ms,
        "entropy": None if decision is None else entropy_bits(decision.probabilities),
        "live_steps": None if decision is None else decision.live_steps,
        "ratio": (len(recent) - 1) / seconds / session.task.fps if seconds else None,
        "fps": round(sum(drawn for _, drawn in recent[1:]) / seconds) if seconds else None,
    }


def entropy_bits(probabilities: np.ndarray | None) -> float | None:
    """Mean entropy of an action's tokens, from [A, bins]; None for policies without probabilities."""
    if probabilities is None:
        return None
    p = np.clip(probabilities, 1e-12, 1.0)
    return float(-(p * np.log2(p)).sum(axis=-1).mean())


def packed(header: dict[str, Any], picture: bytes | None) -> bytes:
    """A message to the page: 4 bytes length, JSON, perhaps a JPEG."""
    text = json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text + (picture or b"")
