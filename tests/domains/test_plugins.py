"""Other packages add domains through the entry-point group `playground.domains`, without touching this one."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from playground import domains
from playground.errors import BadDomainError

LINE = """
from dataclasses import replace
from tests.loop_toy import LINE

TASKS = [replace(LINE, id="elsewhere/line", scene="elsewhere-line")]
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Installs a package `elsewhere` whose only module has the given code; it is gone after the test."""
    caches = (domains._modules, domains._registry, domains._without_expert, domains.families)

    def write(code: str) -> None:
        about = tmp_path / "elsewhere-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n", encoding="utf-8")
        (about / "entry_points.txt").write_text("[playground.domains]\nline = elsewhere\n", encoding="utf-8")
        (tmp_path / "elsewhere.py").write_text(code, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        for cache in caches:
            cache.cache_clear()

    yield write
    sys.modules.pop("elsewhere", None)
    for cache in caches:
        cache.cache_clear()


def test_an_installed_package_adds_its_tasks(install: Callable[[str], None]) -> None:
    before = [task.id for task in domains.tasks()]
    install(LINE)
    assert [task.id for task in domains.tasks()] == [*before, "elsewhere/line"]
    env = domains.make("elsewhere/line", size=64)
    assert env.reset(seed=1)[0] in env.observation_space and env.render().shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nothing_of_that_name", r"elsewhere cannot be imported \(ModuleNotFoundError: .*pip uninstall elsewh"),
        ("1 / 0", r"elsewhere cannot be imported \(ZeroDivisionError: .*pip uninstall elsewhere"),
        ("", "elsewhere has no tasks .*TASKS"),
        (
            LINE.replace("elsewhere/line", "classic/CartPole"),
            "is in playground.domains.classic and .*another id",
        ),
    ],
)
def test_a_broken_package_is_named_with_the_cure(install: Callable[[str], None], code: str, message: str) -> None:
    install(code)
    with pytest.raises(BadDomainError, match=message):
        domains.tasks()
