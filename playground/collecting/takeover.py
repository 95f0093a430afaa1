"""Expert takeovers: an expert goes on in the middle of another task's or goal's episode, in the same environment.

They teach an agent whose prompt is swapped what to do in states, and after a history, that its new goal never led to.
The first expert's part is context only; the second's part is learnt, under the second task and goal.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from playground import domains
from playground.collecting.experts import NoisyExpert
from playground.demonstrations.packed import PackedTask, default_root, packed_tasks, write_shard
from playground.domains.scenes import ShadowedEnv, ShadowEnvironment, scenes
from playground.environment import DomainEnv
from playground.episode import Episode
from playground.errors import BadFileError, BadValueError, PlaygroundError
from playground.events import StepEvent, episode_from_events
from playground.parallel import Workers, raise_failures, run_with_progress
from playground.rollout import EpisodeSpec, IndependentPolicies, Rollout
from playground.settings import check_range
from playground.task import TRAIN_SEEDS, Action, Expert, Goal, Observation, Task

FIRST_SEED = 800_000
"""Training seeds from here on are for expert takeovers."""

LAST_SEED = 900_000
"""From here on seeds are for other purposes."""

SEEDS_PER_EPISODE = 40
"""Seeds set aside for each episode; no task's `takeover_tries` may be more."""


@dataclass(frozen=True)
class TakeoverSettings:
    """How expert takeovers are collected; what differs between tasks is in `playground.task.Horizons`.

    Attributes:
        shard_episodes: episodes of a shard.
        second_steps: steps after a takeover, at most.
        min_second_steps: steps that the second expert needs at least where success is defined; with fewer there was
            nothing to do.
        give_up_after: episodes after which a task is given up if none of them ended well.
        noise: mixed evenly over the episodes (see `NoisyExpert`).
    """

    shard_episodes: int = 50
    second_steps: int = 200
    min_second_steps: int = 2
    give_up_after: int = 10
    noise: tuple[float, ...] = (0.0, 0.05, 0.1)

    def __post_init__(self) -> None:
        names = ("shard_episodes", "second_steps", "min_second_steps", "give_up_after")
        check_range(self, names, 1, label="takeovers")
        if not self.noise or min(self.noise) < 0:
            raise BadValueError(f"takeovers.noise is {self.noise}; give one or more numbers from 0 on")


@dataclass(frozen=True)
class Takeover:
    """An episode whose first `loss_start` actions belong to another task or goal of the scene."""

    episode: Episode
    loss_start: int


