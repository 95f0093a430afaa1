"""Players: what worker processes do for the learner. They play episodes, have the experts label them, and keep scores.

An order is a small piece of data, so that a player may be a process of this machine or of a cluster. What it made lies
in the store as a shard; what it returns is the order's report.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from playground import domains
from playground.collecting.collect import ShardJob, default_amount, gather_shard
from playground.collecting.corrections import DaggerSettings, corrected_episodes
from playground.collecting.swapping import Pair, corrected_swaps
from playground.collecting.takeover import TakeoverSettings, takeover_episodes
from playground.demonstrations.packed import PackedTask, write_shard
from playground.environment import DomainEnv
from playground.episode import Episode
from playground.errors import BadValueError, PlaygroundError
from playground.events import StepEvent
from playground.model import GeneralistModel, load_model
from playground.parallel import world
from playground.settings import check_range
from playground.task import TRAIN_SEEDS, Task

KINDS = ("demonstrations", "agent", "no_prompt", "random", "swapped", "takeover")
"""The expert alone; the agent under a prompt, and without one; random actions; the agent after a swap of the prompt; an
expert after another one."""

SCORED = {"agent": "own", "no_prompt": "none", "swapped": "swapped"}
"""Kind -> condition whose score it measures."""


@dataclass(frozen=True)
class PlayerSettings:
    """How players play.

    Attributes:
        shares: kind -> share of the orders once every task has demonstrations.
        first_demonstrations: episodes of a task before anything else of it is played.
        shard_demonstrations: episodes of a shard of demonstrations.
        worlds: environments that are stepped together.
        lead_share: share of the corrected episodes in which somebody else acts first, or by turns; up to a half. Only
            the others count for the score.
        kept_worlds: tasks whose environments a player keeps, because some take a second to build.
        first_tasks: tasks that have demonstrations before the learner begins.
        refresh_seconds: time after which the learner draws from what has been played meanwhile.
        context_growth: share of the run in which sequences grow: at first all are short (`sampling.short_steps`), of
            which many fit into a row, in the end the share that `sampling.short_share` says.
    """

    shares: Mapping[str, float] = field(
        default_factory=lambda: {
            "demonstrations": 0.25,
            "agent": 0.35,
            "no_prompt": 0.05,
            "random": 0.05,
            "swapped": 0.2,
            "takeover": 0.1,
        }
    )
    first_demonstrations: int = 24
    shard_demonstrations: int = 24
    worlds: int = 8
    lead_share: float = 0.5
    kept_worlds: int = 3
    first_tasks: int = 8
    refresh_seconds: float = 20.0
    context_growth: float = 0.4

    def __post_init__(self) -> None:
        if set(self.shares) - set(KINDS) or min(self.shares.values()) < 0 or not sum(self.shares.values()):
            raise BadValueError(f"players.shares are {self.shares}; give shares of {', '.join(KINDS)}")
        counts = ("first_demonstrations", "shard_demonstrations", "worlds", "kept_worlds", "first_tasks")
        check_range(self, counts, 1, label="players")
        check_range(self, ("lead_share",), 0, 0.5, label="players")
        check_range(self, ("context_growth",), 0, 1, label="players")
        check_range(self, ("refresh_seconds",), 0, label="players")


@dataclass(frozen=True)
class Order:
    """What a player is to play.

    Attributes:
        task: task id.
        kind: one of `KINDS`.
        number: of the order; no two of a training have the same.
        root: folder of the store.
        checkpoint: folder of the agent's newest weights; None where no agent plays.
        step: optimiser step of these weights.
        siblings: tasks with demonstrations whose prompts can come before this one's.
        settings: how.
    """

    task: str
    kind: str
    number: int
    root: Path
    checkpoint: Path | None
    step: int
    siblings: tuple[str, ...]
    settings: PlayerSettings

    @property
    def folder(self) -> Path:
        """Where the shard lies."""
        return self.root / self.task / f"{self.number:08d}-{self.kind}"


@dataclass(frozen=True)
class Report:
    """What became of an order.

    Attributes:
        order: the order.
        episodes: episodes that were kept; the shard is there if there are any.
        timesteps: their timesteps.
        scores: of the episodes that the agent played alone: 1 or 0 where the task defines success, else the return up
            to `Horizons.agent` steps.
        reference: the expert's mean return up to that step, of demonstrations of tasks without success.
        seconds: how long it took.
    """

    order: Order
    episodes: int
    timesteps: int
    scores: tuple[float, ...] = ()
    reference: float | None = None
    seconds: float = 0.0


def play(order: Order) -> Report:
    """Carries out an order; the job of one worker process.

    Raises:
        PlaygroundError: not one episode was worth keeping, and none told a score.
    """
    began = time.perf_counter()
    function = {
        "demonstrations": _demonstrate,
        "agent": _correct,
        "no_prompt": _correct,
        "random": _correct,
        "swapped": _swap,
        "takeover": _take_over,
    }[order.kind]
    report = function(order)
    return replace(report, seconds=time.perf_counter() - began)


def _demonstrate(order: Order) -> Report:
    """The expert alone, with the noise and the filter that `collect` uses; goals are drawn afresh."""
    task, env, expert = world(order.task)
    amount = replace(default_amount(task), shard_episodes=order.settings.shard_demonstrations)
    each = amount.episodes_per_goal if task.hidden_goal else 1
    units = max(1, order.settings.shard_demonstrations // each)
    first = order.number * units % (len(TRAIN_SEEDS) // 20 - units)
    job = ShardJob(order.task, amount, first, units, TRAIN_SEEDS, order.folder)
    returns: list[float] = []
    made = gather_shard(job, task, env, expert, lambda events: returns.append(_return_at_horizon(events, task)))
    reference = None if task.has_success or not returns else float(np.mean(returns))
    return Report(order, made.episodes, made.timesteps, reference=reference)


def _correct(order: Order) -> Report:
    """The agent (or random actions) acts, the expert labels: once alone, for the score, and once with a lead."""
    task, settings = domains.task(order.task), order.settings
    model = None if order.kind == "random" else _model(order)
    rng = np.random.default_rng([order.number, 7])
    packed = PackedTask.open(order.root, order.task)
    envs = _environments(order.task, settings)
    scores: list[float] = []
    alone = DaggerSettings(worlds=settings.worlds, expert_share=0.0, warm_up_share=0.0)
    led = DaggerSettings(worlds=settings.worlds, warm_up_share=0.75)
    episodes: list[Episode] = []
    both = rng.random() < settings.lead_share / (1 - settings.lead_share)  # of all worlds, led ones are that share
    parts = (led,) if order.kind == "random" else (alone, led) if both else (alone,)
    for dagger in parts:
        prompts = [packed.prompt(int(e)) for e in rng.choice(packed.demonstrations, len(envs))]
        seed = int(rng.integers(len(TRAIN_SEEDS) - len(envs)))
        watch = _score_watcher(task, scores if dagger is alone else [])
        episodes += corrected_episodes(
            task, envs, model, prompts, seed, dagger, prompted=order.kind != "no_prompt", watch=watch
        )
    return _written(order, task, episodes, (), scores)


def _swap(order: Order) -> Report:
    """The prompt is swapped for one of this task on the way; the agent goes on, and the expert labels."""
    task, settings = domains.task(order.task), order.settings
    rng = np.random.default_rng([order.number, 8])
    packed = PackedTask.open(order.root, order.task)
    firsts = [PackedTask.open(order.root, id) for id in order.siblings]
    alone = rng.random() >= settings.lead_share
    dagger = DaggerSettings(worlds=settings.worlds, swaps_per_world=2)
    dagger = replace(dagger, expert_share=0.0) if alone else dagger
    count = max(1, settings.worlds // dagger.swaps_per_world)
    pairs = [Pair.make(firsts[rng.integers(len(firsts))], packed) for _ in range(count)]
    scores: list[float] = []

    def watch(events: list[StepEvent], takeover: int) -> None:
        steps = len(events) - 1 - takeover
        if alone and task.has_success and steps > 0:
            scores.append(float(bool(events[-1].success) and steps <= dagger.swap_agent_steps))

    seed = int(rng.integers(len(TRAIN_SEEDS) - 2 * count * task.takeover_tries))
    try:
        found = corrected_swaps(pairs, _model(order), seed, dagger, watch)
    finally:
        for pair in pairs:
            pair.close()
    return _written(order, task, [t.episode for t in found], [t.loss_start for t in found], scores)


def _take_over(order: Order) -> Report:
    """An expert goes on in the middle of another one's episode."""
    task = domains.task(order.task)
    settings = TakeoverSettings(shard_episodes=order.settings.worlds, give_up_after=4)
    rng = np.random.default_rng([order.number, 9])
    seed = int(rng.integers(len(TRAIN_SEEDS) - 40 * settings.shard_episodes))
    found = takeover_episodes(task, PackedTask.open(order.root, order.task), seed, settings)
    return _written(order, task, [t.episode for t in found], [t.loss_start for t in found], [])


