"""Where sequences come from: episodes that were collected before, or players that play while the learner learns."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from rich.progress import track

from playground import domains
from playground.collecting.takeover import siblings
from playground.demonstrations.packed import PackedTask, packed_tasks
from playground.errors import DAMAGED, BadFileError, BadValueError, PlaygroundError
from playground.files import write_json
from playground.parallel import JobPool, Workers
from playground.scores import normalise, reference_scores
from playground.task import Task
from playground.training.dataset import TaskData
from playground.training.players import KINDS, SCORED, Order, Report, play
from playground.training.recipe import Recipe
from playground.training.sampler import Sampler
from playground.training.scheduler import Arm, Scheduler
from playground.training.state import TrainingState
from playground.training.store import Store, next_number

STORE, SCHEDULER = "store", "scheduler.json"
"""What players made, and how well the agent does; both in the folder of the run."""

MOST_FAILURES = 5
"""Orders of a kind that may fail one after the other before a task's orders of that kind are given up."""


class Source(Protocol):
    """What a training draws its sequences from."""

    tasks: list[TaskData]
    """Every task's episodes, without goals that are held out."""

    held_out: list[TaskData]
    """The episodes of goals that are held out, of the tasks that have such."""

    def sampler(self, state: TrainingState) -> Sampler | None:
        """A new sampler where there is something new; always at the first call."""

    def save(self, out: Path) -> None:
        """Writes what a run that goes on needs."""

    def close(self) -> None:
        """Ends whatever works for it."""

    def report(self, step: int) -> dict[str, float]:
        """What the log says of it."""


class CollectedData:
    """Episodes that `playground collect` and its like have written.

    Args:
        recipe: which tasks take part.
        root: folder of the packed episodes.

    Raises:
        BadFileError: there are none, or a file is broken.
    """

    def __init__(self, recipe: Recipe, root: Path):
        found = [id for id in packed_tasks(root) if recipe.takes(id)]
        if not found:
            raise BadFileError(
                f"{root}: no demonstrations of {', '.join(recipe.tasks)}; run `playground collect` first"
            )
        loaded = (TaskData.from_packed(PackedTask.open(root, id), recipe.config) for id in track(found, "loading"))
        self._recipe, self._drawn = recipe, False
        self.tasks, self.held_out = _split(recipe, list(loaded))

    def sampler(self, state: TrainingState) -> Sampler | None:
        """See `Source.sampler`: there is one only."""
        if self._drawn:
            return None
        self._drawn = True
        return Sampler(self.tasks, self._recipe.config, self._recipe.sampling)

    def save(self, out: Path) -> None:
        """Nothing changes."""

    def close(self) -> None:
        """Nothing works for it."""

    def report(self, step: int) -> dict[str, float]:
        """Nothing to tell."""
        return {}


@dataclass
class _Kept:
    """What is known of a task besides its scores."""

    task: Task
    siblings: tuple[str, ...]
    reference: float | None = None
    """The expert's return up to the agent's horizon, where the task defines no success."""


