"""What the README tells people to type works."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from playground.cli import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
COMMAND: Any = typer.main.get_command(app)
COMMANDS = re.findall(r"^playground (.*)$", SHELL, re.MULTILINE)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_are_understood(line: str) -> None:
    name, *arguments = shlex.split(re.sub(r"\s+# .*", "", line))
    command = COMMAND.commands[name]
    command.make_context(name, arguments)  # parses; raises on an unknown option


def test_commands_were_found() -> None:
    assert len(COMMANDS) >= 6


def test_newcomers_paste_one_line_each() -> None:
    lines = [line for line in SHELL.splitlines() if line.startswith("python3 -m venv")]
    assert len(lines) == 2
    assert lines[0].endswith("playground web") and lines[1].endswith("pytest -n 2")


def test_python_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    scope: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), scope)
    last = scope["event"]
    assert last.done and last.prompt == "metaworld/faucet-close#0"
