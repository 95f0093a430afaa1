"""What the doctor says of machines that compile, that do not, and that keep nothing."""

import subprocess

import pytest

from playground import doctor


@pytest.mark.parametrize(
    ("code", "out", "err", "state", "words"),
    [
        (0, "/home/a/.cache/numba\n", "", "ok", "kept in /home/a/.cache/numba"),
        (0, "\n", "", "warn", "set NUMBA_CACHE_DIR"),
        (1, "", "decisions run in plain torch (OSError: no room)\n", "warn", "OSError: no room"),
        (-6, "", "LLVM ERROR: Symbol not found: __extendhfsf2\n", "bad", "set NUMBA_DISABLE_JIT=1"),
        (-11, "", "", "bad", "ended with -11"),
    ],
)
def test_compiled_decisions(monkeypatch, code: int, out: str, err: str, state: str, words: str):
    done = subprocess.CompletedProcess([], code, out, err)
    monkeypatch.setattr(doctor, "_python_run", lambda _: done)
    check = doctor._compiled_loops()
    assert check.state == state and words in f"{check.found} {check.cure}"
    assert (check.state == "ok") == (not check.cure)


def test_a_machine_that_is_too_busy_to_compile_is_no_broken_one(monkeypatch):
    def wait(code: str) -> None:
        raise subprocess.TimeoutExpired(code, 60)

    monkeypatch.setattr(doctor, "_python_run", wait)
    assert doctor._compiled_loops().state == doctor._opengl().state == "warn"


@pytest.mark.slow
def test_what_it_asks_of_this_machine_runs():
    done = doctor._python_run(doctor._COMPILE)
    assert done.returncode == 0, done.stderr
