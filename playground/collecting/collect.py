"""Collects expert demonstrations for training, in shards and on all cores; finished shards are kept as they are."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from playground import domains
from playground.collecting.experts import RandomExpert, expert_episode
from playground.demonstrations.packed import default_root, goal_id, planned_episodes, write_shard
from playground.environment import DomainEnv
from playground.episode import Episode
from playground.errors import PlaygroundError
from playground.events import StepEvent
from playground.files import check_folder_target
from playground.parallel import Workers, raise_failures, run_with_progress, world
from playground.task import TRAIN_SEEDS, Amount, Expert, Task

SEEDS_PER_UNIT = 20
"""Seeds set aside for each goal (or single episode); the most attempts that it gets."""

KEPT_SCORE = 0.8
"""Normalised return below which an episode is left out (after Gato's filter); the mean of the shard counts as 1."""

RANDOM_EPISODES = 5
"""Episodes of the random policy, whose mean return counts as 0."""


HIDDEN_GOALS = 500
"""Goals of a task with hidden goals, at least. The agent learns 100 by heart and then reads new ones worse."""


def default_amount(task: Task) -> Amount:
    """How much is collected of a task by default."""
    amount = task.amount
    if task.hidden_goal and amount.episodes_per_goal == 1:
        amount = replace(amount, episodes_per_goal=2, max_steps=200, shard_episodes=100, filtered=False)
    return replace(amount, goals=max(amount.goals, HIDDEN_GOALS)) if task.hidden_goal else amount


@dataclass(frozen=True)
class ShardJob:
    """One shard to collect: `units` goals (or single episodes, where no goal is hidden) from number `first` on."""

    task: str
    amount: Amount
    first: int
    units: int
    seeds: range
    folder: Path


@dataclass(frozen=True)
class Collected:
    """What became of a shard, or of all shards of a task."""

    episodes: int = 0
    timesteps: int = 0
    attempts: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Collected") -> "Collected":
        return Collected(
            self.episodes + other.episodes,
            self.timesteps + other.timesteps,
            self.attempts + other.attempts,
            self.seconds + other.seconds,
        )


def collect(
    pattern: str,
    root: Path | None = None,
    episodes: int | None = None,
    seed: int = 0,
    workers: Workers | None = None,
) -> dict[str, Collected]:
    """Collects demonstrations of the tasks that match a glob, and shows progress.

    Args:
        pattern: as for `domains.tasks`.
        root: folder to write to; a cache folder of the user's by default.
        episodes: per task; by default what `default_amount` says.
        seed: of the first episode, within `TRAIN_SEEDS`; another one adds to what is there.
        workers: processes, or a cluster's address (see `run_jobs`); all cores by default.

    Returns:
        Task id -> what was done now. Finished shards are skipped; those of an interrupted run count as unfinished.

    Raises:
        UnknownNameError: the pattern matches nothing.
        BadValueError: `root` cannot be written.
        PlaygroundError: some tasks failed; all others were collected before this is raised.
    """
    root = root or default_root()
    check_folder_target(root)
    jobs: list[ShardJob] = []
    for task in domains.tasks(pattern):
        amount = default_amount(task)
        if episodes is not None:
            amount = replace(amount, goals=-(-episodes // amount.episodes_per_goal))
        jobs += plan(task, amount, TRAIN_SEEDS[seed:], root)

    left = Counter(job.task for job in jobs)
    done: dict[str, Collected] = dict.fromkeys(left, Collected())

    def add(job: ShardJob, result: Collected) -> str:
        left[job.task] -= 1
        done[job.task] += result
        return "" if left[job.task] else _line(job.task, done[job.task])

    raise_failures(run_with_progress(collect_shard, jobs, workers, add), len(done))
    return done


def plan(task: Task, amount: Amount, seeds: range, root: Path) -> list[ShardJob]:
    """The shards of a task that do not exist yet, or were planned with fewer episodes."""
    each = amount.episodes_per_goal if task.hidden_goal else 1
    units = amount.goals * amount.episodes_per_goal // each
    size = max(1, amount.shard_episodes // each)
    jobs = [
        ShardJob(
            task.id,
            amount,
            first,
            min(size, units - first),
            seeds,
            root / task.id / f"{seeds[first * SEEDS_PER_UNIT]:06d}",
        )
        for first in range(0, units, size)
    ]
    return [job for job in jobs if planned_episodes(job.folder) < job.units * each]


def collect_shard(job: ShardJob) -> Collected:
    """Collects and writes one shard; the job of one worker process."""
    return gather_shard(job, *world(job.task))


def gather_shard(
    job: ShardJob,
    task: Task,
    env: DomainEnv,
    expert: Expert,
    watch: Callable[[list[StepEvent]], None] = lambda events: None,
) -> Collected:
    """Collects and writes one shard; `watch` is called with the events of every episode.

    Raises:
        PlaygroundError: not one episode was worth keeping.
    """
    start = time.perf_counter()
    each = job.amount.episodes_per_goal if task.hidden_goal else 1
    episodes: list[Episode] = []
    attempts = 0
    for unit in range(job.first, job.first + job.units):
        kept, tried = _gather_unit(job, unit, each, task, env, expert, watch)
        attempts += tried
        episodes += kept
    if job.amount.filtered and not task.has_success:
        episodes = _worth_cloning(episodes, _random_return(task.id, job.amount.max_steps, task, env))
    if task.hidden_goal:
        count = Counter(goal_id(episode.goal) for episode in episodes)
        episodes = [episode for episode in episodes if count[goal_id(episode.goal)] >= min(each, 2)]
    if not episodes:
        raise PlaygroundError(f"{task.id}: the expert failed {attempts} of {attempts} times; leave this task out")
    write_shard(job.folder, episodes, task.hidden_goal, job.units * each)
    timesteps = sum(len(episode) for episode in episodes)
    return Collected(len(episodes), timesteps, attempts, time.perf_counter() - start)


def _gather_unit(
    job: ShardJob,
    unit: int,
    each: int,
    task: Task,
    env: DomainEnv,
    expert: Expert,
    watch: Callable[[list[StepEvent]], None],
) -> tuple[list[Episode], int]:
    """Episodes of one goal: its first seed draws the goal, the others draw other starts for it.

    Environments draw trained goals only; `playground.domains.goals` holds out the others.
    """
    seeds = job.seeds[unit * SEEDS_PER_UNIT : (unit + 1) * SEEDS_PER_UNIT]
    kept: list[Episode] = []
    goal = None
    tries = min(2 * each + 2, SEEDS_PER_UNIT) if task.has_success else each
    for attempt, seed in enumerate(seeds[:tries]):
        noise = job.amount.noise[(unit + attempt) % len(job.amount.noise)]
        episode = expert_episode(task, env, expert, seed, goal, noise, job.amount.max_steps, watch=watch)
        if task.hidden_goal:
            goal = episode.goal
        if episode.success is not False:
            kept.append(episode)
        if len(kept) == each:
            break
    return kept, attempt + 1


def _worth_cloning(episodes: Sequence[Episode], random_return: float) -> list[Episode]:
    mean = float(np.mean([episode.total_reward for episode in episodes]))
    least = random_return + KEPT_SCORE * (mean - random_return)
    return [episode for episode in episodes if episode.total_reward >= least]


def _random_return(task_id: str, max_steps: int | None, task: Task, env: DomainEnv) -> float:
    """Mean return of the random policy, measured once per process."""
    known = _random_returns()
    if (task_id, max_steps) not in known:
        random = RandomExpert(env, np.random.default_rng(0))
        seeds = TRAIN_SEEDS[-RANDOM_EPISODES:]
        known[task_id, max_steps] = float(
            np.mean([expert_episode(task, env, random, seed, max_steps=max_steps).score for seed in seeds])
        )
    return known[task_id, max_steps]


@lru_cache(maxsize=1)
def _random_returns() -> dict[tuple[str, int | None], float]:
    return {}


def _line(task: str, result: Collected) -> str:
    share = result.episodes / max(1, result.attempts)
    return (
        f"{task}: {result.episodes} episodes, {result.timesteps} timesteps, "
        f"{share:.0%} of attempts kept, {result.seconds:.1f} s"
    )
