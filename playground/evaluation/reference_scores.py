"""What the random policy and the experts score on every task, on seeds that nothing is trained on."""

import json
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from playground import assets, domains
from playground.collecting.experts import RandomExpert, expert_episode
from playground.environment import DomainEnv
from playground.files import write_json
from playground.parallel import raise_failures, run_with_progress, world
from playground.task import EVALUATION_SEEDS, Expert, Task


def measure_scores(
    pattern: str = "*", episodes: int = 50, workers: int | None = None, file: Path | None = None
) -> dict[str, dict[str, float]]:
    """Measures the tasks that `file` does not have with as many episodes, and saves after each.

    Args:
        pattern: as for `domains.tasks`.
        episodes: per task, of the random policy and of the expert each.
        workers: processes; all cores by default.
        file: JSON to merge into; the shipped `scores.json` by default.

    Returns:
        What `file` now holds: task id -> {"random", "expert", "episodes"}, where a score is the success rate if the
        task defines success, else the mean return.

    Raises:
        PlaygroundError: some tasks failed; all others were measured before this is raised.
    """
    file = file or assets.ASSETS / "scores.json"
    known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    ids = [task.id for task in domains.tasks(pattern)]
    jobs = [(id, episodes) for id in ids if known.get(id, {}).get("episodes", 0) < episodes]

    def save(job: tuple[str, int], result: dict[str, float]) -> str:
        known[job[0]] = result
        write_json(file, dict(sorted(known.items())))
        return f"{job[0]}: random {result['random']:.2f}, expert {result['expert']:.2f}"

    raise_failures(run_with_progress(measure_task, jobs, workers, save, itemgetter(0)), len(jobs))
    return known


def measure_task(job: tuple[str, int]) -> dict[str, float]:
    """Measures one task, (id, episodes); the job of one worker process."""
    return random_and_expert(*world(job[0]), job[1])


def random_and_expert(task: Task, env: DomainEnv, expert: Expert, episodes: int) -> dict[str, float]:
    """Mean scores of the random policy and the expert over the first evaluation seeds; solved episodes stop."""
    random = RandomExpert(env, np.random.default_rng(0))
    means = {
        name: np.mean(
            [expert_episode(task, env, who, seed, hold_steps=0).score for seed in EVALUATION_SEEDS[:episodes]]
        )
        for name, who in {"random": random, "expert": expert}.items()
    }
    return {name: round(float(mean), 4) for name, mean in means.items()} | {"episodes": episodes}
