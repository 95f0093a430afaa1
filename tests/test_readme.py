"""What the README and the pages beside the code tell people to type works, and their links lead somewhere."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from playground.cli import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / ".github" / "CONTRIBUTING.md", *sorted((ROOT / "playground").rglob("README.md"))]
COMMAND: Any = typer.main.get_command(app)


def shell(text: str) -> list[str]:
    """Lines of a page's blocks of shell commands, without comments."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    return [re.sub(r"\s+# .*", "", line) for line in blocks.splitlines()]


def commands() -> list[tuple[str, str]]:
    """Page and arguments of every `playground …` that a page shows, in blocks or in the text."""
    found = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        inline = re.findall(r"`(playground [^`…]*)`", text.replace("\n", " "))
        for line in [*shell(text), *inline]:
            if line.startswith("playground "):
                found.add((str(page.relative_to(ROOT)), line.removeprefix("playground ")))
    return sorted(found)


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_are_understood(page: str, line: str) -> None:
    name, *arguments = shlex.split(line)
    if name.startswith("--"):
        return
    assert name in COMMAND.commands, f"{page}: no command {name}"
    if arguments:  # parses; raises on an unknown option
        COMMAND.commands[name].make_context(name, arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_commands_were_found() -> None:
    assert sum(page == "README.md" for page, _ in commands()) >= 6


def test_newcomers_paste_one_line_each() -> None:
    lines = [line for line in shell(README) if line.startswith("python3 -m venv")]
    assert len(lines) == 2
    assert lines[0].endswith("playground web") and lines[1].endswith("pytest -n 2")


@pytest.mark.slow
def test_python_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    scope: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), scope)
    last = scope["event"]
    assert last.done and last.prompt == "metaworld/faucet-close#0"
