"""Whatever its three streams are, and whichever encoding they have, a command does its work."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLAYGROUND = [sys.executable, "-m", "playground"]
ENCODINGS = [
    {"PYTHONIOENCODING": "cp1252"},
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
]


@pytest.mark.parametrize("setting", ENCODINGS, ids=lambda setting: next(iter(setting.values())))
@pytest.mark.parametrize("arguments", ["--help", "record --help", "tasks", "replay ünknown#1"])
def test_texts_are_shown_in_any_encoding(setting: dict[str, str], arguments: str):
    shown = subprocess.run([*PLAYGROUND, *arguments.split()], env={**os.environ, **setting}, capture_output=True)
    assert shown.returncode == (2 if "replay" in arguments else 0), shown.stderr
    assert b"Traceback" not in shown.stderr


@pytest.mark.slow
@pytest.mark.parametrize("setting", ENCODINGS, ids=lambda setting: next(iter(setting.values())))
def test_the_doctor_marks_good_and_bad_differently_in_any_encoding(setting: dict[str, str]):
    shown = subprocess.run([*PLAYGROUND, "doctor"], env={**os.environ, **setting}, capture_output=True)
    assert b"+ Python: " in shown.stdout and b"Traceback" not in shown.stderr, shown.stderr


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", ">&- 2>&- <&-"])
def test_a_recording_needs_no_stream(closed: str, tmp_path: Path):
    """Nor does its file take the number of a closed one, so that libraries write into the film."""
    out = tmp_path / "run.gif"
    words = [*PLAYGROUND, "record", "--task", "classic/CartPole", "--agent", "random", "--seconds", "0.5"]
    done = subprocess.run(f"{' '.join(words)} --size 64 --out {out} {closed}", shell=True, executable="/bin/bash")
    assert done.returncode == 0
    assert out.read_bytes().startswith(b"GIF89a")
    assert json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))["frames"] > 5
