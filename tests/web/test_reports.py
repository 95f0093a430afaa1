"""Reports are shown as HTML in which nothing runs, and of their folders only the figures are served."""

import json

from playground import assets
from playground.web import reports


def test_reports_become_html_and_only_figures_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(assets, "ASSETS", tmp_path)
    assert reports.experiments() == []
    folder = tmp_path / "experiments" / "grid"
    folder.mkdir(parents=True)
    (folder / "report.md").write_text(
        "# The grid\n\n![x](figure.png)\n\n<script>alert(1)</script>\n\n| a |\n| --- |\n| 1 |\n", encoding="utf-8"
    )
    (folder / "result.json").write_text(json.dumps({"complete": False}), encoding="utf-8")
    (folder / "figure.png").write_bytes(b"PNG")
    (found,) = reports.experiments()
    assert (found["name"], found["title"], found["complete"]) == ("grid", "The grid", False)
    assert 'src="pg/figure/grid"' in found["html"] and "<script>" not in found["html"] and "<td>1</td>" in found["html"]
    assert reports.figure("grid") == folder / "figure.png"
    assert reports.figure("../experiments/grid") is None
