"""Episodes of experiments: a prompt that is swapped on the way, and a witness that tells whether it was followed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from playground.agent import BatchAgent
from playground.domains.scenes import Watch, Witness
from playground.environment import DomainEnv
from playground.evaluation.trials import ModelActors, PolicyActors, Start
from playground.events import Decision
from playground.model import GeneralistModel
from playground.prompt import Prompt
from playground.task import Action, Expert, Goal, Observation, Task

LIMITS = {"metaworld": 250, "babyai": 30, "classic": 500}
"""Domain -> steps that the agent gets for each prompt. In a room of a few things, who wanders meets them all."""

LIMIT = 300
"""The same in other domains."""


@dataclass(frozen=True)
class Trial:
    """One episode.

    Attributes:
        start: the world's seed and goal, and the first prompt.
        aim: goal of the witness, if there is one.
        second: the prompt that the first is swapped for when the world's task is done, or half of the time is over.
        swapped: whether there is a second phase.
        judged: whether the witness counts. It does not where the prompt's task is done from the start: then only
            whether the world's is done all the same is worth knowing.
    """

    start: Start
    aim: Goal = None
    second: Prompt | None = None
    swapped: bool = False
    judged: bool = True


@dataclass(frozen=True)
class Record:
    """What became of one episode.

    Attributes:
        score: of the world's task: 1 or 0 where it defines success, else the return.
        steps: actions executed.
        did_world: whether the world's task was done (in the first phase, if there are two).
        did_prompt: whether the witness's task was done (in the last phase); None without a witness that
            counts, and where it was being done before the swap: the reacher that stays in the small target is in
            the large one.
        swapped_at: step of the swap, if any.
    """

    score: float
    steps: int
    did_world: bool
    did_prompt: bool | None
    swapped_at: int | None


class Actors(Protocol):
    """Who acts in several worlds."""

    def begin(self, rows: Sequence[int], starts: Sequence[Start]) -> None: ...

    def act(self, observations: Sequence[Observation], rows: Sequence[int]) -> list[Action]: ...

    def swap(self, row: int, prompt: Prompt | None) -> None:
        """Gives a row another prompt in the middle of its episode."""


class SwappableModel(ModelActors):
    """The agent; what it has lived through stays when its prompt is swapped."""

    def swap(self, row: int, prompt: Prompt | None) -> None:
        self._agent.condition([prompt], [row])


class ComparedModel(SwappableModel):
    """The agent, and at every step what it would have done under other prompts after the same episode.

    Attributes:
        divergences: the episode's seed -> name of the other prompt -> Kullback-Leibler divergence of its action
            distribution from the agent's own at every step, bits, mean over the action's tokens.
    """

    def __init__(
        self,
        model: GeneralistModel,
        envs: Sequence[DomainEnv],
        others: Callable[[Start], Mapping[str, Prompt | None]],
    ):
        super().__init__(model, envs)
        self._shadow = lambda: BatchAgent.for_worlds(model, envs)
        self._shadows: dict[str, BatchAgent] = {}
        self._others = others
        self._seeds = [-1] * len(envs)
        self.divergences: dict[int, dict[str, list[float]]] = {}

    def begin(self, rows: Sequence[int], starts: Sequence[Start]) -> None:
        super().begin(rows, starts)
        for row, start in zip(rows, starts, strict=True):
            self._seeds[row] = start.seed
            for name, prompt in self._others(start).items():
                shadow = self._shadows.setdefault(name, self._shadow())
                shadow.condition([prompt], [row])
                shadow.reset([row])

    def act(self, observations: Sequence[Observation], rows: Sequence[int]) -> list[Action]:
        own = self._agent.act(observations, rows)
        for name, shadow in self._shadows.items():
            for row, decision, other in zip(rows, own, shadow.act(observations, rows), strict=True):
                bits = _divergence(decision, other)
                self.divergences.setdefault(self._seeds[row], {}).setdefault(name, []).append(bits)
        return [decision.action for decision in own]


def _divergence(one: Decision, other: Decision) -> float:
    """Kullback-Leibler divergence of `other` from `one`, bits, mean over the action's tokens."""
    assert one.probabilities is not None and other.probabilities is not None
    p, q = (np.clip(d.astype(np.float64), 1e-12, 1) for d in (one.probabilities, other.probabilities))
    p, q = p / p.sum(-1, keepdims=True), q / q.sum(-1, keepdims=True)
    return float((p * np.log2(p / q)).sum(-1).mean())


class SwappablePolicies(PolicyActors):
    """A policy per world."""

    def swap(self, row: int, prompt: Prompt | None) -> None:
        self._policies[row].condition(prompt)


class Experts:
    """The expert of what the prompt shows: the ceiling of following.

    Args:
        worlds: experts of the worlds' task, one per row.
        witnesses: the witnesses and experts of their task.
        at_once: whether the witnesses' experts act from the start, rather than from the swap on.
    """

    def __init__(self, worlds: Sequence[Expert], witnesses: Sequence[tuple[Witness, Expert]], at_once: bool):
        self._worlds, self._witnesses, self._at_once = worlds, witnesses, at_once
        self._second = [at_once] * len(worlds)

    def begin(self, rows: Sequence[int], starts: Sequence[Start]) -> None:
        for row in rows:
            self._second[row] = self._at_once
            self._worlds[row].reset()
            self._witnesses[row][1].reset()

    def act(self, observations: Sequence[Observation], rows: Sequence[int]) -> list[Action]:
        actions = []
        for row, observation in zip(rows, observations, strict=True):
            witness, expert = self._witnesses[row]
            second = self._second[row]
            actions.append(expert.act(witness.observation) if second else self._worlds[row].act(observation))
        return actions

    def swap(self, row: int, prompt: Prompt | None) -> None:
        self._second[row] = True
        self._witnesses[row][1].reset()


