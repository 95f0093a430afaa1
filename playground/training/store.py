"""The store: the shards that players made, in bounded room, as the learner reads them while they grow.

`ROOT/<domain>/<name>/<shard>/` holds packed shards (`playground.demonstrations.packed`). Demonstrations stay, up to a
number of timesteps a task; of corrections the oldest leave first. A goal that is held out is never let in.
"""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from playground import domains
from playground.demonstrations.packed import Shard, shard_folders
from playground.domains.goals import TRAINED
from playground.errors import BadFileError
from playground.model import ModelConfig
from playground.settings import POSITIVE, check_range
from playground.tokens.timestep import TimestepSpec
from playground.training.dataset import TaskData, TaskShard, task_form


@dataclass(frozen=True)
class StoreSettings:
    """How much of a task is kept.

    Attributes:
        demonstration_steps: timesteps of demonstrations; no more are asked for then.
        correction_steps: timesteps of corrections; the oldest leave first.
        picture_share: of both where observations hold pictures, which take a hundred times the room.
    """

    demonstration_steps: int = 150_000
    correction_steps: int = 200_000
    picture_share: float = 0.3

    def __post_init__(self) -> None:
        check_range(self, ("demonstration_steps", "correction_steps"), 1, label="store")
        check_range(self, ("picture_share",), POSITIVE, 1, label="store")


@dataclass
class _Task:
    """What is known of a task's shards."""

    form: TimestepSpec | None = None
    shards: dict[str, TaskShard] = field(default_factory=dict)
    data: TaskData | None = None


class Store:
    """Every task's shards as tokens; pictures stay on the disk.

    Args:
        root: folder of the shards.
        tasks: ids of the tasks that take part.
        config: the model's.
        settings: how much is kept.
    """

    def __init__(self, root: Path, tasks: Iterable[str], config: ModelConfig, settings: StoreSettings | None = None):
        self.root, self.config, self.settings = root, config, settings or StoreSettings()
        self._tasks = {id: _Task() for id in tasks}

    def scan(self) -> None:
        """Takes in the shards that are there; one that is damaged is removed, since players make others."""
        for id in self._tasks:
            for folder in shard_folders(self.root, id):
                try:
                    self.add(id, folder)
                except BadFileError:
                    shutil.rmtree(folder)

    def add(self, task: str, folder: Path) -> None:
        """Takes in a shard that a player has written, and lets the oldest corrections go where there are too many.

        Raises:
            BadFileError: the shard is damaged, of another form than the others, or shows a held-out goal.
        """
        known, shard = self._tasks[task], Shard.open(folder, task)
        self._check_goals(task, shard)
        form = task_form(shard)
        if known.form is not None and form != known.form:
            raise BadFileError(f"{folder}: timesteps of the form {form}, the task's others have {known.form}")
        known.form = form
        known.shards[folder.name] = TaskShard.from_packed(shard, form, self.config.action_bins)
        known.data = None
        self._let_go(task)

    def data(self) -> list[TaskData]:
        """Every task that has demonstrations, joined."""
        found = []
        for id, known in self._tasks.items():
            if known.form is None or not any(shard.is_demonstration for shard in known.shards.values()):
                continue
            if known.data is None:
                known.data = TaskData.from_shards(id, known.form, list(known.shards.values()), self.config)
            found.append(known.data)
        return found

    def demonstrations(self, task: str) -> int:
        """Number of demonstrations of a task."""
        return sum(len(shard.episodes) for shard in self._tasks[task].shards.values() if shard.is_demonstration)

    def is_full(self, task: str) -> bool:
        """Whether a task has as many demonstrations as are kept."""
        return self._steps(task, True) >= self._room(task, self.settings.demonstration_steps)

    def _check_goals(self, task: str, shard: Shard) -> None:
        family = domains.families().get(task)
        for goal in shard.goals.values() if family is not None else ():
            assert family is not None
            if family.part(goal) != TRAINED:
                raise BadFileError(f"{task}: the goal {goal} is held out of training; draw a trained one")

    def _let_go(self, task: str) -> None:
        room, known = self._room(task, self.settings.correction_steps), self._tasks[task]
        corrections = [name for name, shard in known.shards.items() if not shard.is_demonstration]
        while len(corrections) > 1 and self._steps(task, False) > room:
            oldest = corrections.pop(0)
            del known.shards[oldest]
            shutil.rmtree(self.root / task / oldest, ignore_errors=True)

    def _steps(self, task: str, is_demonstration: bool) -> int:
        shards = self._tasks[task].shards.values()
        return sum(len(shard.actions) for shard in shards if shard.is_demonstration == is_demonstration)

    def _room(self, task: str, steps: int) -> int:
        form = self._tasks[task].form
        return int(steps * self.settings.picture_share) if form is not None and form.image else steps


def next_number(root: Path, tasks: Sequence[str]) -> int:
    """A number behind those of all shards that are there."""
    numbers = [
        int(folder.name[:8]) for id in tasks for folder in shard_folders(root, id) if folder.name[:8].isdecimal()
    ]
    return max(numbers, default=-1) + 1
