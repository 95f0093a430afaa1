"""The shipped reports of experiments as HTML. Of their files, only the figures are served."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from playground import assets

RESULT, FIGURE, REPORT = "result.json", "figure.png", "report.md"


def experiments() -> list[dict[str, Any]]:
    """Every shipped experiment: its name, its title, its report as HTML, and whether it is complete."""
    folders = sorted(path.parent for path in (assets.ASSETS / "experiments").glob(f"*/{REPORT}"))
    return [report(folder) for folder in folders]


def report(folder: Path) -> dict[str, Any]:
    """One experiment's report, read anew whenever its file has changed."""
    return _report(folder, (folder / REPORT).stat().st_mtime_ns)


def figure(name: str) -> Path | None:
    """The figure of a shipped experiment; None if there is no such experiment."""
    known = {path.parent.name: path for path in (assets.ASSETS / "experiments").glob(f"*/{FIGURE}")}
    return known.get(name)


@lru_cache(maxsize=64)
def _report(folder: Path, version: int) -> dict[str, Any]:
    from markdown_it import MarkdownIt

    text = (folder / REPORT).read_text(encoding="utf-8")
    first = text.lstrip().partition("\n")[0]
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    result = folder / RESULT
    complete = json.loads(result.read_text(encoding="utf-8")).get("complete", True) if result.exists() else True
    return {
        "name": folder.name,
        "title": first.lstrip("# ") or folder.name,
        "html": html.replace(f'src="{FIGURE}"', f'src="pg/figure/{folder.name}"'),
        "complete": complete,
    }
