"""Where the shipped files lie: beside the package in a checkout, inside it in a wheel."""

from pathlib import Path

_INSIDE = Path(__file__).parent / "_assets"
ASSETS = _INSIDE if _INSIDE.is_dir() else Path(__file__).parent.parent / "assets"
