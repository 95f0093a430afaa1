"""From packed demonstrations to batches: sequences [prompt | live steps], cut, balanced and packed.

A sequence's prompt always comes from *another* episode of the same goal: from its own, a model learns to copy.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np
import torch
from torch import Tensor

from playground import domains
from playground.demonstrations.packed import PackedTask
from playground.domains.goals import TRAINED
from playground.model import GOAL_TOKENS, ModelConfig, TokenBatch
from playground.task import Goal
from playground.tokens.scalars import encode_continuous
from playground.tokens.text import PADDING, encode_text
from playground.tokens.timestep import CONTINUOUS_START, TimestepSpec, encode_actions, encode_tensors

FIRST_STEPS = 20
FIRST_WEIGHT = 2.0
"""The first steps of an episode weigh more: there only the prompt tells the goal."""

FROM_START = {"grid": 0.75}
FROM_START_ELSEWHERE = 0.5
"""Modality -> share of the sequences that begin where their episode does; half as many in episodes longer than two
contexts. In a maze, what to do depends on all that was seen so far."""

EARLY = 3
"""Half of the sequences that do not begin at the episode's start begin within so many contexts of it: the swing-up or
the way to the target is there, and hundreds of steps of balance or rest come after."""

FEW = 3000
"""Timesteps of corrections at which half of the share for corrections is used: fewer would be learnt by heart. Where
the model stays as it was they are not learnt, and however few, they show the states that swaps lead to."""

BRIEF = 0.5
BRIEF_STEPS = 16
"""Share of the sequences whose prompt and live part are no longer than so many timesteps each: more sequences fit into
a row, and a gradient that comes from more tasks and goals teaches faster (ablations in the README beside this file)."""

UNSTRIDDEN = 0.75
"""Share of the prompts from episodes shorter than the longest prompt that are taken as they are."""

LEFT_OVER = 1 / 16
"""Share of a row that may stay empty: no sequence is cut to less in order to fill it."""

LEARNT = 0.2
"""Share of a modality's rows that are of tasks to be learnt, where there are others at which the model is to stay as it
was."""

KEPT_BACK = 25
"""One goal in so many is not trained on, of tasks that show twice as many or more: whether prompts are read or known by
heart, the loss on goals that are trained on does not say."""

TEXTS = 8
"""Number and length of a batch's texts are rounded up to a multiple of this: few shapes, see `cloning.ROWS`."""


