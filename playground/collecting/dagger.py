"""DAgger (Ross, Gordon and Bagnell, 2011): the agent acts, the expert labels every state that it gets into.

A clone of perfect episodes alone never learns what to do after its own small errors. The expert takes over for a
stretch now and then, which shows how one comes back from there.

Chance may drive in the agent's place. A body that always moves to where its expert sends it teaches a clone to go on
as it moves; pushed about at random, it teaches to look where it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from playground import domains
from playground.agent import BatchAgent
from playground.collecting.rollouts import random_action
from playground.collecting.swapping import ROUNDS, Pair, drive_swaps
from playground.collecting.takeover import mates
from playground.demonstrations import PackedTask, default_root, packed_tasks
from playground.demonstrations.packed import write_shard
from playground.environment import DomainEnv
from playground.episode import Episode
from playground.errors import BadFileError, BadValueError, PlaygroundError
from playground.model import GeneralistModel, load_model
from playground.parallel import Workers, raise_failures, run_with_progress
from playground.prompt import Prompt
from playground.task import TRAIN_SEEDS, Action, Observation, Task

WORLDS = 16
"""Worlds of one task that are stepped together, and episodes of a shard."""

DRIVEN = {"babyai": 600}
DRIVEN_ELSEWHERE = 300
"""Domain -> steps after which the agent drives no more. A body that goes wrong has gone wrong by then; in a maze one is
lost for much longer."""

RESCUE = {"babyai": 400}
RESCUE_ELSEWHERE = 150
"""Domain -> further steps, at most, in which the expert may still solve the task; an episode that it cannot save is
left out.

There are states that an expert knows no way out of, and what it does there is nothing to learn.
"""

STRETCH = (10, 60)
"""Least and most steps between two changes of who drives."""

EXPERT_DRIVES = 0.25
"""Share of the stretches in which the expert drives."""

LED = 0.5
LEAD = 200
"""Share of the episodes that the expert leads, and for how many steps at most.

An agent that cannot swing a pole up would never drive where it is to be balanced.
"""

CHANCE = "random"
"""Given in place of a checkpoint: random actions drive, each held for a stretch."""

FIRST_SEED = 900_000
"""Training seeds from here on are for worlds that the agent drives in."""


@dataclass(frozen=True)
class _Job:
    task: str
    checkpoint: str | None
    root: Path
    seed: int
    swaps: bool


def dagger(
    tasks: str,
    checkpoint: str | Path | None = None,
    episodes: int = 48,
    seed: int = 0,
    root: Path | None = None,
    workers: Workers | None = None,
    swaps: bool = False,
) -> None:
    """Lets an agent drive on tasks that have collected demonstrations, and adds shards with the expert's labels.

    Args:
        tasks: glob of task ids, several separated by commas.
        checkpoint: of the agent that drives; the shipped one by default. `CHANCE` lets random actions drive.
        episodes: per task, rounded up to full shards. Shards that exist are not collected again.
        seed: of the first world, counted from `FIRST_SEED`; another one adds to what is there.
        root: where the demonstrations lie; a cache folder of the user's by default.
        workers: processes, or a cluster's address; all cores by default.
        swaps: whether each prompt is swapped on the way for one of another task or goal of the scene; tasks without
            company are left out.

    Raises:
        BadFileError: none of the tasks has demonstrations to prompt with (and company, if prompts are swapped).
        BadValueError: chance is to have its prompts swapped, or there are not as many seeds.
        PlaygroundError: some tasks failed; all others were collected before this is raised.
    """
    root = root or default_root()
    if swaps and checkpoint == CHANCE:
        raise BadValueError("random actions follow no prompt that could be swapped; give a checkpoint")
    last = TRAIN_SEEDS.stop - FIRST_SEED - WORLDS * -(-episodes // WORLDS)
    if not 0 <= seed <= last:
        raise BadValueError(f"the first world's seed is {seed}, of {episodes} episodes; give 0 to {last}")
    packed = packed_tasks(root)
    found = [id for id in domains.matching(packed, tasks) if not swaps or _company(id, packed)]
    if not found:
        raise BadFileError(f"{root}: no demonstrations of {tasks} to prompt the agent with; collect them first")
    folder = None if checkpoint is None else str(checkpoint)
    seeds = range(FIRST_SEED + seed, FIRST_SEED + seed + episodes, WORLDS)
    jobs = [_Job(id, folder, root, first, swaps) for id in found for first in seeds]
    jobs = [job for job in jobs if not _place(job).exists()]
    raise_failures(run_with_progress(_work, jobs, workers, lambda job, _: ""), len(found))


def _company(id: str, packed: Sequence[str]) -> list[str]:
    """The tasks with demonstrations whose prompts can come before this one's."""
    return [mate.id for mate in mates(domains.task(id)) if mate.id in packed]


def _place(job: _Job) -> Path:
    kind = "swapped" if job.swaps else "chance" if job.checkpoint == CHANCE else "dagger"
    return job.root / job.task / f"{kind}-{job.seed:06d}"


