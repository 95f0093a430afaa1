"""`playground bench train`: one optimiser step on full rows, beside the measured peak of matrix products."""

from collections.abc import Iterator

import torch
from torch.utils.flop_counter import FlopCounterMode

from playground.bench.measure import Measurement, sample
from playground.model import GOAL_TOKENS, GeneralistModel, TokenBatch, preset
from playground.parallel import cores
from playground.training.collate import Batch
from playground.training.loss import cloning_loss
from playground.training.optimizer import MasterWeights, Optimization, bfloat16_is_slow

PEAK_SIDE = 2048
"""Side of the square matrices whose product gives the peak."""

ROWS = {"cpu": 8, "cuda": 128}
SIZES = {"cpu": "small", "cuda": "base"}
"""Preset of the model that is trained on each device."""

VALUES, ACTIONS = 24, 4
"""Numbers of a timestep: those of Meta-World."""


def measure_train(seconds: float = 6.0) -> Iterator[Measurement]:
    """Times optimiser steps, on the GPU if there is one, else on all cores."""
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(cores())
    device, size = torch.device(kind), SIZES[kind]
    config = preset(size)
    torch.manual_seed(0)
    is_bfloat16 = kind == "cuda" or not bfloat16_is_slow()
    dtype = torch.bfloat16 if is_bfloat16 else torch.float32
    model = GeneralistModel(config).to(device, dtype)
    if kind == "cuda":
        model.trunk = torch.compile(model.trunk, dynamic=True)  # type: ignore[assignment]
    masters = MasterWeights(model, Optimization(), muon=is_bfloat16)
    batch = _full_rows(ROWS[kind], config.max_prompt, config.max_live).to(device)
    timesteps = batch.weight.numel()

    def compute() -> None:
        action, goal = cloning_loss(model, batch)
        (action / batch.weight.sum() + goal / len(batch.goal_tokens)).backward()

    def step() -> None:
        compute()
        masters.update(masters.take_gradient(), 1e-4, 0)
        _finish(device)

    step()
    with FlopCounterMode(display=False) as counter:
        compute()
    flops = counter.get_total_flops()
    a = torch.randn(PEAK_SIDE, PEAK_SIDE, device=device, dtype=dtype)

    def peak() -> None:
        torch.mm(a, a)
        _finish(device)

    found = sample({"step": step, "peak": peak}, seconds, ["step", "peak"])
    floor = flops / (2 * PEAK_SIDE**3) * found["peak"].median  # ms
    ours = found["step"].median
    where = torch.cuda.get_device_name() if kind == "cuda" else f"{cores()} threads"
    yield Measurement(
        name=f"{size}, {batch.weight.shape[0]} rows of {batch.weight.shape[1]} timesteps, {where}",
        value=timesteps * 1e3 / ours,
        unit="timesteps/s",
        floor=timesteps * 1e3 / floor,
        ratio=ours / floor,
        low=timesteps * 1e3 / found["step"].high,
        high=timesteps * 1e3 / found["step"].low,
        floor_is=f"its {flops / 1e9:.1f} GFLOP at the {2 * PEAK_SIDE**3 / found['peak'].median / 1e9:.2f} TFLOP/s of a "
        f"{str(dtype).removeprefix('torch.')} product of side {PEAK_SIDE}: {floor / ours:.0%} of the peak",
    )


def _full_rows(rows: int, prompt_steps: int, live_steps: int) -> Batch:
    """A batch of rows without padding: random timesteps of scalars, with the loss on the live ones."""
    S = prompt_steps + live_steps
    live = (torch.arange(S) >= prompt_steps).expand(rows, S)
    steps = TokenBatch(
        values=torch.randint(1024, 2048, (rows, S, VALUES)),
        actions=torch.randint(256, (rows, S, ACTIONS)),
        discrete=torch.zeros(rows, S, dtype=torch.bool),
        show_observation=torch.ones(rows, S, dtype=torch.bool),
        show_action=~live,
    )
    return Batch(
        steps, live.float(), torch.randint(1024, (rows, GOAL_TOKENS)), torch.arange(rows) * S + prompt_steps - 1
    )


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
