"""The agent as a policy: reads what it observes, keeps it in a Context, decides. Many agents share one model."""

from collections import deque
from collections.abc import Sequence
from time import perf_counter
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from playground.agent.context import Context
from playground.agent.ood import OODDetector
from playground.agent.preprocessing import check_room, encode_observations
from playground.agent.reading import PromptReading, read_prompt
from playground.agent.subtasks import Split, SubtaskTracker, whole
from playground.environment import DomainEnv
from playground.events import Decision
from playground.model import GeneralistModel, choose_backend
from playground.prompt import Prompt
from playground.task import Action, Observation
from playground.tokens.scalars import decode_unit
from playground.tokens.timestep import TimestepSpec

TEMPERATURE = 0.7
"""Discrete actions are sampled, as in the Gato paper, from a distribution sharpened by this. The most likely action
alone can turn left and right for ever, and the plain distribution slips too often."""

READINGS = 4
"""Latest prompts whose readings are remembered."""


class BatchAgent:
    """Acts in several worlds of one form at a time; each row has its own prompt and its own live steps.

    Where a world's text is empty, the agent reads the predicted goal of its prompt in place of it. It has learnt what
    missions mean from all the worlds that give one.

    Of an instruction with several subtasks the agent reads the current one. It goes on to the next when its
    subtask-done head says so: an inner monologue (Huang et al. 2022, arXiv 2207.05608). If all seem done and the
    episode goes on, it begins with the first again.

    Args:
        model: the shared network, in evaluation mode.
        spec: the worlds' observations and actions.
        batch: number of rows.
        split: the grammar of the worlds' instructions.
        detector: scores prompts that are read; None scores none.

    Raises:
        BadValueError: the model has no room for the worlds' observations or actions.
    """

    def __init__(
        self,
        model: GeneralistModel,
        spec: TimestepSpec,
        batch: int,
        split: Split = whole,
        detector: OODDetector | None = None,
    ):
        check_room(spec, model.config)
        self._model = model
        self._spec = spec
        self._split = split
        self._detector = detector
        self._context = Context(model, batch, model.config.live_steps(spec.grid))
        self._readings: list[PromptReading | None] = [None] * batch  # of each row's prompt
        self._remembered: deque[tuple[Prompt, PromptReading]] = deque(maxlen=READINGS)
        self._trackers = [SubtaskTracker(split) for _ in range(batch)]
        self._draws = [np.random.default_rng(row) for row in range(batch)]

    @classmethod
    def for_worlds(cls, model: GeneralistModel, envs: Sequence[DomainEnv]) -> Self:
        """One row for each of several worlds of one form.

        Raises:
            BadValueError: the model has no room for their observations or actions.
        """
        spec = TimestepSpec.from_spaces(envs[0].observation_space, envs[0].action_space)
        return cls(model, spec, len(envs), envs[0].subtasks)

    @property
    def context(self) -> Context:
        """The rows' prompts and live steps. Edits of a prompt last until the row is conditioned again."""
        return self._context

    def read(self, prompt: Prompt) -> PromptReading:
        """Reads a prompt in one pass, before any row is conditioned on it.

        The latest `READINGS` prompts are remembered, so that `condition` takes this reading and makes no other pass;
        but not while somebody's hooks are on. A front end may call this from another thread than the one that acts.

        Raises:
            BadFileError: the detector is of another network.
        """
        if self._model.hooked:
            return read_prompt(self._model, prompt, self._detector)
        for remembered, reading in tuple(self._remembered):
            if remembered is prompt:
                return reading
        reading = read_prompt(self._model, prompt, self._detector)
        self._remembered.append((prompt, reading))
        return reading

    def condition(self, prompts: Sequence[Prompt | None], rows: Sequence[int]) -> None:
        """Gives each of N rows its prompt; rows with the same object share its reading. Live steps stay."""
        groups: dict[int, tuple[Prompt | None, list[int]]] = {}
        for prompt, row in zip(prompts, rows, strict=True):
            groups.setdefault(id(prompt), (prompt, []))[1].append(row)
        for prompt, same in groups.values():
            reading = None if prompt is None else self.read(prompt)
            self._context.set_prompt(same, None if reading is None else reading.cache)
            for row in same:
                self._readings[row] = reading

    def reading(self, row: int) -> PromptReading | None:
        """What the agent read of a row's prompt; None without one."""
        return self._readings[row]

    def attention(self, row: int) -> np.ndarray | None:
        """How much a row's latest decision looked at each timestep of its prompt, float32 [P].

        What is missing to a sum of 1 went to the live steps. None without a prompt, before the first decision, and
        while a new prompt waits for the next one.
        """
        weights, reading = self._context.attention(row), self._readings[row]
        if weights is None or reading is None:
            return None
        # Positions per timestep differ only where a prompt of several forms is read token by token.
        steps = len(reading.steps)
        return F.adaptive_avg_pool1d(weights[None], steps)[0].mul(len(weights) / steps).cpu().numpy()

    def reset(self, rows: Sequence[int]) -> None:
        """Forgets the live steps of rows; their prompts stay. The same worlds then get the same actions again."""
        self._context.reset(rows)
        for row in rows:
            self._trackers[row] = SubtaskTracker(self._split)
            self._draws[row] = np.random.default_rng(row)

    @torch.inference_mode()
    def act(self, observations: Sequence[Observation], rows: Sequence[int]) -> list[Decision]:
        """Proposes an action for each of N rows."""
        began = perf_counter()
        action = self._spec.action
        discrete = action.kind == "discrete"
        h = self._advance(self._extend(observations, rows), observations, rows)
        tokens, probabilities, means = choose_backend(self._model).decode(h, discrete, action.size)
        if discrete:
            sharpened = probabilities[:, 0].astype(np.float64) ** (1 / TEMPERATURE)
            below = sharpened.cumsum(-1)
            drawn = np.array([self._draws[row].random() for row in rows])
            actions = (below / below[:, -1:] <= drawn[:, None]).sum(-1)  # below 1, so never past the last
            tokens = actions[:, None]
        else:
            actions = decode_unit(means, self._model.config.action_bins)
        live_steps = self._context.live_steps
        latency_ms = (perf_counter() - began) * 1e3
        return [
            Decision(
                action=np.asarray(actions[n]),
                tokens=tokens[n],
                probabilities=probabilities[n],
                prompt_steps=0 if (reading := self._readings[row]) is None else len(reading.steps),
                live_steps=live_steps[row],
                latency_ms=latency_ms,
                subtask=self._trackers[row].current,
            )
            for n, row in enumerate(rows)
        ]

    def commit(self, actions: Sequence[Action], rows: Sequence[int]) -> None:
        """Changes nothing: the agent does not see its own past actions, only what they led to."""

    def _advance(self, h: Tensor, observations: Sequence[Observation], rows: Sequence[int]) -> Tensor:
        """Goes on to the next subtask in the rows whose current one is done, and reads their timestep once more.

        Args:
            h: the trunk's outputs at the N rows' latest timesteps, [N, T, D].
            observations: these timesteps.
            rows: which rows.

        Returns:
            The outputs at the timesteps as they were read last, [N, T, D].
        """
        advances, left = 0, list(range(len(rows)))
        while left := [n for n in left if advances < len(self._trackers[rows[n]].subtasks) - 1]:
            done = self._subtask_done(h[left, -1], [rows[n] for n in left])
            left = [n for n, is_done in zip(left, done, strict=True) if is_done]
            for n in left:
                self._trackers[rows[n]].advance()
            if left:
                h[left] = self._extend([observations[n] for n in left], [rows[n] for n in left])
            advances += 1
        return h

    def _subtask_done(self, h: Tensor, rows: Sequence[int]) -> list[bool]:
        """Whether the current subtask is done, of N rows with the trunk's outputs [N, D]."""
        done: list[bool] = (self._model.subtask_done_head(h) > 0).tolist()
        return done

    def _extend(self, observations: Sequence[Observation], rows: Sequence[int]) -> Tensor:
        """Reads one more live step of N rows -> the trunk's outputs, [N, T, D]."""
        if (text := self._spec.text) is not None:
            observations = [
                o | {text: self._trackers[row].follow(str(o[text]) or self._predicted_goal(row))}
                for o, row in zip(observations, rows, strict=True)
            ]
        batch = encode_observations(self._spec, observations, self._model.config)
        return self._context.extend(choose_backend(self._model).embed(batch), rows)

    def _predicted_goal(self, row: int) -> str:
        reading = self._readings[row]
        return "" if reading is None else reading.goal


