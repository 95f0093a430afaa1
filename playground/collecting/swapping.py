"""DAgger for swapped prompts: the agent drives on after the swap, from where the first prompt has led it.

The experts of both prompts label what it meets, as in `playground.collecting.dagger`; the first part is history.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from playground import domains
from playground.agent import BatchAgent
from playground.collecting.takeover import TRIES, TRIES_ELSEWHERE, Continuation, Handover, handing_over
from playground.demonstrations import PackedTask
from playground.environment import DomainEnv
from playground.model import GeneralistModel
from playground.prompt import Prompt
from playground.task import Action, Expert, Task

ROUNDS = 2
"""Episodes of each row."""

ALONE = 80
"""Steps after the swap from which on the expert drives: an episode that it cannot save either is left out."""

EXPERT_LEADS = 0.5
"""Share of the episodes whose first part an expert drives."""


@dataclass(frozen=True)
class Pair:
    """Two worlds of a scene, whose prompts follow each other."""

    task: Task
    env: DomainEnv
    expert: Expert
    prompts: PackedTask
    mate: Task
    before: DomainEnv
    first: Expert
    first_prompts: PackedTask

    @classmethod
    def make(cls, packed: PackedTask, mate: PackedTask) -> "Pair":
        """Builds the worlds of two tasks."""
        task, other = domains.task(packed.task), domains.task(mate.task)
        env, before = task.make(64), other.make(64)
        return cls(task, env, task.make_expert(env), packed, other, before, other.make_expert(before), mate)

    def close(self) -> None:
        self.env.close()
        self.before.close()


@dataclass(frozen=True)
class _Turn:
    """A row's step: what it sees, under which prompt, and what its expert would do."""

    step: Handover
    prompt: Prompt


def drive_swaps(
    pairs: Sequence[Pair], model: GeneralistModel, seed: int, stretch: tuple[int, int], by_expert: float
) -> list[Continuation]:
    """Some episodes in each pair of worlds, one forward pass for all of them a step; what ends unsolved is left out.

    Args:
        pairs: B pairs of one form of observation and action.
        model: the agent's network.
        seed: of the first world (of `TRAIN_SEEDS`); the others' follow, `TRIES` for each episode.
        stretch: least and most steps between two changes of who drives after the swap.
        by_expert: share of the stretches in which the expert drives.
    """
    agent = BatchAgent.for_worlds(model, [pair.before for pair in pairs])
    tries = TRIES.get(pairs[0].task.domain, TRIES_ELSEWHERE)
    kept: list[Continuation] = []
    rows = {i: _episodes(pair, seed + i * ROUNDS * tries, tries, kept) for i, pair in enumerate(pairs)}
    rng = np.random.default_rng([seed, 6])
    expert_drives = dict.fromkeys(rows, False)
    until = dict.fromkeys(rows, 0)
    swapped_at = dict.fromkeys(rows, 0)
    shown: dict[int, Prompt] = {}
    turns = {i: turn for i, row in rows.items() if (turn := next(row, None)) is not None}
    while turns:
        for i, turn in turns.items():
            if turn.step.t == 0:
                agent.reset([i])
                expert_drives[i], until[i] = rng.random() < EXPERT_LEADS, -1
            if not turn.step.second:
                swapped_at[i] = turn.step.t + 1
            if turn.prompt is not shown.get(i):
                agent.condition([turn.prompt], [i])
                shown[i] = turn.prompt
            if turn.step.second and turn.step.t >= until[i]:
                expert_drives[i] = until[i] >= 0 and rng.random() < by_expert
                until[i] = turn.step.t + int(rng.integers(*stretch))
            expert_drives[i] |= turn.step.second and turn.step.t - swapped_at[i] >= ALONE
        order = list(turns)
        decisions = agent.act([turns[i].step.observation for i in order], order)
        for i, decision in zip(order, decisions, strict=True):
            label = turns[i].step.label
            own = np.clip(decision.action, -1, 1).astype(np.float32) if label.ndim else decision.action
            try:
                turns[i] = rows[i].send(label if expert_drives[i] else own)
            except StopIteration:
                del turns[i]
    return kept


def _episodes(pair: Pair, seed: int, tries: int, kept: list[Continuation]) -> Generator[_Turn, Action, None]:
    """The episodes of one row; adds those that went through."""
    for number in range(ROUNDS):
        for own in range(seed + number * tries, seed + (number + 1) * tries):
            rng = np.random.default_rng([own, 5])
            prompts = [p.prompt(int(rng.choice(p.demonstrations))) for p in (pair.first_prompts, pair.prompts)]
            goals = [p.goal if t.hidden_goal else None for p, t in zip(prompts, (pair.mate, pair.task), strict=True)]
            run = handing_over(pair.task, pair.env, pair.expert, pair.before, pair.first, own, goals[1], goals[0], rng)
            found = yield from _shown(run, prompts)
            if found is not None:
                if found.episode.success is not False:  # else what the expert did there is nothing to learn
                    kept.append(found)
                break


def _shown(
    run: Generator[Handover, Action, Continuation | None], prompts: Sequence[Prompt]
) -> Generator[_Turn, Action, Continuation | None]:
    """Joins each step with the prompt that is shown then."""
    try:
        step = next(run)
        while True:
            action = yield _Turn(step, prompts[step.second])
            step = run.send(action)
    except StopIteration as end:
        found: Continuation | None = end.value
        return found