@dataclass
class _Running:
    """A row's episode so far."""

    number: int
    observation: Observation
    total: float = 0.0
    steps: int = 0
    swapped_at: int | None = None
    did_world: bool = False
    settled: bool = False
    over: bool = False


def play(
    task: Task, trials: Sequence[Trial], worlds: Sequence[DomainEnv], witnesses: Sequence[Witness], actors: Actors
) -> list[Record]:
    """Plays every trial, as many at a time as there are worlds.

    An episode goes on until the prompt's task is done, or the time is over: what else was done on the way is noted.

    Args:
        task: what the worlds are of.
        trials: the episodes.
        worlds: B worlds.
        witnesses: one per world, or none.
        actors: who acts.
    """
    limit = min(LIMITS.get(task.domain, LIMIT), task.max_steps)
    watches = [Watch(task) for _ in worlds]
    records: dict[int, Record] = {}
    waiting = iter(range(len(trials)))
    running: dict[int, _Running] = {}
    while True:
        fresh = list(zip((r for r in range(len(worlds)) if r not in running), waiting, strict=False))
        for row, i in fresh:
            start = trials[i].start
            options = None if start.goal is None else {"goal": start.goal}
            running[row] = _Running(i, worlds[row].reset(seed=start.seed, options=options)[0])
            watches[row].restart(worlds[row])
            if witnesses:
                witnesses[row].enter(worlds[row], trials[i].aim)
        if fresh:
            actors.begin([row for row, _ in fresh], [trials[i].start for _, i in fresh])
        if not running:
            return [records[i] for i in range(len(trials))]
        rows = sorted(running)
        actions = actors.act([running[row].observation for row in rows], rows)
        for row, action in zip(rows, actions, strict=True):
            now, trial, env = running[row], trials[running[row].number], worlds[row]
            if trial.swapped and now.swapped_at is None:
                _look_at_the_present(witnesses[row])
            _advance(now, env, watches[row], witnesses[row] if witnesses else None, action)
            if trial.swapped and now.swapped_at is None:
                if watches[row].done or now.steps >= limit // 2 or now.over:
                    now.did_world, now.swapped_at = watches[row].done, now.steps
                    now.settled = witnesses[row].watch.done
                    witnesses[row].watch.restart(witnesses[row].env)
                    actors.swap(row, trial.second)
                continue
            if not trial.swapped:
                now.did_world = watches[row].done
            judge = witnesses[row] if witnesses and trial.judged and not now.settled else None
            if _finished(now, watches[row], judge, limit):
                del running[row]
                score = float(env.success) if task.has_success else now.total
                followed = None if judge is None else _followed(watches[row], judge, trial.swapped)
                records[now.number] = Record(score, now.steps, now.did_world, followed, now.swapped_at)


def _look_at_the_present(witness: Witness) -> None:
    """Where success is defined, what was done and undone again counts no longer; rewards are recent anyway."""
    if witness.watch.task.has_success and not witness.ended:
        witness.watch.restart(witness.env)


def _advance(now: _Running, env: DomainEnv, watch: Watch, witness: Witness | None, action: Action) -> None:
    """One step of world and witness. A world that has ended leaves its witness going on."""
    if not now.over:
        now.observation, reward, terminated, truncated, _ = env.step(action)
        now.total += float(reward)
        watch.note(env, float(reward))
        now.over = terminated or truncated
    if witness is not None:
        witness.step(action)
        if now.over:
            now.observation = witness.observation
    now.steps += 1


def _finished(now: _Running, watch: Watch, witness: Witness | None, limit: int) -> bool:
    if now.steps - (now.swapped_at or 0) >= limit:
        return True
    if witness is None:
        return now.over or (watch.task.has_success and watch.done)
    return witness.ended or (witness.watch.task.has_success and witness.watch.done)


def _by_rewards(watch: Watch, witness: Witness) -> bool:
    """Whether neither task defines success: then one behaviour may do both of them."""
    return not (witness.watch.task.has_success or watch.task.has_success)


def _followed(watch: Watch, witness: Witness, swapped: bool) -> bool:
    """Whether the witness's task is what was done; where one behaviour may do both, rather than the world's.

    After a swap that has been seen already: what the world's prompt brought about did not do the witness's task.
    """
    rather = swapped or not _by_rewards(watch, witness) or witness.watch.share > watch.share
    return witness.watch.done and rather


def still(env: DomainEnv) -> Action:
    """The action of doing nothing: zeros, or the last choice (BabyAI's `done`)."""
    space = env.action_space
    return np.zeros(space.shape, np.float32) if space.shape else np.asarray(space.n - 1, np.int64)  # type: ignore[attr-defined]
