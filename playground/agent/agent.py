"""The agent as a policy: reads what it observes, keeps it in a Context, decides. Many agents share one model."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from playground import assets
from playground.agent.context import Context
from playground.agent.reading import (
    check_form,
    embed_prompt,
    fit_prompt,
    read_numbers,
    read_observations,
    read_texts,
    told_by,
)
from playground.domains.base import DomainEnv
from playground.events import Decision
from playground.model import GeneralistModel, ReadText, Stepper, from_pretrained
from playground.prompt import Prompt
from playground.task import Action, Observation
from playground.tokens.scalars import decode_unit
from playground.tokens.timestep import Form

TEMPERATURE = 0.7
"""Choices are sampled, as in the Gato paper, from a distribution sharpened by this: the most likely choice alone can
turn left and right for ever, and the plain distribution slips too often."""


class BatchAgent:
    """Acts in several worlds of one form at a time; each row has its own prompt and its own live steps.

    Where a world's text is empty, the agent tells itself in words what the prompt asks for, and takes these words for
    the text: it has learnt what missions mean from all the worlds that give one.

    Args:
        model: the shared network, in evaluation mode.
        form: shape of the worlds' observations and actions.
        batch: number of rows.

    Raises:
        BadValueError: the model has no room for the worlds' observations or actions.
    """

    def __init__(self, model: GeneralistModel, form: Form, batch: int):
        check_form(form, model.config)
        self._model = model
        self._form = form
        self._words = [""] * batch
        self._context = Context(model, batch, model.config.live_steps(form.grid))
        self._stepper = Stepper(model) if Stepper.fits(model) else None
        self._texts: dict[str, ReadText] = {}  # the latest
        self._prompt_steps = [0] * batch
        self._draws = [np.random.default_rng(row) for row in range(batch)]

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
            self._draws[row] = np.random.default_rng(row)

    @torch.inference_mode()
    def act(self, observations: Sequence[Observation], rows: Sequence[int]) -> list[Decision]:
        """Proposes an action for each of N rows. Actions are not part of the context, so there is no commit."""
        began = perf_counter()
        if (text := self._form.text) is not None:
            observations = [
                o if o[text] else o | {text: self._words[row]} for o, row in zip(observations, rows, strict=True)
            ]
        action = self._form.action
        discrete = action.kind == "discrete"
        if self._stepper is not None and not self._stepper.watched:
            x = self._embed_few(self._stepper, observations)
            h = self._context.extend(x[:, None], rows)[:, 0]
            tokens, probabilities, means = self._stepper.decode(h, discrete, action.size)
        else:
            steps = read_observations(self._form, observations, self._model.config).to(self._model.device)
            h = self._context.extend(self._model.embed(steps)[:, 0], rows)
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
            )
            for n, row in enumerate(rows)
        ]

    def _embed_few(self, stepper: Stepper, observations: Sequence[Observation]) -> Tensor:
        """Observations, [N, D]. A text is read once: a mission stays the same for a whole episode."""
        config, read = self._model.config, None
        if self._form.text is not None:
            texts = [str(observation[self._form.text]) for observation in observations]
            known = self._texts
            self._texts = {
                text: known[text] if text in known else stepper.read_text(read_texts([text], config)[0])
                for text in dict.fromkeys(texts)
            }
            read = [self._texts[text] for text in texts]
        return stepper.embed(texts=read, **read_numbers(self._form, observations, config))


class Agent:
    """Acts in one world: a `playground.events.Policy`."""

    def __init__(self, model: GeneralistModel, form: Form):
        self._agent = BatchAgent(model, form, 1)

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


def load_agent(checkpoint: str | Path | None = None) -> GeneralistModel:
    """Loads a checkpoint folder for acting; None takes the shipped one.

    Raises:
        BadFileError: the folder is missing or damaged.
    """
    return from_pretrained(assets.ASSETS / "checkpoint" if checkpoint is None else checkpoint)


@lru_cache(maxsize=1)
def loaded_agent(checkpoint: str | None) -> GeneralistModel:
    """`load_agent`, kept until another checkpoint is asked for: what worker processes go from job to job with."""
    return load_agent(checkpoint)


def agent_for(model: GeneralistModel, env: DomainEnv) -> Agent:
    """An agent for an environment's observations and actions.

    Raises:
        BadValueError: the model has no room for them.
    """
    return Agent(model, Form.of(env.observation_space, env.action_space))
