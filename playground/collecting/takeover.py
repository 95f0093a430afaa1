"""Continuations: an expert takes over in the middle of another task's or goal's episode, in the same world.

They teach an agent whose prompt is swapped what to do in states, and after a history, that its new aim never led to.
The first expert's part is history; the second's part is what is learnt, under the second task and goal.
"""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from playground import domains
from playground.collecting.rollouts import disturbed
from playground.demonstrations.packed import PackedTask, default_root, packed_tasks, write_shard
from playground.domains.scenes import scenes
from playground.environment import DomainEnv
from playground.episode import Episode
from playground.errors import BadFileError, BadValueError, PlaygroundError
from playground.parallel import Workers, raise_failures, run_with_progress
from playground.task import TRAIN_SEEDS, Action, Expert, Goal, Observation, Task

FIRST_SEED = 800_000
"""Training seeds from here on are for worlds in which experts take over from each other."""

LAST_SEED = 900_000
"""From here on seeds are for other purposes."""

SHARD = 50
"""Episodes of a shard."""

TRIES = {"babyai": 40}
"""Domain -> worlds drawn for an episode before it is given up; `TRIES_ELSEWHERE` in the others."""

TRIES_ELSEWHERE = 5

SEEDS_EACH = max(TRIES_ELSEWHERE, *TRIES.values())
"""Seeds set aside for each episode."""

LATEST = {"metaworld": 160, "babyai": 10}
"""Domain -> step of the latest take-over; `LATEST_ELSEWHERE` in the others."""

LATEST_ELSEWHERE = 200

SECOND_PART = 200
"""Steps after a take-over, at most."""

HOPELESS = 10
"""Episodes after which a task is given up if none of them ended well."""

LEAST = 2
"""Steps that a second part takes at least where success is defined."""

NOISE = (0.0, 0.05, 0.1)


@dataclass(frozen=True)
class _Job:
    task: str
    root: Path
    seed: int


@dataclass(frozen=True)
class Continuation:
    """An episode of which the first `history` actions belong to another task or goal of the scene."""

    episode: Episode
    history: int


def mates(task: Task) -> list[Task]:
    """The tasks whose expert another's can take over from: those of its scene, itself too where goals are hidden.

    None where the observation says what is to be done: there no prompt is followed.
    """
    sharing = scenes(domains.tasks(f"{task.domain}/*")).get(task.scene, ())
    return [other for other in sharing if other != task or task.hidden_goal]


def collect_continuations(
    tasks: str = "*", episodes: int = 200, seed: int = 0, root: Path | None = None, workers: Workers | None = None
) -> None:
    """Adds shards with continuations to tasks that have demonstrations and share their scene, and shows progress.

    Args:
        tasks: glob of task ids, several separated by commas; those that no other can be taken over from are left out.
        episodes: per task, rounded up to full shards. Shards that exist are not collected again.
        seed: of the first world, counted from `FIRST_SEED`; another one adds to what is there.
        root: where the demonstrations lie; a cache folder of the user's by default.
        workers: processes, or a cluster's address; all cores by default.

    Raises:
        BadFileError: none of the tasks has demonstrations and company.
        BadValueError: there are not as many seeds.
        PlaygroundError: some tasks failed; all others were collected before this is raised.
    """
    root = root or default_root()
    found = [id for id in domains.matching(packed_tasks(root), tasks) if mates(domains.task(id))]
    if not found:
        raise BadFileError(f"{root}: no demonstrations of {tasks} that share a scene; collect them first")
    most = (LAST_SEED - FIRST_SEED - seed) // SEEDS_EACH
    if episodes > most:
        raise BadValueError(f"{episodes} episodes per task from seed {seed} on; give at most {most}")
    seeds = range(FIRST_SEED + seed, FIRST_SEED + seed + episodes * SEEDS_EACH, SHARD * SEEDS_EACH)
    jobs = [_Job(id, root, first) for first in seeds for id in found]
    jobs = [job for job in jobs if not _place(job).exists()]
    failures = run_with_progress(_work, jobs, workers, lambda job, kept: f"{job.task}: {kept} of {SHARD} kept")
    raise_failures(failures, len(found))


def _place(job: _Job) -> Path:
    return job.root / job.task / f"continued-{job.seed:06d}"


