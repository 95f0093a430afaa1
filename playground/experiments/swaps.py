"""Episodes of prompt swap: a prompt that is swapped on the way, and a shadow that tells whether it was followed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from playground.agent import BatchAgent
from playground.domains.scenes import GoalMonitor, ShadowedEnv, ShadowEnvironment
from playground.environment import DomainEnv
from playground.events import BatchPolicy, Decision, StepEvent
from playground.model import GeneralistModel
from playground.prompt import Prompt
from playground.rollout import EpisodeSpec, Rollout
from playground.task import Action, Expert, Goal, Observation, Task


@dataclass(frozen=True)
class SwapSpec(EpisodeSpec):
    """What an episode begins with, and what its prompt is swapped for.

    Attributes:
        shadow_goal: goal of the shadow environment, if there is one.
        second: the prompt that the first is swapped for when the environment's task is done, or half of the time is
            over.
        swapped: whether there is a second phase.
        judged: whether the shadow counts. It does not where the prompt's task is done from the start: then only whether
            the environment's is done all the same is worth knowing.
    """

    shadow_goal: Goal = None
    second: Prompt | None = None
    swapped: bool = False
    judged: bool = True


@dataclass(frozen=True)
class SwapRecord:
    """What became of one episode.

    Attributes:
        score: of the environment's task: 1 or 0 where it defines success, else the return.
        steps: actions executed.
        did_world: whether the environment's task was done (in the first phase, if there are two).
        did_prompt: whether the shadow's task was done (in the last phase). None without a shadow that counts, and where
            it was being done before the swap: the reacher that stays in the small target is in the large one.
        swapped_at: step of the swap, if any.
    """

    score: float
    steps: int
    did_world: bool
    did_prompt: bool | None
    swapped_at: int | None


class ComparedAgent:
    """The agent, and at every step what it would have done under other prompts after the same episode.

    Args:
        model: the agent's network.
        envs: B environments.
        others: gives an episode's other prompts by name; equal names for all episodes.

    Attributes:
        divergences: the episode's seed -> name of the other prompt -> Kullback-Leibler divergence of its action
            distribution from the agent's own at every step, bits, mean over the action's tokens.
    """

    def __init__(
        self,
        model: GeneralistModel,
        envs: Sequence[DomainEnv],
        others: Callable[[EpisodeSpec], Mapping[str, Prompt | None]],
    ):
        self._make = partial(BatchAgent.for_worlds, model, envs)
        self._agent = self._make()
        self._compared: dict[str, BatchAgent] = {}
        self._others = others
        self._seeds = [-1] * len(envs)
        self.divergences: dict[int, dict[str, list[float]]] = {}

    def begin(self, row: int, spec: EpisodeSpec) -> None:
        """Tells which episode begins in a row."""
        self._seeds[row] = spec.seed
        for name, prompt in self._others(spec).items():
            agent = self._compared.setdefault(name, self._make())
            agent.condition([prompt], [row])

    def condition(self, prompts: Sequence[Prompt | None], rows: Sequence[int]) -> None:
        """Gives the agent itself its prompts."""
        self._agent.condition(prompts, rows)

    def reset(self, rows: Sequence[int]) -> None:
        """Forgets these rows' live steps, under all prompts."""
        for agent in (self._agent, *self._compared.values()):
            agent.reset(rows)

    def act(self, observations: Sequence[Observation], rows: Sequence[int]) -> list[Decision]:
        """Acts under its own prompts, and notes how far the others are from it."""
        own = self._agent.act(observations, rows)
        for name, agent in self._compared.items():
            for row, decision, other in zip(rows, own, agent.act(observations, rows), strict=True):
                bits = _divergence(decision, other)
                self.divergences.setdefault(self._seeds[row], {}).setdefault(name, []).append(bits)
        return own

    def commit(self, actions: Sequence[Action], rows: Sequence[int]) -> None:
        """Changes nothing, as for the agent."""


def _divergence(one: Decision, other: Decision) -> float:
    """Kullback-Leibler divergence of `other` from `one`, bits, mean over the action's tokens."""
    assert one.probabilities is not None and other.probabilities is not None
    p, q = (np.clip(d.astype(np.float64), 1e-12, 1) for d in (one.probabilities, other.probabilities))
    p, q = p / p.sum(-1, keepdims=True), q / q.sum(-1, keepdims=True)
    return float((p * np.log2(p / q)).sum(-1).mean())


