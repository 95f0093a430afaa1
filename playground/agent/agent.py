"""The agent as a policy: reads what it observes, keeps it in a Context, decides. Many agents share one model."""

from collections.abc import Sequence
from functools import lru_cache
from time import perf_counter
from typing import Self

import numpy as np
import torch
from torch import Tensor

from playground.agent.context import Context
from playground.agent.missions import Progress, Split, whole
from playground.agent.preprocessing import (
    check_room,
    embed_prompt,
    encode_numbers,
    encode_observations,
    encode_text_batch,
    fit_prompt,
    told_by,
)
from playground.environment import DomainEnv
from playground.events import Decision
from playground.model import GeneralistModel, ReadText, Stepper
from playground.prompt import Prompt
from playground.task import Action, Observation
from playground.tokens.scalars import decode_unit
from playground.tokens.timestep import TimestepSpec

TEMPERATURE = 0.7
"""Choices are sampled, as in the Gato paper, from a distribution sharpened by this: the most likely choice alone can
turn left and right for ever, and the plain distribution slips too often."""


TEXTS = 256
"""Texts that are remembered as they were read: they stay the same for many timesteps."""


class BatchAgent:
    """Acts in several worlds of one form at a time; each row has its own prompt and its own live steps.

    Where a world's text is empty, the agent tells itself in words what the prompt asks for, and takes these words for
    the text: it has learnt what missions mean from all the worlds that give one.

    Of a text of several parts it reads the one that is due, and goes on to the next when it finds that it is done: an
    inner monologue (Huang et al. 2022, arXiv 2207.05608). If all seem done and the episode goes on, it begins anew.

    Args:
        model: the shared network, in evaluation mode.
        form: shape of the worlds' observations and actions.
        batch: number of rows.
        split: the grammar of the worlds' instructions.

    Raises:
        BadValueError: the model has no room for the worlds' observations or actions.
    """

    def __init__(self, model: GeneralistModel, form: TimestepSpec, batch: int, split: Split = whole):
        check_room(form, model.config)
        self._model = model
        self._form = form
        self._split = split
        self._words = [""] * batch
        self._progress = [Progress(split) for _ in range(batch)]
        self._context = Context(model, batch, model.config.live_steps(form.grid))
        self._stepper = Stepper(model) if Stepper.fits(model) else None
        self._read_text = lru_cache(maxsize=TEXTS)(self._read_text_anew)
        self._prompt_steps = [0] * batch
        self._draws = [np.random.default_rng(row) for row in range(batch)]

    @classmethod
    def for_worlds(cls, model: GeneralistModel, envs: Sequence[DomainEnv]) -> Self:
        """One row for each of several worlds of one form.

        Raises:
            BadValueError: the model has no room for their observations or actions.
        """
        form = TimestepSpec.from_spaces(envs[0].observation_space, envs[0].action_space)
        return cls(model, form, len(envs), envs[0].subtasks)

    def condition(self, prompts: Sequence[Prompt | None], rows: Sequence[int]) -> None:
        """Gives each of N rows its prompt; rows with the same object share the reading of it. Live steps stay."""
        groups: dict[int, tuple[Prompt | None, list[int]]] = {}
        for prompt, row in zip(prompts, rows, strict=True):
            groups.setdefault(id(prompt), (prompt, []))[1].append(row)
        for prompt, same in groups.values():
            fitting = None if prompt is None else fit_prompt(prompt, self._model.config.max_prompt)
            last = self._context.set_prompt(same, None if fitting is None else embed_prompt(self._model, fitting))
            words = "" if last is None or self._form.text is None else told_by(self._model, last)
            for row in same:
                self._words[row] = words
                self._prompt_steps[row] = 0 if fitting is None else len(fitting)

    def reset(self, rows: Sequence[int]) -> None:
        """Forgets the live steps of rows; their prompts stay. The same worlds then get the same choices again."""
        self._context.reset(rows)
        for row in rows:
            self._progress[row] = Progress(self._split)
            self._draws[row] = np.random.default_rng(row)

    @torch.inference_mode()
    def act(self, observations: Sequence[Observation], rows: Sequence[int]) -> list[Decision]:
        """Proposes an action for each of N rows."""
        began = perf_counter()
        action = self._form.action
        discrete = action.kind == "discrete"
        h = self._read(observations, rows)
        crossed, joined = 0, list(range(len(rows)))
        while joined := [n for n in joined if crossed < len(self._progress[rows[n]].parts) - 1]:
            done = self._done(h[joined, -1], [rows[n] for n in joined])
            joined = [n for n, is_done in zip(joined, done, strict=True) if is_done]
            for n in joined:
                self._progress[rows[n]].cross_off()
            if joined:
                h[joined] = self._read([observations[n] for n in joined], [rows[n] for n in joined])
            crossed += 1
        if self._fast is not None:
            tokens, probabilities, means = self._fast.decode(h[:, 0], discrete, action.size)
        else:
            tokens, probabilities, means = (t.cpu().numpy() for t in self._model.decode(h, discrete, action.size))
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
                np.asarray(actions[n]),
                tokens[n],
                probabilities[n],
                self._prompt_steps[row],
                live_steps[row],
                latency_ms,
                self._progress[row].parts[self._progress[row].due],
            )
            for n, row in enumerate(rows)
        ]

    def commit(self, actions: Sequence[Action], rows: Sequence[int]) -> None:
        """Changes nothing: the agent does not see its own past actions, only what they led to."""

    @property
    def _fast(self) -> Stepper | None:
        """The shorter way, unless somebody listens to the modules, which it goes past."""
        return None if self._stepper is None or self._stepper.watched else self._stepper

    def _read(self, observations: Sequence[Observation], rows: Sequence[int]) -> Tensor:
        """One more live step of N rows -> the trunk's outputs, [N, T, D]."""
        if (text := self._form.text) is not None:
            observations = [
                o | {text: self._progress[row].read(str(o[text]) or self._words[row])}
                for o, row in zip(observations, rows, strict=True)
            ]
        if self._fast is not None:
            return self._context.extend(self._embed_few(self._fast, observations)[:, None], rows)
        steps = encode_observations(self._form, observations, self._model.config).to(self._model.device)
        return self._context.extend(self._model.embed(steps)[:, 0], rows)

    def _done(self, h: Tensor, rows: Sequence[int]) -> list[bool]:
        """Whether the part that is due is done, of N rows with the trunk's outputs [N, D]."""
        done: list[bool] = (self._model.done_reader(h) > 0).tolist()
        return done

    def _read_text_anew(self, text: str) -> ReadText:
        assert self._stepper is not None
        return self._stepper.read_text(encode_text_batch([text], self._model.config)[0])

    def _embed_few(self, stepper: Stepper, observations: Sequence[Observation]) -> Tensor:
        """Observations, [N, D]."""
        key = self._form.text
        read = None if key is None else [self._read_text(str(observation[key])) for observation in observations]
        return stepper.embed(texts=read, **encode_numbers(self._form, observations, self._model.config))


class Agent:
    """Acts in one world: a `playground.events.Policy`."""

    def __init__(self, model: GeneralistModel, form: TimestepSpec, split: Split = whole):
        self._agent = BatchAgent(model, form, 1, split)

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


def agent_for(model: GeneralistModel, env: DomainEnv) -> Agent:
    """An agent for an environment's observations and actions.

    Raises:
        BadValueError: the model has no room for them.
    """
    return Agent(model, TimestepSpec.from_spaces(env.observation_space, env.action_space), env.subtasks)
