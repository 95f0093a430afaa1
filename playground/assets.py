"""Where the shipped files lie: beside the package in a checkout, inside it in a wheel."""

import json
from functools import lru_cache
from pathlib import Path

_INSIDE = Path(__file__).parent / "_assets"
ASSETS = _INSIDE if _INSIDE.is_dir() else Path(__file__).parent.parent / "assets"


@lru_cache(maxsize=1)
def scores() -> dict[str, dict[str, float]]:
    """Task id -> {"random", "expert": mean score, "episodes"}: success rate where defined, else return."""
    path = ASSETS / "scores.json"
    return json.loads(path.read_text()) if path.exists() else {}
