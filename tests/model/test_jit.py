"""Decisions are made on every machine: without a home, on an old processor, and where nothing can be compiled."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from playground.model import GeneralistModel, backend, choose_backend, compiled, jit, preset

DECIDE = """
import torch
from playground.model import GeneralistModel, choose_backend, preset
from playground.model.kernels import extend
for _ in range(2):
    model = GeneralistModel(preset("tiny")).eval().requires_grad_(False).half().float()
    backend = choose_backend(model)
    backend.decode(torch.zeros(1, 1, 32), discrete=True, size=3)
print(backend.name, extend.stats.cache_path, len(extend.signatures), extend.signatures[0][1][2].dtype)
"""
NOWHERE = {
    "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator,UserWideCacheLocator",  # not beside the source either
    **dict.fromkeys(("HOME", "XDG_CACHE_HOME"), "/dev/null/none"),
}


def run(code: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, **settings}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=300)


@pytest.mark.slow
def test_without_a_home_machine_code_is_kept_in_a_temporary_folder_of_ones_own(tmp_path: Path):
    code = "from playground.model.kernels import add; print(add.stats.cache_path)"
    shown = run(code, TMPDIR=str(tmp_path), **NOWHERE)
    folder = next(tmp_path.glob("playground-*"))
    assert shown.stdout.startswith(str(folder)) and folder.stat().st_mode & 0o77 == 0, shown.stderr
    folder.chmod(0o777)  # somebody else could have put code there
    assert run(code, TMPDIR=str(tmp_path), **NOWHERE).stdout == "None\n"


@pytest.mark.slow
def test_an_old_processor_has_its_weights_in_float32():
    """Widening a float16 there ends the process: "LLVM ERROR: Symbol not found: __extendhfsf2"."""
    shown = run(DECIDE, NUMBA_CPU_NAME="nehalem", NUMBA_CPU_FEATURES="+sse4.2,+popcnt")
    assert shown.returncode == 0 and shown.stdout.startswith("compiled "), shown.stderr
    assert shown.stdout.endswith("1 float32\n")


@pytest.mark.slow
def test_where_numba_compiles_nothing_decisions_run_in_torch_and_it_is_said_once():
    code = DECIDE.replace("from playground.model.kernels import extend\n", "").rpartition("print")[0]
    shown = run(code + "print(backend.name)", NUMBA_DISABLE_JIT="1")
    assert shown.stdout == "torch\n", shown.stderr
    assert shown.stderr.count("plain torch") == 1 and "NUMBA_DISABLE_JIT is set" in shown.stderr


def test_a_fault_while_compiling_is_told_and_survived(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compiled.kernels, "extend", refuse)
    backend._complain.cache_clear()
    models = [GeneralistModel(preset("tiny")).eval() for _ in range(2)]
    with caplog.at_level(logging.WARNING):
        assert [choose_backend(model).name for model in models] == ["torch", "torch"]
    assert len(caplog.records) == 1 and "No space left" in caplog.text


def test_weights_stay_wide_where_the_processor_cannot_widen_them(monkeypatch: pytest.MonkeyPatch):
    weight = torch.ones(2, 3)
    assert compiled.half(weight).dtype == (np.uint16 if jit.has_float16() else np.float32)
    monkeypatch.setattr(compiled, "has_float16", lambda: False)
    assert compiled.half(weight).dtype == np.float32
