"""Every demo runs, with an untrained agent, and stays short."""

import importlib.util
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import OTHER, TASK

DEMOS = Path(__file__).parent.parent / "demos"


def demo(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"demo_{name}", DEMOS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", sorted(DEMOS.glob("*.py")), ids=lambda path: path.name)
def test_demos_are_short_and_tell_how_to_call_them(path: Path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    assert f"python demos/{path.name}" in text


def test_rollout(demonstrations, checkpoint, capsys):
    demo("rollout").main(TASK, f"{TASK}#0", checkpoint=str(checkpoint))
    assert f"{TASK} under {TASK}#0: return" in capsys.readouterr().out


def test_many(demonstrations, checkpoint, capsys):
    demo("many").main(TASK, f"{TASK}#0", episodes=3, environments=2, checkpoint=str(checkpoint))
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["0", "1", "2"]


def test_swap(demonstrations, checkpoint, capsys):
    demo("swap").main(TASK, f"{TASK}#0", f"{OTHER}#1", at=10, checkpoint=str(checkpoint), seed=3)
    shown = capsys.readouterr().out
    assert f"t    0   {TASK}#0" in shown and f"t   20   {OTHER}#1" in shown


def test_inspect_agent(demonstrations, checkpoint, capsys):
    demo("inspect_agent").main(TASK, f"{TASK}#0", f"{TASK}#1", steps=4, checkpoint=str(checkpoint))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("layer all") and float(lines[1].split()[-1]) > 0.99
    assert [line.split()[1] for line in lines[2:]] == ["0", "1"]


@pytest.mark.slow
def test_record(demonstrations, checkpoint, tmp_path, capsys):
    out = tmp_path / "run.gif"
    demo("record").main([f"{TASK}#0", "none"], TASK, out, checkpoint=str(checkpoint))
    assert out.stat().st_size > 1000 and out.with_suffix(".json").exists()
    assert "no prompt" in capsys.readouterr().out


def test_window(demonstrations, checkpoint, monkeypatch, capsys):
    import pygame

    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame.display.quit()  # which an environment of an earlier test may have begun with another driver
    pygame.display.init()
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    demo("window").main(TASK, f"{TASK}#1", checkpoint=str(checkpoint))
    assert "pause" in capsys.readouterr().out and not pygame.display.get_init()


@pytest.mark.slow
def test_web():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, str(DEMOS / "web.py"), "--port", str(port), "--agent", "random", "--task", TASK]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    try:
        assert str(port) in server.stdout.readline()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                page = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).read()
                break
            except OSError:
                time.sleep(0.2)
        assert b"Playground" in page
    finally:
        server.terminate()
        assert server.wait(timeout=20) in (0, -15)