class HandoverEnv(ShadowedEnv):
    """Two tasks' environments as one: the first task is done up to a random step, the second from there on.

    Both get every action. Observations are the first's until it ends, as an agent sees them whose prompt is swapped.
    Goal, success, reward and end are the second's; the episode also ends some steps after success, as a demonstration
    does.

    Args:
        first_task: what `first_env` is of.
        first_env: the environment that is reset; `EpisodeSpec.goal` is its goal.
        task: what `env` is of.
        env: enters the state of `first_env`, and judges the second part; `shadow_goal` is its goal.
        settings: how long the second part may be.
    """

    def __init__(self, first_task: Task, first_env: DomainEnv, task: Task, env: DomainEnv, settings: TakeoverSettings):
        self.second = ShadowEnvironment(task, env)
        super().__init__(first_env, self.second, first_task)
        self._task, self._settings = task, settings
        self.rng = np.random.default_rng()
        """Draws the step of the takeover; to be set before each reset."""
        self.takeover = 0
        """Step of the takeover."""
        self.was_idle = False
        """Whether the second expert had nothing to do."""
        self._t = self._solved_steps = 0
        self._first_solved = False

    @property
    def is_second(self) -> bool:
        """Whether the takeover has happened."""
        return self._t >= self.takeover

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Resets the first environment and draws the step of the takeover.

        Raises:
            BadValueError: the second goal cannot be set there, or is the first one's.
        """
        observation, info = super().reset(seed=seed, options=options)
        if self.env.goal is not None and self.env.goal == self.shadow_goal:
            raise BadValueError(f"goals are both {self.shadow_goal!r}; give two")
        self.takeover = int(self.rng.integers(1, self._task.horizons.takeover))
        self._t = self._solved_steps = 0
        self._first_solved = self.was_idle = False
        self.goal, self.success = self.second.env.goal, self.second.env.success
        return observation, info

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Steps both; a first task that is done hands over some steps later."""
        observation, *_ = super().step(action)
        second, t = self.second, self._t
        if not self._first_solved and t < self.takeover and (self.ended or self.env.success):
            self._first_solved = True
            held = 0 if self.ended else int(self.rng.integers(self._task.hold_steps + 1))
            self.takeover = min(self.takeover, t + 1 + held)
        if self._task.has_success and second.env.success and t >= self.takeover:
            self._solved_steps += 1
            self.was_idle = t < self.takeover + self._settings.min_second_steps
        is_last = t - self.takeover + 1 == self._settings.second_steps
        truncated = second.truncated or is_last or self.was_idle or self._solved_steps > self._task.hold_steps
        self._t += 1
        if self._t == self.takeover:
            second.env.success = False  # by the first expert, or from the start
        self.success = second.env.success
        return observation, second.reward, second.terminated, truncated, {}

    def result(self, events: list[StepEvent]) -> Takeover | None:
        """What the events of the episode that has just ended amount to; None if the second expert did nothing."""
        if self.was_idle or len(events) - 1 <= self.takeover:
            return None
        return Takeover(episode_from_events(self._task.id, events, labels=True), self.takeover)


class HandoverExpert:
    """The expert whose turn it is: the first task's up to the takeover, then the second's."""

    def __init__(self, env: HandoverEnv, first: Expert, second: Expert):
        self._env, self._first, self._second = env, first, second
        self._took_over = False

    def reset(self) -> None:
        """Begins with the first expert."""
        self._first.reset()
        self._took_over = False

    def act(self, observation: Observation) -> Action:
        """What that expert does."""
        if not self._env.is_second:
            return self._first.act(observation)
        if not self._took_over:
            self._second.reset()
            self._took_over = True
        return self._second.act(self._env.second.observation)


def siblings(task: Task) -> list[Task]:
    """The scene siblings of a task: those whose expert its own can take over from, itself too where goals are hidden.

    None where the observation says what is to be done: there no prompt is followed.
    """
    sharing = scenes(domains.tasks(f"{task.domain}/*")).get(task.scene, ())
    return [other for other in sharing if other != task or task.hidden_goal]


@dataclass(frozen=True)
class _Job:
    task: str
    root: Path
    seed: int
    settings: TakeoverSettings

    @property
    def folder(self) -> Path:
        return self.root / self.task / f"continued-{self.seed:06d}"


def collect_takeovers(
    tasks: str = "*",
    episodes: int = 200,
    seed: int = 0,
    root: Path | None = None,
    workers: Workers | None = None,
    settings: TakeoverSettings | None = None,
) -> None:
    """Adds shards with expert takeovers to tasks that have demonstrations and share their scene, and shows progress.

    Args:
        tasks: glob of task ids, several separated by commas; those without scene siblings are left out.
        episodes: per task, rounded up to full shards. Shards that exist are not collected again.
        seed: of the first episode, counted from `FIRST_SEED`; another one adds to what is there.
        root: where the demonstrations lie; a cache folder of the user's by default.
        workers: processes, or a cluster's address; all cores by default.
        settings: how; the defaults if left out.

    Raises:
        BadFileError: none of the tasks has demonstrations and scene siblings.
        BadValueError: there are not as many seeds.
        PlaygroundError: some tasks failed; all others were collected before this is raised.
    """
    root, settings = root or default_root(), settings or TakeoverSettings()
    found = [id for id in domains.matching(packed_tasks(root), tasks) if siblings(domains.task(id))]
    if not found:
        raise BadFileError(f"{root}: no demonstrations of {tasks} that share a scene; collect them first")
    most = (LAST_SEED - FIRST_SEED - seed) // SEEDS_PER_EPISODE
    if episodes > most:
        raise BadValueError(f"{episodes} episodes per task from seed {seed} on; give at most {most}")
    shard = settings.shard_episodes
    seeds = range(FIRST_SEED + seed, FIRST_SEED + seed + episodes * SEEDS_PER_EPISODE, shard * SEEDS_PER_EPISODE)
    jobs = [_Job(id, root, first, settings) for first in seeds for id in found]
    jobs = [job for job in jobs if not job.folder.exists()]
    failures = run_with_progress(_work, jobs, workers, lambda job, kept: f"{job.task}: {kept} of {shard} kept")
    raise_failures(failures, len(found))