class PlayedData:
    """Players play, the experts label, and a scheduler decides what comes next.

    Args:
        recipe: tasks, and how they are played.
        out: the run's folder: its store, and the weights that the agent plays with.
        workers: processes, or a cluster's address. None: as many as cores that the learner leaves.
        tell: called with a line where something goes wrong that does not stop the run.

    Raises:
        BadValueError: tasks are distilled, which needs data that the teacher has seen.
        UnknownNameError: there is no such task.
    """

    def __init__(self, recipe: Recipe, out: Path, workers: Workers, tell: Callable[[str], None] = print):
        ids = [task.id for task in domains.tasks(",".join(recipe.tasks)) if recipe.takes(task.id)]
        if not all(recipe.clones(id) for id in ids):
            raise BadValueError("players clone the experts of all tasks; leave out train_tasks, or give --data")
        self._recipe, self._out, self._tell = recipe, out, tell
        self._root = out / STORE
        self._tasks = {id: self._know(id, set(ids)) for id in ids}
        self._store = Store(self._root, ids, recipe.config, recipe.store)
        self._store.scan()
        self._scheduler = Scheduler(self._arms(), recipe.scheduler)
        self._load()
        self._rng = np.random.default_rng([recipe.seed, next_number(self._root, ids)])
        self._number = next_number(self._root, ids)
        self._failures: dict[tuple[str, str], int] = {}
        self._running: dict[int, Order] = {}
        self._pool = JobPool(play, workers)
        self._fresh, self._drawn_at = True, -1e9
        self.tasks: list[TaskData] = []
        self.held_out: list[TaskData] = []

    def sampler(self, state: TrainingState) -> Sampler | None:
        """See `Source.sampler`. Waits for the first demonstrations of a few tasks."""
        self._poll(state, wait=False)
        while len(self._store.data()) < min(self._recipe.players.first_tasks, len(self._tasks)):
            if not self._poll(state, wait=True):
                raise PlaygroundError("no task could be demonstrated; the lines above say why")
        if not self._fresh or state.seconds - self._drawn_at < self._recipe.players.refresh_seconds:
            return None
        self._fresh, self._drawn_at = False, state.seconds
        self.tasks, self.held_out = _split(self._recipe, self._store.data())
        progress = state.progress(self._recipe)
        growth = self._recipe.players.context_growth
        short = self._recipe.sampling.short_share
        grown = 1.0 if growth == 0 else min(1.0, progress / growth)
        sampling = replace(self._recipe.sampling, short_share=1.0 + grown * (short - 1.0))
        return Sampler(self.tasks, self._recipe.config, sampling, self._scheduler.task_shares(state.step))

    def save(self, out: Path) -> None:
        """Writes what the scheduler knows."""
        references = {id: known.reference for id, known in self._tasks.items() if known.reference is not None}
        write_json(out / SCHEDULER, {"estimates": self._scheduler.state(), "references": references}, indent=None)

    def close(self) -> None:
        """Ends the players; orders that they had not finished are forgotten."""
        self._pool.close()

    def report(self, step: int) -> dict[str, float]:
        """Mean estimated score of each condition."""
        scores: dict[str, list[float]] = {}
        for task, condition in self._scheduler.arms:
            scores.setdefault(condition, []).append(self._scheduler.estimate((task, condition), step)[0])
        return {f"score/{name}": round(float(np.mean(values)), 4) for name, values in scores.items()}

    def _know(self, id: str, taking_part: set[str]) -> _Kept:
        task = domains.task(id)
        return _Kept(task, tuple(other.id for other in siblings(task) if other.id in taking_part))

    def _arms(self) -> list[Arm]:
        """What is scored: a swap where there are siblings, no prompt where the observation tells what to do."""
        arms = [(id, "own") for id in self._tasks]
        arms += [(id, "swapped") for id, known in self._tasks.items() if known.siblings and known.task.has_success]
        arms += [(id, "none") for id, known in self._tasks.items() if not known.siblings]
        return arms

    def _poll(self, state: TrainingState, wait: bool) -> int:
        """Gives players new orders, and takes in what they have finished; returns how many orders that were."""
        while self._pool.free > 0 and (order := self._next_order(state)) is not None:
            self._running[order.number] = order
            self._pool.submit(order)
        finished = list(self._pool.poll(wait))
        for order, result in finished:
            del self._running[order.number]
            self._take(order, result)
        return len(finished)

    def _take(self, order: Order, result: "Report | Exception") -> None:
        key = (order.task, order.kind)
        if isinstance(result, Exception):
            self._failures[key] = self._failures.get(key, 0) + 1
            if not isinstance(result, PlaygroundError) or self._failures[key] == MOST_FAILURES:
                self._tell(f"{order.task} {order.kind}: {type(result).__name__}: {result}")
            return
        self._failures[key] = 0
        known = self._tasks[order.task]
        if result.episodes:
            try:
                self._store.add(order.task, order.folder)
            except BadFileError as error:
                self._tell(str(error))
                return
            self._fresh = True
        if result.reference is not None:
            before = known.reference
            known.reference = result.reference if before is None else 0.8 * before + 0.2 * result.reference
        if order.kind in SCORED and result.scores:
            scores = [self._normalised(known, score) for score in result.scores]
            arm = (order.task, SCORED[order.kind])
            if arm in self._scheduler.arms and None not in scores:
                self._scheduler.observe(arm, [score for score in scores if score is not None], order.step)

    def _normalised(self, known: _Kept, score: float) -> float | None:
        scores = reference_scores().get(known.task.id)
        if scores is None or known.task.has_success:
            return score if scores is None else normalise(score, scores)
        if known.reference is None:
            return None
        part = min(1.0, known.task.horizons.agent / known.task.max_steps)
        return normalise(score, {"random": scores["random"] * part, "expert": known.reference})

    def _next_order(self, state: TrainingState) -> Order | None:
        settings = self._recipe.players
        playing = {order.task for order in self._running.values() if order.kind == "demonstrations"}
        bare = [
            id
            for id in self._tasks
            if self._store.demonstrations(id) < settings.first_demonstrations
            and id not in playing
            and self._may(id, "demonstrations")
        ]
        if bare:
            return self._order(str(self._rng.choice(bare)), "demonstrations", state)
        shown = [id for id in self._tasks if self._store.demonstrations(id) >= 2]
        has_agent = (self._out / "model.safetensors").is_file()
        kinds = [kind for kind in KINDS if has_agent or kind in ("demonstrations", "random", "takeover")]
        shares = np.array([settings.shares.get(kind, 0.0) for kind in kinds])
        for _ in range(20):
            kind = str(self._rng.choice(kinds, p=shares / shares.sum()))
            if (task := self._draw_task(kind, shown, state)) is not None:
                return self._order(task, kind, state)
        return None

    def _draw_task(self, kind: str, shown: list[str], state: TrainingState) -> str | None:
        """A task for an order of a kind, by the scheduler's needs."""
        if kind in SCORED:
            arms = {arm: share for arm, share in self._scheduler.shares(state.step).items() if arm[1] == SCORED[kind]}
            needs = {id: arms.get((id, SCORED[kind]), 0.0) for id in shown}
        else:
            needs = {id: share for id, share in self._scheduler.task_shares(state.step).items() if id in shown}
        able = {id: need for id, need in needs.items() if need > 0 and self._may(id, kind)}
        if not able:
            return None
        weights = np.array(list(able.values()))
        return str(self._rng.choice(list(able), p=weights / weights.sum()))

    def _may(self, id: str, kind: str) -> bool:
        if self._failures.get((id, kind), 0) >= MOST_FAILURES:
            return False
        if kind == "demonstrations":
            return not self._store.is_full(id)
        if kind in ("swapped", "takeover"):
            return any(self._store.demonstrations(other) >= 2 for other in self._tasks[id].siblings)
        return True

    def _order(self, task: str, kind: str, state: TrainingState) -> Order:
        self._number += 1
        others = tuple(other for other in self._tasks[task].siblings if self._store.demonstrations(other) >= 2)
        players = self._recipe.players
        return Order(task, kind, self._number, self._root, self._out, state.step, others, players)

    def _load(self) -> None:
        file = self._out / SCHEDULER
        if not file.is_file():
            return
        try:
            saved = json.loads(file.read_text(encoding="utf-8"))
            self._scheduler.load(saved["estimates"])
            for id, reference in saved["references"].items():
                if id in self._tasks:
                    self._tasks[id].reference = float(reference)
        except DAMAGED as error:
            raise BadFileError(f"{file}: cannot be read ({error}); delete it, and scores are measured anew") from error


def _split(recipe: Recipe, tasks: list[TaskData]) -> tuple[list[TaskData], list[TaskData]]:
    """Tasks without the goals that are held out, and these alone."""
    splits = [replace(task, distil=not recipe.clones(task.id)).hold_out(recipe.goal_holdout) for task in tasks]
    return [trained for trained, _ in splits], [held_out for _, held_out in splits if held_out is not None]
