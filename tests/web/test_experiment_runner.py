"""Experiments that visitors start: one at a time, known ones only, and what fails says so."""

import time

import pytest

from playground.errors import BadValueError, UnknownNameError
from playground.experiments import NAMES
from playground.web.experiment_runner import SMALL, ExperimentRunner


def test_it_offers_what_there_is():
    assert set(SMALL) == set(NAMES) - {"ablations", "compute"}  # which train for an hour, and count what training took


@pytest.mark.slow
def test_one_at_a_time_and_failures_are_told(tmp_path):
    runner = ExperimentRunner(str(tmp_path / "no-checkpoint"))
    with pytest.raises(UnknownNameError):
        runner.start("../evil")
    runner.start("zero-shot")
    with pytest.raises(BadValueError, match="running already"):
        runner.start("zero-shot")
    deadline = time.monotonic() + 600
    while runner.status()["running"] and time.monotonic() < deadline:
        time.sleep(0.2)
    assert "no checkpoint" in runner.status()["error"] and runner.figure() is None
    runner.close()
    assert "running" not in runner.status()
