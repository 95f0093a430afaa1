"""`playground bench batch`: evaluation in batches over all of DM Control, beside simulator and products alone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import harmonic_mean

from playground import domains
from playground.agent import BatchAgent
from playground.bench.measure import Measurement, sample
from playground.bench.products import bare_products
from playground.demonstrations import shipped_counts
from playground.evaluation.episodes import WORLDS, EvaluationSettings, episode_specs
from playground.model import load_model
from playground.parallel import cores, run_jobs

TASKS = "dm_control/*"
SECONDS = 0.2
"""Time for each of a task's three figures. One sample is the steps between two slides of the context."""


@dataclass(frozen=True)
class _Job:
    task: str
    checkpoint: str | None


@dataclass(frozen=True)
class _Rates:
    """Agent steps a second of one process: as evaluation does it, and with the unavoidable work only."""

    ours: float
    floor: float
    ran: float


def _work(job: _Job) -> _Rates:
    """Measures one task; runs in a worker process."""
    import torch

    torch.set_num_threads(1)
    model, task = load_model(job.checkpoint), domains.task(job.task)
    envs = [task.make(64) for _ in range(WORLDS)]
    rows = list(range(WORLDS))
    try:
        specs = episode_specs(task, EvaluationSettings(episodes=WORLDS))
        agent = BatchAgent.for_worlds(model, envs)
        agent.condition([spec.prompt for spec in specs], rows)
        seen = [env.start(spec.seed, spec.goal) for env, spec in zip(envs, specs, strict=True)]
        actions = [decision.action for decision in agent.act(seen, rows)]

        def step() -> None:
            for row, env in enumerate(envs):
                seen[row], _, terminated, truncated, _ = env.step(actions[row])
                if terminated or truncated:
                    seen[row], _ = env.reset()

        def act_and_step() -> None:
            actions[:] = [decision.action for decision in agent.act(seen, rows)]
            step()

        bare = bare_products(model, lambda: agent.act(seen, rows))
        steps = (model.config.max_live + 1) // 2
        work = {"lockstep": act_and_step, "simulator": step, "products": bare}
        found = sample({name: partial(_repeat, function, steps) for name, function in work.items()}, SECONDS)
    finally:
        for env in envs:
            env.close()
    floor = found["simulator"].median + found["products"].median
    count = WORLDS * steps * 1e3
    return _Rates(count / found["lockstep"].median, count / floor, found["lockstep"].ran)


def _repeat(function: Callable[[], None], times: int) -> None:
    for _ in range(times):
        function()


def measure_batch(checkpoint: str | None) -> Iterator[Measurement]:
    """Runs every task for a moment, on all cores at once. The total weighs tasks by steps, not by time."""
    jobs = [_Job(task.id, checkpoint) for task in domains.tasks(TASKS) if task.id in shipped_counts()]
    found: list[_Rates] = []
    workers = cores()
    for _, result in run_jobs(_work, jobs, workers):
        if isinstance(result, Exception):
            raise result
        found.append(result)
    value, floor = (workers * harmonic_mean(rates) for rates in zip(*((r.ours, r.floor) for r in found), strict=True))
    each = [workers * r.ours for r in found]
    yield Measurement(
        name=f"{TASKS}, {len(jobs)} tasks, {workers} processes of {WORLDS} worlds",
        value=value,
        unit="agent steps/s",
        floor=floor,
        ratio=floor / value,
        low=min(each),
        high=max(each),
        floor_is="simulator and matrix products alone; in the middle: slowest and fastest task",
        ran=min(r.ran for r in found),
    )
