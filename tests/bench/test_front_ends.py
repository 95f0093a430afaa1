"""The benchmarks of the page and of the window measure what they say, in short; the soak finds what has grown."""

import sys

import pytest

from playground.bench import page, soak, window
from playground.bench.browser import chromium
from playground.bench.census import census
from playground.errors import MissingLibraryError
from tests.loop_toy import LineEnv

TASK = "classic/CartPole"


@pytest.mark.slow
def test_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "TASKS", (TASK,))
    monkeypatch.setattr(page, "ALONE", (TASK,))
    monkeypatch.setattr(page, "SECONDS", 0.5)
    monkeypatch.setattr(page, "CLICKS", 2)
    monkeypatch.setattr(page, "VISITORS", 2)
    cases = {case.name: case for case in page.measure_page(None)}
    assert 1 < cases[f"{TASK}: distinct pictures"].value < 70
    assert 0 < cases["a click shows, median of 2"].value < 20_000
    assert cases[f"2 visitors in {TASK}: pictures"].low > 0
    assert all(case.low <= case.value <= case.high for case in cases.values())


@pytest.mark.slow
def test_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":none")  # SDL's dummy driver asks for no screen
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(window, "TASKS", (TASK,))
    monkeypatch.setattr(window, "SECONDS", 1.5)
    first, moving, pictures, turns, speed = window.measure_window(None)
    assert 0 < first.value <= moving.value and 0 < pictures.value <= turns.value + 1 and speed.value > 0


@pytest.mark.slow
def test_census_counts_what_is_alive() -> None:
    before = census()["environments"]
    kept = LineEnv()
    assert census()["environments"] == before + 1
    del kept
    assert census()["environments"] == before


def test_growth() -> None:
    rest = {"memory": 1000, "threads": 17, "files": 10, "visitors": 0, "sessions": 1, "environments": 0, "contexts": 0}
    assert soak.growth(rest, rest | {"memory": 1099, "threads": 20}) == []
    assert set(soak.growth(rest, rest | {"memory": 1101, "sessions": 2})) == {"memory", "sessions"}


def test_without_playwright_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(MissingLibraryError, match="pip install playwright"), chromium():
        pass
