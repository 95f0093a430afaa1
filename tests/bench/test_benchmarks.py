"""Each benchmark measures what it says, in short; how fast this machine is does not matter here."""

import json
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from playground.bench import act, batch, measure, render, run, start, train
from playground.bench.measure import Measurement
from playground.bench.products import bare_products
from playground.errors import PlaygroundError
from playground.model import GeneralistModel, choose_backend, kernels, load_model, preset


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch):
    threads = torch.get_num_threads()
    monkeypatch.setattr(measure, "WARM_UP_SECONDS", 0.0)
    monkeypatch.setattr(measure, "BLOCK_SECONDS", 0.05)
    yield
    torch.set_num_threads(threads)


def complete(cases: list[Measurement]) -> None:
    for case in cases:
        assert case.value > 0 and case.low <= case.value <= case.high
        assert case.floor is None or (case.floor > 0 and case.ratio > 0 and case.floor_is)


@pytest.mark.slow
def test_acting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(act, "TASKS", ("classic/CartPole",))
    cases = list(act.measure_act(load_model(), seconds=0.05))
    complete(cases)
    decision, swap, loop = cases
    assert swap.value > decision.value  # reads the prompt again
    assert loop.unit == "x real time" and loop.ratio > 1


def test_products_are_those_of_the_decision():
    """Of one decision: the trunk's matrices once, the decoder's as often as there are action tokens."""
    torch.manual_seed(0)
    model = GeneralistModel(preset("tiny")).eval().requires_grad_(False)
    cache = model.new_cache(1, 4)
    cache.length += 2
    calls = [choose_backend(model).name]  # the first time, the compiled loops are tried out

    def decide() -> None:
        calls.append(choose_backend(model).name)
        model.decode(model.trunk(torch.zeros(1, 1, 32), cache), False, 3)

    counted, attended = [], []
    with pytest.MonkeyPatch.context() as patch:
        bare = bare_products(model, decide)
        patch.setattr(kernels, "product", lambda weight, *others: counted.append(weight.shape))
        patch.setattr(torch, "bmm", lambda a, b: attended.append((*a.shape, b.shape[-1])) or a @ b)
        bare()
    assert calls == ["compiled", "torch"] and choose_backend(model).name == "compiled"
    assert counted.count((96, 32)) == 2 and counted.count((64, 32)) == 2 + 3 and len(counted) == 4 * 2 + 1 + 3 * 3
    assert attended == 2 * [(2, 1, 16, 3), (2, 1, 3, 16)]  # scores of three positions, and what they weigh


@pytest.mark.slow
def test_evaluation(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batch, "TASKS", "dm_control/point_mass-easy,dm_control/cartpole-balance")
    monkeypatch.setattr(batch, "SECONDS", 0.05)
    monkeypatch.setattr(batch, "cores", lambda: 1)
    (case,) = batch.measure_batch(None)
    complete([case])
    assert "2 tasks" in case.name and case.floor > case.value


@pytest.mark.slow
def test_training(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(train, "SIZES", {"cpu": "tiny", "cuda": "tiny"})
    monkeypatch.setattr(train, "ROWS", {"cpu": 2, "cuda": 2})
    (case,) = train.measure_train(seconds=0.05)
    complete([case])
    assert "2 rows of 16 timesteps" in case.name and "% of the peak" in case.floor_is


def test_drawing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(render, "TASKS", ("classic/CartPole",))
    complete(list(render.measure_render(seconds=0.05)))


def test_starting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(start, "ROUNDS", 1)
    case = start._case("x", partial(start._run, ["-c", "sum(range(10**7))"]), partial(start._run, ["-c", "pass"]), "-")
    complete([case])
    assert case.ratio > 1
    with pytest.raises(PlaygroundError, match="ZeroDivisionError: division by zero"):
        start._run(["-c", "1/0"])


def test_figures_are_kept_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def slept(settings: run.Settings):
        time.sleep(0.01)
        yield Measurement.of_rate(f"of {settings.checkpoint}", 3.0, "steps/s", 6.0, "the peak")

    monkeypatch.setattr(run, "BENCHMARKS", {"one": ("title", slept), "two": ("title", slept)})
    run.run([], tmp_path / "all.json", run.Settings("folder"))
    cases = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))["cases"]
    assert [(c["name"], c["value"], c["floor"], c["ratio"]) for c in cases] == [("of folder", 3, 6, 2)] * 2