def _work(job: _Job) -> int:
    """The job of one worker process; returns the number of episodes."""
    task = domains.task(job.task)
    packed = PackedTask.open(job.root, job.task)
    goals = [packed.prompt(int(e)).goal for e in packed.demonstrations] if task.hidden_goal else [None]
    rng = np.random.default_rng([job.seed, 3])
    env = task.make(64)
    expert = task.make_expert(env)
    firsts = [(mate, made := mate.make(64), mate.make_expert(made)) for mate in mates(task)]
    kept: list[Continuation] = []
    try:
        for number in range(SHARD):
            if number == HOPELESS and not kept:
                break
            goal = goals[rng.integers(len(goals))]
            own = job.seed + number * SEEDS_EACH
            for seed in range(own, own + TRIES.get(task.domain, TRIES_ELSEWHERE)):
                assert seed in TRAIN_SEEDS
                _, before, first = firsts[rng.integers(len(firsts))]
                found = take_over(task, env, expert, before, first, seed, goal, NOISE[number % len(NOISE)])
                if found is not None:
                    kept.append(found)
                    break
    finally:
        for made in (env, *(made for _, made, _ in firsts)):
            made.close()
    if not kept:
        raise PlaygroundError("no take-over ended well; leave this task out")
    episodes = [continuation.episode for continuation in kept]
    histories = [continuation.history for continuation in kept]
    write_shard(_place(job), episodes, task.hidden_goal, SHARD, is_demonstration=False, loss_start=histories)
    return len(kept)


@dataclass(frozen=True)
class Handover:
    """A step of an episode in which another expert takes over.

    Attributes:
        t: number of the step.
        observation: of the world that the episode began in, as seen by an agent whose prompt is swapped.
        label: what the expert whose turn it is would do.
        second: whether the take-over has happened.
    """

    t: int
    observation: Observation
    label: Action
    second: bool


def handing_over(
    task: Task,
    env: DomainEnv,
    expert: Expert,
    before: DomainEnv,
    first: Expert,
    seed: int,
    goal: Goal,
    first_goal: Goal,
    rng: np.random.Generator,
) -> Generator[Handover, Action, Continuation | None]:
    """One episode in which `expert` takes over from `first` at a random step; both worlds get every action.

    Args:
        task: what `env` is of.
        env: enters the state of `before`, and judges the second part.
        expert: built for `env`.
        before: the world that is reset.
        first: built for `before`.
        seed: of the world's start.
        goal: of `env`.
        first_goal: of `before`; None leaves it to the seed.
        rng: decides on the moment of the take-over.

    Yields:
        Every step; the action that is executed is to be sent back.

    Returns:
        The episode of `task`, its actions the experts'; None if the task cannot be set in that world or was done
        already.
    """
    seen, _ = before.reset(seed=seed, options=None if first_goal is None else {"goal": first_goal})
    if before.goal is not None and before.goal == goal:
        return None
    try:
        own = env.enter(before, goal)
    except BadValueError:
        return None
    first.reset()
    observations, actions, rewards = [seen], [], []
    history = int(rng.integers(1, LATEST.get(task.domain, LATEST_ELSEWHERE)))
    over = solved = False
    after_success = 0
    for t in range(LATEST_ELSEWHERE + SECOND_PART):
        if t == history:
            expert.reset()
            env.success = False  # by the first expert, or from the start
        action = first.act(seen) if t < history else expert.act(own)
        executed = yield Handover(t, seen, action, t >= history)
        own, reward, terminated, truncated, _ = env.step(executed)
        if not over:
            seen, _, ended, cut, _ = before.step(executed)
            over = ended or cut
        if over:
            seen = own
        if not solved and t < history and (over or before.success):
            solved = True
            history = min(history, t + 1 + (0 if over else int(rng.integers(task.hold_steps + 1))))
        observations.append(seen)
        actions.append(action)
        rewards.append(float(reward))
        if task.has_success and env.success and t >= history:
            if t < history + LEAST:
                return None  # there was nothing to do
            after_success += 1
        if terminated or truncated or t - history + 1 == SECOND_PART or after_success > task.hold_steps:
            break
    if len(actions) <= history:
        return None
    return Continuation(_episode(task, env, observations, actions, rewards, terminated, seed), history)


def take_over(
    task: Task, env: DomainEnv, expert: Expert, before: DomainEnv, first: Expert, seed: int, goal: Goal, noise: float
) -> Continuation | None:
    """Runs `handing_over` with the experts' own actions and noise (see `rollout`); None too if it ends unsolved."""
    rng = np.random.default_rng([seed, 4])
    run = handing_over(task, env, expert, before, first, seed, goal, None, rng)
    try:
        step = next(run)
        while True:
            step = run.send(disturbed(env, step.label, noise, rng))
    except StopIteration as end:
        found: Continuation | None = end.value
    return None if found is None or found.episode.success is False else found


def _episode(
    task: Task,
    env: DomainEnv,
    observations: list[Observation],
    actions: list[np.ndarray],
    rewards: list[float],
    terminated: bool,
    seed: int,
) -> Episode:
    return Episode(
        task=task.id,
        observations={key: np.stack([np.asarray(o[key]) for o in observations]) for key in observations[0]},
        actions=np.stack(actions),
        rewards=np.array(rewards, np.float32),
        terminated=terminated,
        truncated=not terminated,
        seed=seed,
        goal=env.goal,
        success=bool(env.success) if task.has_success else None,
    )
