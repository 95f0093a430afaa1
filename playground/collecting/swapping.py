"""Corrections of swapped prompts: the agent goes on after the swap, from where the first prompt has led it.

The experts of both prompts label what it meets, as in `playground.collecting.corrections`. What came before the swap is
context only.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from playground import domains
from playground.agent import BatchAgent
from playground.collecting.corrections import DaggerSettings
from playground.collecting.takeover import HandoverEnv, HandoverExpert, Takeover, TakeoverSettings
from playground.demonstrations import PackedTask
from playground.environment import DomainEnv
from playground.events import BatchPolicy, Decision, StepEvent
from playground.model import GeneralistModel
from playground.prompt import Prompt
from playground.rollout import EpisodeSpec, Rollout
from playground.task import Action, Observation, Task


@dataclass(frozen=True)
class Pair:
    """Two environments of a scene, whose prompts follow each other.

    Attributes:
        first_task, first_env, first_prompts: what begins, and its demonstrations.
        task, env, prompts: what the prompt is swapped for.
    """

    first_task: Task
    first_env: DomainEnv
    first_prompts: PackedTask
    task: Task
    env: DomainEnv
    prompts: PackedTask

    @classmethod
    def make(cls, first: PackedTask, second: PackedTask) -> "Pair":
        """Builds the environments of two tasks."""
        first_task, task = domains.task(first.task), domains.task(second.task)
        return cls(first_task, first_task.make(64), first, task, task.make(64), second)

    def close(self) -> None:
        """Closes both environments."""
        self.env.close()
        self.first_env.close()


class SwapCorrectedAgent:
    """A batch policy in which agent and experts act by turns after a swap; the experts label every decision.

    Args:
        agent: the agent.
        envs: B environments.
        experts: their experts.
        settings: who acts when.
        rng: draws who acts when.
    """

    def __init__(
        self,
        agent: BatchPolicy,
        envs: Sequence[HandoverEnv],
        experts: Sequence[HandoverExpert],
        settings: DaggerSettings,
        rng: np.random.Generator,
    ):
        self._agent, self._envs, self._experts, self._settings, self._rng = agent, envs, experts, settings, rng
        self._t = [0] * len(envs)
        self._until = [-1] * len(envs)
        self._expert_acts = [False] * len(envs)

    def condition(self, prompts: Sequence[Prompt | None], rows: Sequence[int]) -> None:
        """Gives the agent its prompts."""
        self._agent.condition(prompts, rows)

    def reset(self, rows: Sequence[int]) -> None:
        """Begins with the first prompt's expert or the agent."""
        self._agent.reset(rows)
        for row in rows:
            self._experts[row].reset()
            self._t[row] = 0

    def act(self, observations: Sequence[Observation], rows: Sequence[int]) -> list[Decision]:
        """What is executed in each of these rows, labelled."""
        for row in rows:
            self._draw(row)
        decisions = []
        for row, own, observation in zip(rows, self._agent.act(observations, rows), observations, strict=True):
            label = self._experts[row].act(observation)
            action = np.clip(own.action, -1, 1).astype(np.float32) if label.ndim else own.action
            decisions.append(Decision(label if self._expert_acts[row] else action, label=label))
            self._t[row] += 1
        return decisions

    def commit(self, actions: Sequence[Action], rows: Sequence[int]) -> None:
        """Tells the agent what was executed."""
        self._agent.commit(actions, rows)

    def _draw(self, row: int) -> None:
        """Decides who acts in a row now."""
        env, t = self._envs[row], self._t[row]
        if t == 0:
            self._expert_acts[row], self._until[row] = self._rng.random() < self._settings.swap_expert_share, -1
        if not env.is_second:
            return
        if t >= self._until[row]:  # the agent begins
            self._expert_acts[row] = self._until[row] >= 0 and self._rng.random() < self._settings.expert_share
            self._until[row] = t + int(self._rng.integers(*self._settings.switch_interval))
        self._expert_acts[row] |= t - env.takeover >= self._settings.swap_agent_steps


class _Row:
    """The episodes of one pair: the next one begins when the last one went through, or was tried often enough."""

    def __init__(self, pair: Pair, seed: int, settings: DaggerSettings):
        self.pair = pair
        self.env = HandoverEnv(pair.first_task, pair.first_env, pair.task, pair.env, TakeoverSettings())
        first, second = pair.first_task.make_expert(pair.first_env), pair.task.make_expert(pair.env)
        self.expert = HandoverExpert(self.env, first, second)
        self.found: Takeover | None = None
        self._prompts: tuple[Prompt, Prompt]
        self.events: list[StepEvent] = []
        self._specs = self._all_specs(seed, settings.swaps_per_world)

    def next_spec(self) -> EpisodeSpec | None:
        return next(self._specs, None)

    def take(self, event: StepEvent) -> Prompt | None:
        """Notes an event; returns the second prompt where it is to be shown from now on."""
        if event.t == 0:
            self.events = []
        self.events.append(event)
        if event.done:
            self.found = self.env.result(self.events)
        return self._prompts[1] if event.t and event.t == self.env.takeover else None

    def _all_specs(self, seed: int, rounds: int) -> Iterator[EpisodeSpec]:
        pair, tries = self.pair, self.pair.task.takeover_tries
        for first in range(seed, seed + rounds * tries, tries):
            for own in range(first, first + tries):
                rng = np.random.default_rng([own, 5])
                one, two = (
                    packed.prompt(int(rng.choice(packed.demonstrations)))
                    for packed in (pair.first_prompts, pair.prompts)
                )
                self._prompts = (one, two)
                self.env.rng, self.found = rng, None
                self.env.shadow_goal = two.goal if pair.task.hidden_goal else None
                yield EpisodeSpec(own, one.goal if pair.first_task.hidden_goal else None, one)
                if self.found is not None:
                    break


def corrected_swaps(
    pairs: Sequence[Pair],
    model: GeneralistModel,
    seed: int,
    settings: DaggerSettings,
    watch: Callable[[list[StepEvent], int], None] = lambda events, takeover: None,
) -> list[Takeover]:
    """Some episodes of each pair, one forward pass for all of them a step; what ends unsolved is left out.

    Args:
        pairs: B pairs of one form of observation and action.
        model: the agent's network.
        seed: of the first pair's first episode (of `TRAIN_SEEDS`); the others' follow, `Task.takeover_tries` for each.
        settings: who acts when.
        watch: called with the events of every episode and the step of its swap, those that are left out included.
    """
    each = settings.swaps_per_world * pairs[0].task.takeover_tries
    rows = [_Row(pair, seed + i * each, settings) for i, pair in enumerate(pairs)]
    envs = [row.env for row in rows]
    agent = BatchAgent.for_worlds(model, envs)
    rng = np.random.default_rng([seed, 6])
    policy = SwapCorrectedAgent(agent, envs, [row.expert for row in rows], settings, rng)
    kept: list[Takeover] = []
    run = Rollout(envs, lambda row: rows[row].next_spec(), policy, pairs[0].task, skip_impossible=True)
    for number, event in run:
        row = rows[number]
        second = row.take(event)
        if event.done:
            watch(row.events, row.env.takeover)
            if row.found is not None and row.found.episode.success is not False:
                kept.append(row.found)  # else what the expert did there is nothing to learn
        elif second is not None:
            run.swap(number, second)
    return kept