class PromptExperts:
    """The expert of what the prompt shows: the ceiling of following.

    Args:
        experts: of the environments' task, one per row.
        shadows: the shadows, and experts of their task.
        at_once: whether the shadows' experts act from the start, rather than from the swap on.
    """

    def __init__(self, experts: Sequence[Expert], shadows: Sequence[tuple[ShadowEnvironment, Expert]], at_once: bool):
        self._experts, self._shadows, self._at_once = experts, shadows, at_once
        self._second = [at_once] * len(experts)

    def condition(self, prompts: Sequence[Prompt | None], rows: Sequence[int]) -> None:
        """Lets the shadows' experts take over."""
        for row in rows:
            self._second[row] = True
            self._shadows[row][1].reset()

    def reset(self, rows: Sequence[int]) -> None:
        """Begins an episode."""
        for row in rows:
            self._second[row] = self._at_once
            self._experts[row].reset()

    def act(self, observations: Sequence[Observation], rows: Sequence[int]) -> list[Decision]:
        """What the expert of each row's prompt does."""
        actions = []
        for row, observation in zip(rows, observations, strict=True):
            shadow, expert = self._shadows[row]
            second = self._second[row]
            actions.append(expert.act(shadow.observation) if second else self._experts[row].act(observation))
        return [Decision(action) for action in actions]

    def commit(self, actions: Sequence[Action], rows: Sequence[int]) -> None:
        """Changes nothing: experts look into the simulator."""


def play(task: Task, specs: Sequence[SwapSpec], envs: Sequence[ShadowedEnv], policy: BatchPolicy) -> list[SwapRecord]:
    """Plays every episode, as many at a time as there are environments.

    An episode goes on until the prompt's task is done, or the time is over: what else was done on the way is noted.

    Args:
        task: what the environments are of.
        specs: the episodes.
        envs: B environments, with shadows or without.
        policy: who acts.
    """
    limit = min(task.horizons.prompt, task.max_steps)
    waiting = iter(specs)
    judges: dict[int, _Judge] = {}
    records: dict[int, SwapRecord] = {}

    def draw(row: int) -> SwapSpec | None:
        spec = next(waiting, None)
        if spec is not None:
            envs[row].shadow_goal = spec.shadow_goal
            judges[row] = _Judge(spec, envs[row], limit)
            if isinstance(policy, ComparedAgent):
                policy.begin(row, spec)
        return spec

    run = Rollout(envs, draw, policy, task)
    for row, event in run:
        if event.t == 0:
            continue
        if judges[row].swaps(event):
            run.swap(row, judges[row].spec.second)
        elif (record := judges[row].record(event)) is not None:
            records[event.episode] = record
            run.end(row)
    return [records[number] for number in range(len(specs))]


class _Judge:
    """Tells what was done in one episode.

    Args:
        spec: the episode.
        env: where it is played.
        limit: steps for each prompt.
    """

    def __init__(self, spec: SwapSpec, env: ShadowedEnv, limit: int):
        self.spec, self._env, self._limit = spec, env, limit
        self._swapped_at: int | None = None
        self._did_world = False
        self._was_being_done = False  # what the second prompt shows, at the swap

    def swaps(self, event: StepEvent) -> bool:
        """Whether the prompt is to be swapped now."""
        if not self.spec.swapped or self._swapped_at is not None:
            return False
        env, shadow = self._env, self._shadow
        swaps = env.monitor.done or event.t >= self._limit // 2 or env.ended
        if swaps:
            self._did_world, self._swapped_at = env.monitor.done, event.t
            self._was_being_done = shadow.monitor.done
        if swaps or (shadow.monitor.task.has_success and not shadow.ended):
            shadow.monitor.restart(shadow.env)  # what was done and undone counts no longer; rewards are recent anyway
        return swaps

    def record(self, event: StepEvent) -> SwapRecord | None:
        """What became of the episode, if it is over."""
        if self.spec.swapped and self._swapped_at is None:
            return None
        if not self.spec.swapped:
            self._did_world = self._env.monitor.done
        shadow = None if self._env.shadow is None or not self.spec.judged or self._was_being_done else self._shadow
        if not self._is_over(event, shadow):
            return None
        score = event.total_reward if event.success is None else float(event.success)
        followed = None if shadow is None else _followed(self._env.monitor, shadow.monitor, self.spec.swapped)
        return SwapRecord(score, event.t, self._did_world, followed, self._swapped_at)

    @property
    def _shadow(self) -> ShadowEnvironment:
        assert self._env.shadow is not None
        return self._env.shadow

    def _is_over(self, event: StepEvent, shadow: ShadowEnvironment | None) -> bool:
        if event.t - (self._swapped_at or 0) >= self._limit:
            return True
        if shadow is None:
            return self._env.ended or (self._env.monitor.task.has_success and self._env.monitor.done)
        return shadow.ended or (shadow.monitor.task.has_success and shadow.monitor.done)


def _followed(world: GoalMonitor, shadow: GoalMonitor, swapped: bool) -> bool:
    """Whether the shadow's task is what was done; where one behaviour may do both, rather than the environment's.

    One may where neither task defines success. After a swap that has been seen already: what the first prompt brought
    about did not do the shadow's task.
    """
    by_rewards = not (shadow.task.has_success or world.task.has_success)
    return shadow.done and (swapped or not by_rewards or shadow.share > world.share)
