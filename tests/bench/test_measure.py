"""How times are taken and reported."""

import json
import time
from pathlib import Path

import pytest

from playground.bench.measure import Measurement, Timings, print_table, sample, write_measurements
from playground.bench.run import run
from playground.errors import UnknownNameError


def test_functions_take_turns_and_longer_ones_take_longer():
    order: list[str] = []

    def work(name: str, rounds: int) -> None:
        order.append(name)
        sum(range(rounds))

    found = sample({"much": lambda: work("much", 400_000), "little": lambda: work("little", 1000)}, seconds=0.3)
    assert found["much"].median > 5 * found["little"].median
    for samples in found.values():
        assert samples.low <= samples.median <= samples.high and 0 < samples.ran <= 1
    turns = [name for name, before in zip(order, ["", *order], strict=False) if name != before]
    assert turns == ["much", "little"] * 4  # warm-up, then three turns


def test_waiting_is_not_work_unless_others_work_meanwhile():
    found = sample({"wait": lambda: time.sleep(0.02)}, seconds=0.1)["wait"]
    assert found.median < 10 and found.ran < 0.5
    found = sample({"wait": lambda: time.sleep(0.02)}, seconds=0.1, threaded=["wait"])["wait"]
    assert found.median >= 20 and found.ran == 1


def test_ratios_say_how_many_times_the_floor_it_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    time_case = Measurement.of_times(
        "act", Timings(3.0, 2.0, 4.0, 9, 0.5), Timings(1.5, 1.0, 2.0, 9, 0.5), "the products"
    )
    rate_case = Measurement.of_rate("train", 500.0, "steps/s", 2000.0, "the peak")
    assert time_case.ratio == 2 and rate_case.ratio == 4
    print_table("title", [time_case, rate_case])
    shown = capsys.readouterr().out
    assert "the products" in shown and "Other processes wanted the same core" in shown
    write_measurements(tmp_path / "cases.json", [time_case, rate_case])
    (first, second) = json.loads((tmp_path / "cases.json").read_text(encoding="utf-8"))["cases"]
    assert (first["name"], first["value"], first["unit"], first["floor"], first["ratio"]) == ("act", 3, "ms", 1.5, 2)
    assert second["unit"] == "steps/s"


def test_unknown_benchmarks_are_refused_before_anything_runs():
    with pytest.raises(UnknownNameError, match="did you mean act"):
        run(["act", "actt"])