def _work(job: _Job) -> None:
    """The job of one worker process."""
    task = domains.task(job.task)
    packed = PackedTask.open(job.root, job.task)
    rng = np.random.default_rng(job.seed)
    histories: list[int] = []
    if job.swaps:
        company = [PackedTask.open(job.root, id) for id in _company(job.task, packed_tasks(job.root))]
        pairs = [Pair.make(packed, company[rng.integers(len(company))]) for _ in range(WORLDS // ROUNDS)]
        try:
            found = drive_swaps(pairs, load_model(job.checkpoint), job.seed, STRETCH, EXPERT_DRIVES)
        finally:
            for pair in pairs:
                pair.close()
        if not found:
            raise PlaygroundError(f"{task.id}: no prompt could be swapped for one of it; leave this task out")
        episodes, histories = [c.episode for c in found], [c.history for c in found]
    else:
        choices = packed.demonstrations
        prompts = [packed.prompt(int(e)) for e in rng.choice(choices, WORLDS)]
        envs = [task.make(64) for _ in range(WORLDS)]
        model = None if job.checkpoint == CHANCE else load_model(job.checkpoint)
        try:
            episodes = drive(task, envs, model, prompts, job.seed)
        finally:
            for env in envs:
                env.close()
        if not episodes:
            raise PlaygroundError(f"{task.id}: the expert could save no episode; leave this task out")
    write_shard(_place(job), episodes, task.hidden_goal, WORLDS, is_demonstration=False, loss_start=histories)


def drive(
    task: Task, envs: Sequence[DomainEnv], model: GeneralistModel | None, prompts: Sequence[Prompt], seed: int
) -> list[Episode]:
    """One episode in each environment, driven by the agent and, by turns, the expert; the actions are the expert's.

    Returns those that came to an end, or that have none; see `RESCUE`.

    Args:
        task: what `envs` are of.
        envs: B environments.
        model: the agent's network; None: random actions, held until the next change of who drives.
        prompts: B demonstrations; each gives its environment the goal, where it is hidden.
        seed: of the first environment's world (of `TRAIN_SEEDS`); the others' follow.
    """
    assert seed + len(envs) <= TRAIN_SEEDS.stop
    rng = np.random.default_rng([seed, 2])
    experts = [task.make_expert(env) for env in envs]
    agent = None
    if model is not None:
        agent = BatchAgent.for_worlds(model, envs)
        agent.condition(prompts, range(len(envs)))
    observations: list[list[Observation]] = []
    for i, (env, expert, prompt) in enumerate(zip(envs, experts, prompts, strict=True)):
        observations.append([env.reset(seed=seed + i, options={"goal": prompt.goal} if task.hidden_goal else None)[0]])
        expert.reset()
    labels: list[list[Action]] = [[] for _ in envs]
    rewards: list[list[float]] = [[] for _ in envs]
    by_expert = rng.random(len(envs)) < LED
    until = rng.integers(*STRETCH, len(envs))
    until[by_expert] = rng.integers(1, LEAD + 1, by_expert.sum())
    running = list(range(len(envs)))
    held = [random_action(env, rng) for env in envs]
    driven = DRIVEN.get(task.domain, DRIVEN_ELSEWHERE)
    rescue = RESCUE.get(task.domain, RESCUE_ELSEWHERE) if task.has_success else 0
    for t in range(min(task.max_steps, driven + rescue)):
        if t == driven:
            agent, until, by_expert = None, np.zeros_like(until), np.ones_like(by_expert)
        decisions = [] if agent is None else agent.act([observations[i][-1] for i in running], running)
        proposed = dict(zip(running, (decision.action for decision in decisions), strict=False))
        still = []
        for i in running:
            if t == until[i]:
                by_expert[i] = rng.random() < EXPERT_DRIVES
                until[i] = t + rng.integers(*STRETCH)
                held[i] = random_action(envs[i], rng)
            label = experts[i].act(observations[i][-1])
            action = proposed.get(i, held[i])
            executed = label if by_expert[i] else np.clip(action, -1, 1) if label.ndim else action
            observation, reward, terminated, truncated, _ = envs[i].step(executed)
            observations[i].append(observation)
            labels[i].append(label)
            rewards[i].append(float(reward))
            if not (terminated or truncated or (task.has_success and envs[i].success)):
                still.append(i)
        running = still
        if not running:
            break
    episodes = [
        Episode(
            task=task.id,
            observations={key: np.stack([np.asarray(o[key]) for o in seen]) for key in seen[0]},
            actions=np.stack(labels[i]),
            rewards=np.array(rewards[i], np.float32),
            truncated=True,
            seed=seed + i,
            goal=env.goal,
            success=bool(env.success) if task.has_success else None,
        )
        for i, (env, seen) in enumerate(zip(envs, observations, strict=True))
    ]
    return [e for i, e in enumerate(episodes) if not (task.has_success and i in running)]