def _work(job: _Job) -> int:
    """The job of one worker process; returns the number of episodes."""
    task, settings = domains.task(job.task), job.settings
    kept = takeover_episodes(task, PackedTask.open(job.root, job.task), job.seed, settings)
    if not kept:
        raise PlaygroundError("no takeover ended well; leave this task out")
    episodes = [takeover.episode for takeover in kept]
    loss_starts = [takeover.loss_start for takeover in kept]
    planned = settings.shard_episodes
    write_shard(job.folder, episodes, task.hidden_goal, planned, is_demonstration=False, loss_start=loss_starts)
    return len(kept)


def takeover_episodes(task: Task, packed: PackedTask, seed: int, settings: TakeoverSettings) -> list[Takeover]:
    """Episodes in which the task's expert takes over from one of its siblings'.

    Args:
        task: what is done after the takeover.
        packed: its demonstrations, for goals.
        seed: of the first episode; each has `SEEDS_PER_EPISODE`.
        settings: how many episodes, and how.
    """
    goals = [packed.prompt(int(e)).goal for e in packed.demonstrations] if task.hidden_goal else [None]
    rng = np.random.default_rng([seed, 3])
    env = task.make(64)
    expert = task.make_expert(env)
    firsts = [(first, made := first.make(64), first.make_expert(made)) for first in siblings(task)]
    kept: list[Takeover] = []
    try:
        for number in range(settings.shard_episodes):
            if number == settings.give_up_after and not kept:
                break
            goal = goals[rng.integers(len(goals))]
            own = seed + number * SEEDS_PER_EPISODE
            for one in range(own, own + task.takeover_tries):
                assert one in TRAIN_SEEDS
                first_task, first_env, first = firsts[rng.integers(len(firsts))]
                handover = HandoverEnv(first_task, first_env, task, env, settings)
                noise = settings.noise[number % len(settings.noise)]
                found = take_over(handover, HandoverExpert(handover, first, expert), one, goal, noise)
                if found is not None:
                    kept.append(found)
                    break
    finally:
        for made in (env, *(made for _, made, _ in firsts)):
            made.close()
    return kept


def take_over(env: HandoverEnv, expert: HandoverExpert, seed: int, goal: Goal, noise: float) -> Takeover | None:
    """Plays one episode with the experts' own actions and noise.

    Args:
        env: both environments.
        expert: both experts.
        seed: of the start, the takeover and the noise.
        goal: of the second task.
        noise: see `NoisyExpert`.

    Returns:
        The episode; None if the second task cannot be set there, was done already, or ends unsolved.
    """
    env.rng = np.random.default_rng([seed, 4])
    env.shadow_goal = goal
    policy = IndependentPolicies([NoisyExpert(env, expert, noise, env.rng)])
    task = env.second.monitor.task
    events = [event for _, event in Rollout([env], [EpisodeSpec(seed)], policy, task, skip_impossible=True)]
    found = env.result(events) if events else None
    return None if found is None or found.episode.success is False else found
