"""The command line's promises: quick help, one-line errors with exit code 2, nothing run before a refusal."""

import subprocess
import sys
import time

import pytest


def playground(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "playground", *arguments], capture_output=True, text=True, timeout=120)


def test_help_is_quick_and_names_the_commands():
    began = time.perf_counter()
    shown = playground("--help")
    assert shown.returncode == 0 and time.perf_counter() - began < 3
    for command in ("tasks", "record", "collect", "train", "evaluate", "web", "doctor"):
        assert command in shown.stdout


def test_help_imports_nothing_heavy():
    code = "import sys, playground.cli; print([m for m in ('torch', 'numpy', 'gradio', 'mujoco') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert shown.stdout.strip() == "[]", shown.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("record", "--task", "metaworld/raech", "--out", "x.mp4", "--agent", "random"),
        ("record", "--task", "metaworld/reach", "--out", "x.avi", "--agent", "random"),
        ("record", "--task", "metaworld/reach", "--out", "/nowhere/x.mp4", "--agent", "random"),
        ("record", "--task", "metaworld/reach", "--out", "x.mp4", "--agent", "rnadom"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(arguments):
    shown = playground(*arguments)
    assert shown.returncode == 2
    assert shown.stderr.startswith("error: ") and shown.stderr.count("\n") == 1, shown.stderr


def test_wrong_usage_exits_with_2():
    shown = playground("record", "--seed", "x")
    assert shown.returncode == 2 and "Traceback" not in shown.stderr