@dataclass(frozen=True)
class TaskData:
    """One task's demonstrations as tokens, in memory. T timesteps, E episodes.

    Attributes:
        id: task id.
        form: shape of its timesteps.
        values: uint16 [T, K].
        grid: uint8 [T, H, W, C] or None.
        image: uint8 [T, H, W, 3] or None.
        actions: int16 [T, A].
        texts: distinct texts as token ids.
        text: int [E], which text each episode has; None without texts.
        wished: int [E], which text the agent tells itself once it has read a prompt of that goal: the goal in words
            where the world's text is empty (`playground.agent.BatchAgent`), else the same as `text`.
        start, length: int [E].
        history: int [E], first steps whose actions had another aim: they are seen, and no loss is taken.
        asked: int64 [E, GOAL_TOKENS], what each episode shows as tokens, -1 pads: its goal, or the task's name.
        prompts: int [E] -> the demonstrations of the same goal, each goal's list shared.
        demonstrations: int, the episodes that the expert drove alone.
        corrections: int, all others: there the experts say what would have been right.
        hidden_goal: whether there are several goals, which prompts alone tell.
        goals_held_out: whether the task is a goal family and none of its held-out goals is among these.
        stays: whether the model is to go on there as before rather than clone the experts, see `Recipe.learn`.
    """

    id: str
    form: TimestepSpec
    values: np.ndarray
    grid: np.ndarray | None
    image: np.ndarray | None
    actions: np.ndarray
    texts: list[np.ndarray]
    text: np.ndarray | None
    wished: np.ndarray | None
    start: np.ndarray
    length: np.ndarray
    history: np.ndarray
    prompts: list[np.ndarray]
    asked: np.ndarray
    demonstrations: np.ndarray
    corrections: np.ndarray
    hidden_goal: bool
    goals_held_out: bool
    stays: bool = False

    def keep_back(self) -> tuple["TaskData", "TaskData | None"]:
        """Without some of its goals, and these alone; the same ones every time (see `KEPT_BACK`)."""
        if len(np.unique(self.asked, axis=0)) < 2 * KEPT_BACK:
            return self, None
        back = np.array([zlib.crc32(goal.tobytes()) % KEPT_BACK == 0 for goal in self.asked])
        shown, corrected = self.demonstrations, self.corrections
        rest, kept = (
            replace(self, demonstrations=shown[part[shown]], corrections=corrected[part[corrected]])
            for part in (~back, back)
        )
        return rest, kept if len(kept.demonstrations) else None

    @property
    def modality(self) -> str:
        return "image" if self.image is not None else "grid" if self.grid is not None else "vector"

    @classmethod
    def load(cls, packed: PackedTask, config: ModelConfig) -> "TaskData":
        """Tokenises one task's packed demonstrations."""
        arrays = packed.arrays()
        recorded = arrays.pop("actions")
        strings = packed.texts
        form = TimestepSpec.from_arrays({**arrays, **strings}, recorded)
        if form.tensors:
            values, grid = encode_tensors(form, arrays)
        else:
            values, grid = np.zeros((len(recorded), 0)), None
        episodes = packed.episodes
        text, wished, texts = None, None, []
        if form.text:
            shown = strings[form.text].tolist()
            goals = (packed.goals.get(goal) for goal in episodes["goal"].tolist())
            wishes = [text or (goal if isinstance(goal, str) else "") for text, goal in zip(shown, goals, strict=True)]
            distinct, index = np.unique(shown + wishes, return_inverse=True)
            text, wished = index[: len(shown)], index[len(shown) :]
            texts = [encode_text(str(string))[: config.max_text] for string in distinct]
        groups: dict[int, list[int]] = {goal: [] for goal in episodes["goal"].tolist()}
        for i in np.flatnonzero(packed.promptable).tolist():
            groups[int(episodes["goal"][i])].append(i)
        shared = {goal: np.array(members) for goal, members in groups.items()}
        family = domains.families().get(packed.task)
        asked = {goal: _asked(packed.task, packed.goals.get(goal)) for goal in groups}
        return cls(
            id=packed.task,
            form=form,
            values=values.astype(np.uint16),
            grid=None if grid is None else grid.astype(np.uint8),
            image=arrays[form.image] if form.image else None,
            actions=encode_actions(form.action, recorded, config.action_bins).astype(np.int16),
            texts=texts,
            text=text,
            wished=wished,
            start=episodes["start"].astype(np.int64),
            length=episodes["length"].astype(np.int64),
            history=packed.histories,
            prompts=[shared[goal] for goal in episodes["goal"].tolist()],
            asked=np.stack([asked[goal] for goal in episodes["goal"].tolist()]),
            demonstrations=np.flatnonzero(packed.promptable),
            corrections=np.flatnonzero(~packed.promptable),
            hidden_goal=len(groups) > 1,
            goals_held_out=family is not None and all(family.part(goal) == TRAINED for goal in packed.goals.values()),
        )


def _asked(task: str, goal: Goal) -> np.ndarray:
    """What a prompt of that task and goal asks for, as tokens int64 [GOAL_TOKENS], -1 pads."""
    if goal is None or isinstance(goal, str):
        tokens = encode_text(goal or task.partition("/")[2].replace("-", " "))
    else:
        tokens = encode_continuous(np.atleast_1d(np.asarray(goal, np.float64))) + CONTINUOUS_START
    tokens = np.append(tokens, PADDING)[:GOAL_TOKENS]
    return np.pad(tokens, (0, GOAL_TOKENS - len(tokens)), constant_values=-1)


