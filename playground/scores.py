"""What random behaviour and the experts score on every task, and where a score lies between the two."""

import json
from collections.abc import Mapping
from functools import lru_cache

from playground import assets


@lru_cache(maxsize=1)
def reference_scores() -> dict[str, dict[str, float]]:
    """Task id -> {"random", "expert": mean score, "episodes"}: success rate where defined, else return."""
    path = assets.ASSETS / "scores.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def normalise(score: float, known: Mapping[str, float] | None) -> float | None:
    """Places a score between {"random", "expert"}; None where they are unknown or equal."""
    if known is None or known["expert"] == known["random"]:
        return None
    return (score - known["random"]) / (known["expert"] - known["random"])