class Agent:
    """Acts in one world: a `playground.events.Policy`. Arguments as those of `BatchAgent`."""

    def __init__(
        self,
        model: GeneralistModel,
        spec: TimestepSpec,
        split: Split = whole,
        detector: OODDetector | None = None,
    ):
        self._agent = BatchAgent(model, spec, 1, split, detector)

    @property
    def context(self) -> Context:
        """The prompt and the live steps, row 0 of it, see `BatchAgent.context`."""
        return self._agent.context

    def read(self, prompt: Prompt) -> PromptReading:
        """Reads a prompt before the agent is conditioned on it, see `BatchAgent.read`."""
        return self._agent.read(prompt)

    @property
    def reading(self) -> PromptReading | None:
        """What the agent read of the prompt that it is conditioned on; None without one."""
        return self._agent.reading(0)

    def attention(self) -> np.ndarray | None:
        """How much the latest decision looked at each timestep of the prompt, see `BatchAgent.attention`."""
        return self._agent.attention(0)

    def condition(self, prompt: Prompt | None) -> None:
        """Takes another prompt, of any task; the live steps stay."""
        self._agent.condition([prompt], [0])

    def reset(self) -> None:
        """Forgets the live steps; the prompt stays."""
        self._agent.reset([0])

    def act(self, observation: Observation) -> Decision:
        """Proposes an action for o_t."""
        return self._agent.act([observation], [0])[0]

    def commit(self, action: Action) -> None:
        """Changes nothing: the agent does not see its own past actions, only what they led to."""


def agent_for(model: GeneralistModel, env: DomainEnv, detector: OODDetector | None = None) -> Agent:
    """An agent for an environment's observations and actions.

    Raises:
        BadValueError: the model has no room for them.
    """
    spec = TimestepSpec.from_spaces(env.observation_space, env.action_space)
    return Agent(model, spec, env.subtasks, detector)