@dataclass(frozen=True)
class Sequence:
    """Which timesteps of which task make one sequence; `prompt` may be empty."""

    task: TaskData
    prompt: np.ndarray
    prompt_episode: int
    live: np.ndarray
    live_episode: int
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.prompt) + len(self.live)

    @property
    def history(self) -> int:
        """How many of the live timesteps, the first ones, had another aim."""
        return int((self.weight == 0).sum())

    def cut(self, length: int) -> "Sequence":
        """At most that many timesteps: fewer live ones, and where half of them are not enough, the prompt's last."""
        live = min(len(self.live), max(length - len(self.prompt), (length + 1) // 2))
        prompt = self.prompt[len(self.prompt) - min(len(self.prompt), length - live) :]
        return replace(self, prompt=prompt, live=self.live[:live], weight=self.weight[:live])


@dataclass(frozen=True)
class Batch:
    """Rows full of sequences.

    Attributes:
        steps: [B, S] timesteps.
        weight: float32 [B, S], 0 where no loss is taken.
        asked: int64 [P, GOAL_TOKENS], what each of the P prompts asks for, as tokens; -1 pads.
        asked_at: int64 [P], at which of the B * S timesteps each of them ends.
        stays: whether the tasks are those at which the model is to stay as it was.
    """

    steps: TokenBatch
    weight: Tensor
    asked: Tensor
    asked_at: Tensor
    stays: bool = False

    @property
    def filled(self) -> int:
        """How many of the timesteps are no padding."""
        return int((self.steps.actions[..., 0] >= 0).sum())

    def to(self, device: torch.device) -> "Batch":
        others = (part.to(device, non_blocking=True) for part in (self.weight, self.asked, self.asked_at))
        weight, asked, asked_at = others
        return Batch(self.steps.to(device), weight, asked, asked_at, self.stays)


class Sampler:
    """Draws balanced sequences and packs them into rows of the model's context length, which is longer for cells.

    Args:
        data: every task's demonstrations.
        config: the model's, for context lengths.
        rows: modality -> rows per optimiser step, on average.
        batch_rows: most rows per batch.
        domain_weights: domain -> relative frequency.
        task_weights: glob of task ids -> relative frequency within their domain; 1 for all others, and where the model
            stays as it was.
        prompted, from_end, corrected: see `Recipe`.
        told: modality -> share, see `Recipe`.
    """

    def __init__(
        self,
        data: list[TaskData],
        config: ModelConfig,
        rows: dict[str, float],
        batch_rows: int,
        domain_weights: dict[str, float],
        task_weights: dict[str, float],
        prompted: float,
        from_end: float,
        corrected: float,
        told: dict[str, float],
    ):
        self.config, self.batch_rows = config, batch_rows
        self.prompted, self.from_end, self.corrected, self.told = prompted, from_end, corrected, told
        self.rows: dict[tuple[str, bool], float] = {}  # by modality and whether the model stays there as it was
        self.tasks: dict[tuple[str, bool], list[TaskData]] = {}
        for modality, wanted in rows.items():
            parts = {stays: [d for d in data if (d.modality, d.stays) == (modality, stays)] for stays in (False, True)}
            for stays, members in parts.items():
                share = 1.0 if not parts[not stays] else 1 - LEARNT if stays else LEARNT
                if members:
                    self.rows[modality, stays], self.tasks[modality, stays] = wanted * share, members
        self.modalities = sorted({modality for modality, _ in self.rows})
        self.chances = {}
        for kind, members in self.tasks.items():
            domains = np.array([d.id.partition("/")[0] for d in members])
            chance = np.ones(len(members))
            for pattern, weight in () if kind[1] else task_weights.items():  # where it stays none is harder
                chance[[fnmatchcase(d.id, pattern) for d in members]] = weight
            for domain in np.unique(domains):
                chance[domains == domain] *= domain_weights.get(domain, 1.0) / chance[domains == domain].sum()
            self.chances[kind] = chance / chance.sum()

    def step(self, rng: np.random.Generator) -> Iterator[tuple[str, Batch]]:
        """The batches of one optimiser step with their modality."""
        for kind, wanted in self.rows.items():
            count = int(wanted + rng.random())
            while count > 0:
                rows = min(count, self.batch_rows)
                yield kind[0], pack(self._fill(kind, rows, rng), self.config)
                count -= rows

    def _fill(self, kind: tuple[str, bool], count: int, rng: np.random.Generator) -> list[list["Sequence"]]:
        """Draws sequences until the rows are full; the last ones are cut to fit.

        In the `flat` layout a padded scalar would be a position of its own, so a batch holds one task.
        """
        members, chances = self.tasks[kind], self.chances[kind]
        fixed = members[rng.choice(len(members), p=chances)] if self.config.layout == "flat" else None
        rows: list[list[Sequence]] = [[] for _ in range(count)]
        length = self.config.max_prompt + self.config.live_steps(kind[0] == "grid")
        room = np.full(count, length)
        while True:
            sequence = self._sequence(fixed or members[rng.choice(len(members), p=chances)], rng)
            fitting = np.flatnonzero(room >= len(sequence))
            if len(fitting):
                row = fitting[room[fitting].argmin()]
            else:
                row = room.argmax()
                if room[row] < max(1, LEFT_OVER * length):
                    return rows
                sequence = sequence.cut(int(room[row]))
            rows[row].append(sequence)
            room[row] -= len(sequence)

    def _sequence(self, task: TaskData, rng: np.random.Generator) -> Sequence:
        there = int(task.length[task.corrections].sum())
        few = 1 if task.stays else FEW
        corrected = rng.random() < self.corrected * there / (there + few)
        episode = int(rng.choice(task.corrections if corrected else task.demonstrations))
        brief = rng.random() < BRIEF
        choices = task.prompts[episode]
        prompt, source = np.zeros(0, np.int64), episode
        if len(choices) > 1 and rng.random() < self.prompted:
            while source == episode:
                source = int(rng.choice(choices))
            prompt = task.start[source] + self._window(int(task.length[source]), brief, rng)
            if task.hidden_goal and rng.random() < self.told.get(task.modality, 0.0):
                return Sequence(task, prompt, source, np.zeros(0, np.int64), episode, np.zeros(0))
        length = int(task.length[episode])
        most = self.config.live_steps(task.grid is not None)
        from_start = FROM_START.get(task.modality, FROM_START_ELSEWHERE)
        at_start = rng.random() < (from_start if length <= 2 * most else from_start / 2)
        until = length if rng.random() < 0.5 else min(length, EARLY * most)
        history = int(task.history[episode])
        earliest = max(0, history - int(rng.integers(most // 4, most)))
        first = earliest if at_start or earliest >= until else int(rng.integers(earliest, until))
        whole = (at_start and length <= most) or first < history
        count = most if whole else int(rng.integers(max(1, most // 6), most + 1))
        count = min(count, BRIEF_STEPS) if brief else count
        live = np.arange(first, min(first + count, length))
        aimed = live - history  # steps since the prompt's aim is the one that is pursued
        weight = np.where(aimed < 0, 0.0, np.where(aimed < FIRST_STEPS, FIRST_WEIGHT, 1.0))
        return Sequence(task, prompt, source, task.start[episode] + live, episode, weight)

    def _window(self, length: int, brief: bool, rng: np.random.Generator) -> np.ndarray:
        """Timesteps of a prompt from an episode of that length: a window of stride 1 to 3, often up to the end.

        An episode that fits as it is seldom gets a stride: the one step at which something is picked up must be seen.
        """
        most = min(self.config.max_prompt, BRIEF_STEPS) if brief else self.config.max_prompt
        count = most if rng.random() < 0.25 else int(rng.integers(max(1, most // 8), most + 1))
        stride = 1 if length <= most and rng.random() < UNSTRIDDEN else int(rng.integers(1, 4))
        span = min(length, count * stride)
        first = length - span if rng.random() < self.from_end else int(rng.integers(length - span + 1))
        return np.arange(first + (span - 1) % stride, first + span, stride)


def pack(rows: list[list[Sequence]], config: ModelConfig) -> Batch:
    """Rows of sequences of one kind -> a batch; scalars and actions are padded with -1."""
    sequences = [sequence for row in rows for sequence in row]
    pictured = sequences[0].task
    B, S = len(rows), config.max_prompt + config.live_steps(pictured.grid is not None)
    K = max(s.task.values.shape[1] for s in sequences)
    A = max(s.task.actions.shape[1] for s in sequences)
    values = np.full((B, S, K), -1, np.int64)
    actions = np.full((B, S, A), -1, np.int64)
    discrete = np.zeros((B, S), bool)
    grid = None if pictured.grid is None else np.zeros((B, S, *pictured.grid.shape[1:]), np.int64)
    image = None if pictured.image is None else np.zeros((B, S, *pictured.image.shape[1:]), np.uint8)
    show_action = np.zeros((B, S), bool)
    weight = np.zeros((B, S), np.float32)
    text_index = np.zeros((B, S), np.int64)
    first = np.tile(np.arange(S), (B, 1))  # padding: each a sequence of its own
    asked: list[np.ndarray] = []
    asked_at: list[int] = []
    texts: dict[tuple[str, int], int] = {}
    tokens: list[np.ndarray] = []
    for b, row in enumerate(rows):
        start = 0
        for s in row:
            task, index = s.task, np.concatenate((s.prompt, s.live))
            middle, stop = start + len(s.prompt), start + len(s)
            here = slice(start, stop)
            values[b, here, : task.values.shape[1]] = task.values[index]
            actions[b, here, : task.actions.shape[1]] = task.actions[index]
            discrete[b, here] = task.form.action.kind == "discrete"
            if grid is not None and task.grid is not None:
                grid[b, here] = task.grid[index]
            if image is not None and task.image is not None:
                image[b, here] = task.image[index]
            if task.text is not None and task.wished is not None:
                now = middle + s.history
                wish = task.wished if len(s.prompt) else task.text
                for part, which in (
                    (slice(start, middle), task.text[s.prompt_episode]),
                    (slice(middle, now), task.text[s.live_episode]),
                    (slice(now, stop), wish[s.live_episode]),
                ):
                    key = (task.id, int(which))
                    if key not in texts:
                        texts[key] = len(texts)
                        tokens.append(task.texts[key[1]])
                    text_index[b, part] = texts[key]
            show_action[b, start:middle] = True
            if len(s.prompt):
                asked.append(task.asked[s.prompt_episode])
                asked_at.append(b * S + middle - 1)
            weight[b, middle:stop] = s.weight
            first[b, here] = start
            start = stop
    text = None
    if texts:
        longest = max([1, *map(len, tokens)])
        text = np.zeros((len(tokens) + -len(tokens) % TEXTS, longest + -longest % TEXTS), np.int64)
        for line, ids in zip(text, tokens, strict=False):
            line[: len(ids)] = ids
    return Batch(
        TokenBatch(
            values=torch.from_numpy(values),
            actions=torch.from_numpy(actions),
            discrete=torch.from_numpy(discrete),
            show_observation=torch.ones(B, S, dtype=torch.bool),
            show_action=torch.from_numpy(show_action),
            grid=None if grid is None else torch.from_numpy(grid),
            image=None if image is None else torch.from_numpy(image),
            text=None if text is None else torch.from_numpy(text),
            text_index=None if text is None else torch.from_numpy(text_index),
            first=torch.from_numpy(first),
        ),
        torch.from_numpy(weight),
        torch.from_numpy(np.stack(asked) if asked else np.zeros((0, GOAL_TOKENS), np.int64)),
        torch.tensor(asked_at, dtype=torch.int64),
        pictured.stays,
    )
