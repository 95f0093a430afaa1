"""The agent acts and the expert labels every state that it gets into; now and then the expert acts for some steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from playground.agent import BatchAgent
from playground.collecting.experts import random_action
from playground.environment import DomainEnv
from playground.episode import Episode
from playground.errors import BadValueError
from playground.events import BatchPolicy, Decision, StepEvent, episode_from_events
from playground.model import GeneralistModel
from playground.prompt import Prompt
from playground.rollout import EpisodeSpec, Rollout
from playground.settings import check_range
from playground.task import TRAIN_SEEDS, Action, Expert, Observation, Task


@dataclass(frozen=True)
class DaggerSettings:
    """How an agent is corrected; what differs between tasks is in `playground.task.Horizons`.

    Attributes:
        worlds: environments of one task that are stepped together, and episodes of a shard.
        switch_interval: least and most steps between two changes of who acts.
        expert_share: share of these intervals in which the expert acts.
        warm_up_share: share of the episodes that begin with the expert. An agent that cannot swing a pole up would
            never act where it is to be balanced.
        warm_up_steps: the most steps of that beginning.
        swaps_per_world: where prompts are swapped, episodes of each environment.
        swap_agent_steps: steps after a swap from which on only the expert acts. An episode that it cannot save is left
            out.
        swap_expert_share: share of the episodes in which an expert acts up to the swap.
    """

    worlds: int = 16
    switch_interval: tuple[int, int] = (10, 60)
    expert_share: float = 0.25
    warm_up_share: float = 0.5
    warm_up_steps: int = 200
    swaps_per_world: int = 2
    swap_agent_steps: int = 80
    swap_expert_share: float = 0.5

    def __post_init__(self) -> None:
        check_range(self, ("worlds", "warm_up_steps", "swaps_per_world", "swap_agent_steps"), 1, label="dagger")
        check_range(self, ("expert_share", "warm_up_share", "swap_expert_share"), 0, 1, label="dagger")
        least, most = self.switch_interval
        if not 1 <= least < most:
            raise BadValueError(f"dagger.switch_interval is {self.switch_interval}; give two numbers of steps, 1 < 2")


class CorrectedAgent:
    """A batch policy in which agent and expert act by turns; the expert labels every decision.

    Args:
        agent: None: random actions in its place, each held until the next change of who acts.
        envs: B environments.
        task: what `envs` are of. After its `Horizons.agent` steps only the expert acts.
        settings: who acts when.
        rng: draws who acts when.
    """

    def __init__(
        self,
        agent: BatchPolicy | None,
        envs: Sequence[DomainEnv],
        task: Task,
        settings: DaggerSettings,
        rng: np.random.Generator,
    ):
        self._agent, self._envs, self._settings, self._rng = agent, envs, settings, rng
        self._horizon = task.horizons.agent
        self._experts: list[Expert] = [task.make_expert(env) for env in envs]
        self._t = np.zeros(len(envs), int)
        self._until = np.zeros(len(envs), int)
        self._expert_acts = np.zeros(len(envs), bool)
        self._held: dict[int, Action] = {}

    def condition(self, prompts: Sequence[Prompt | None], rows: Sequence[int]) -> None:
        """Gives the agent its prompts."""
        if self._agent is not None:
            self._agent.condition(prompts, rows)

    def reset(self, rows: Sequence[int]) -> None:
        """Draws who begins in these rows, and until when."""
        if self._agent is not None:
            self._agent.reset(rows)
        for row in rows:
            self._experts[row].reset()
        warm_up = self._rng.random(len(rows)) < self._settings.warm_up_share
        until = self._rng.integers(*self._settings.switch_interval, len(rows))
        until[warm_up] = self._rng.integers(1, self._settings.warm_up_steps + 1, warm_up.sum())
        self._t[rows], self._until[rows], self._expert_acts[rows] = 0, until, warm_up
        self._held |= {row: random_action(self._envs[row], self._rng) for row in rows}

    def act(self, observations: Sequence[Observation], rows: Sequence[int]) -> list[Decision]:
        """What is executed in each of these rows, labelled."""
        proposed = self._proposals(observations, rows)
        decisions = []
        for row, observation in zip(rows, observations, strict=True):
            t = self._t[row]
            if t == self._until[row] and t < self._horizon:
                self._expert_acts[row] = self._rng.random() < self._settings.expert_share
                self._until[row] = t + self._rng.integers(*self._settings.switch_interval)
                self._held[row] = random_action(self._envs[row], self._rng)
            label = self._experts[row].act(observation)
            if self._expert_acts[row] or t >= self._horizon:
                decisions.append(Decision(label, label=label))
            else:
                action = proposed.get(row, self._held[row])
                decisions.append(Decision(np.clip(action, -1, 1) if label.ndim else action, label=label))
        self._t[rows] += 1
        return decisions

    def commit(self, actions: Sequence[Action], rows: Sequence[int]) -> None:
        """Tells the agent what was executed."""
        if self._agent is not None:
            self._agent.commit(actions, rows)

    def _proposals(self, observations: Sequence[Observation], rows: Sequence[int]) -> dict[int, Action]:
        """Row -> what the agent would do, while it may."""
        if self._agent is None:
            return {}
        acting = {row: o for row, o in zip(rows, observations, strict=True) if self._t[row] < self._horizon}
        decisions = self._agent.act(list(acting.values()), list(acting)) if acting else []
        return {row: decision.action for row, decision in zip(acting, decisions, strict=True)}


def corrected_episodes(
    task: Task,
    envs: Sequence[DomainEnv],
    model: GeneralistModel | None,
    prompts: Sequence[Prompt],
    seed: int,
    settings: DaggerSettings,
    prompted: bool = True,
    watch: Callable[[list[StepEvent]], None] = lambda events: None,
) -> list[Episode]:
    """One episode in each environment, its actions the expert's labels.

    Where the task defines success, the expert gets `Horizons.recovery` steps more to solve what the agent has not;
    what it cannot save is left out. There are states that an expert knows no way out of, and what it does there is
    nothing to learn.

    Args:
        task: what `envs` are of.
        envs: B environments.
        model: the agent's network; None lets random actions act.
        prompts: B demonstrations; each gives its environment the goal, where it is hidden.
        seed: of the first environment (of `TRAIN_SEEDS`); the others' follow.
        settings: who acts when.
        prompted: False hides the prompts from the agent.
        watch: called with the events of every episode, those that are left out included.
    """
    assert seed + len(envs) <= TRAIN_SEEDS.stop
    agent = None if model is None else BatchAgent.for_worlds(model, envs)
    policy = CorrectedAgent(agent, envs, task, settings, np.random.default_rng([seed, 2]))
    specs = [
        EpisodeSpec(seed + i, prompt.goal if task.hidden_goal else None, prompt if prompted else None)
        for i, prompt in enumerate(prompts)
    ]
    limit = task.horizons.agent + (task.horizons.recovery if task.has_success else 0)
    events: list[list[StepEvent]] = [[] for _ in specs]
    run = Rollout(envs, specs, policy, task)
    for row, event in run:
        events[event.episode].append(event)
        if event.t == limit or (event.t and event.success):
            run.end(row)
    for one in events:
        watch(one)
    return [
        episode_from_events(task.id, one, labels=True)
        for one in events
        if one[-1].done or one[-1].success or not task.has_success
    ]
