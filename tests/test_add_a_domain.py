"""What the page `playground/README.md` says about adding a domain works, word for word."""

import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import typer

from playground import assets, domains, find_prompt, open_session
from playground.cli import app
from playground.collecting.ship import ship_task
from playground.demonstrations import shipped, shipped_counts
from tests.domains import test_contract

PAGE = Path(__file__).parent.parent / "playground" / "README.md"
HEADING = "## Add a domain\n"

PROMISES = [getattr(test_contract, name) for name in dir(test_contract) if name.startswith("test_")]


def section() -> str:
    _, heading, rest = PAGE.read_text(encoding="utf-8").partition(HEADING)
    assert heading, f"{PAGE} has no heading {HEADING.strip()!r}"
    return rest.partition("\n## ")[0]


def block(language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", section(), re.DOTALL)
    assert len(found) == 1, f"{PAGE} has {len(found)} blocks of {language} under {HEADING.strip()!r}; one is wanted"
    return found[0]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Ids of the page's tasks, installed as a package of its own, with demonstrations in the place of the assets."""
    caches = (domains._modules, domains._registry, domains._without_expert, domains.families, shipped, shipped_counts)
    folder = tmp_path_factory.mktemp("site")
    points = tomllib.loads(block("toml"))["project"]["entry-points"]["playground.domains"]
    ((name, module),) = points.items()
    (folder / f"{module}.py").write_text(block("python"), encoding="utf-8")
    about = folder / "line-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: line\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(f"[playground.domains]\n{name} = {module}\n", encoding="utf-8")
    domains.tasks()  # tasks that need an expert's file look for it in the real assets
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setattr(assets, "ASSETS", tmp_path_factory.mktemp("assets"))
        for cache in caches:
            cache.cache_clear()
        ids = [task.id for task in domains.tasks("line/*")]
        for id in ids:
            ship_task((id, 1))
        for cache in (shipped, shipped_counts):
            cache.cache_clear()
        yield ids
    sys.modules.pop(module)
    for cache in caches:
        cache.cache_clear()


def test_commands_are_understood() -> None:
    lines = re.findall(r"^playground (.*)$", section(), re.MULTILINE)
    assert len(lines) >= 4
    command: Any = typer.main.get_command(app)
    for line in lines:
        name, *arguments = shlex.split(line)
        command.commands[name].make_context(name, arguments)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_the_tasks_keep_every_promise(installed: list[str], promise: Any) -> None:
    for id in installed:
        env = domains.make(id, test_contract.SIZE)
        promise((domains.task(id), env))
        env.close()


def test_the_experts_demonstration_prompts_an_agent(installed: list[str], checkpoint: Path) -> None:
    left, right = (find_prompt(f"{id}#0") for id in installed)
    assert left is not None and right is not None and left.task == "line/left"
    with open_session("line/left", "expert") as session:
        assert list(session.episode())[-1].success
    with open_session("line/left", prompt=left, checkpoint=str(checkpoint)) as session:
        assert isinstance(session.env.observation_space, gym.spaces.Dict)
        for event in session.episode():
            if event.t == 5:
                session.prompt = right
        assert event.prompt == "line/right#0" and event.done