def _written(
    order: Order, task: Task, episodes: Sequence[Episode], loss_starts: Sequence[int], scores: Sequence[float]
) -> Report:
    """Writes a shard of corrections and reports."""
    if episodes:
        planned = order.settings.worlds
        write_shard(
            order.folder, episodes, task.hidden_goal, planned, is_demonstration=False, loss_start=list(loss_starts)
        )
    elif not scores:
        raise PlaygroundError(f"{order.task}: nothing of {order.kind} was worth keeping")
    return Report(order, len(episodes), sum(map(len, episodes)), tuple(scores))


def _score_watcher(task: Task, scores: list[float]) -> Callable[[list[StepEvent]], None]:
    def watch(events: list[StepEvent]) -> None:
        if task.has_success:
            scores.append(float(bool(events[-1].success) and events[-1].t <= task.horizons.agent))
        else:
            scores.append(_return_at_horizon(events, task))

    return watch


def _return_at_horizon(events: Sequence[StepEvent], task: Task) -> float:
    """The return up to the step after which an agent that is corrected acts no more."""
    return events[min(len(events) - 1, task.horizons.agent)].total_reward


def _model(order: Order) -> GeneralistModel:
    assert order.checkpoint is not None, f"an order of {order.kind} needs a checkpoint"
    return load_model(order.checkpoint)


_kept: OrderedDict[tuple[str, int], list[DomainEnv]] = OrderedDict()


def _environments(task: str, settings: PlayerSettings) -> list[DomainEnv]:
    """Environments of a task, kept from order to order."""
    key = (task, settings.worlds)
    if key not in _kept:
        while len(_kept) >= settings.kept_worlds:
            for env in _kept.popitem(last=False)[1]:
                env.close()
        _kept[key] = [domains.task(task).make(64) for _ in range(settings.worlds)]
    _kept.move_to_end(key)
    return _kept[key]
