"""What the agent reads: prompts and observations as `TokenBatch`es. Whatever exceeds the model's limits is cut.

Shapes: P timesteps of a segment, N rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from playground.errors import BadValueError
from playground.model import GeneralistModel, ModelConfig, TokenBatch
from playground.prompt import Prompt, Segment
from playground.task import Observation
from playground.tokens.images import PATCH
from playground.tokens.scalars import decode_continuous
from playground.tokens.text import FIRST_WORD, PADDING, WORDS, decode_text
from playground.tokens.timestep import (
    CONTINUOUS_START,
    SEPARATOR,
    TimestepSpec,
    encode_actions,
    encode_tensors,
    encode_texts,
)

MAX_STRIDE = 3
"""Training windows take every timestep, every second or every third."""


def fit_prompt(prompt: Prompt, max_prompt: int) -> Prompt:
    """Chooses at most `max_prompt` timesteps, the last included.

    The smallest stride that covers all of the prompt is taken; where that exceeds 3, the end with stride 3. Joined
    segments count as one timeline.
    """
    stride = min(max(-(-len(prompt) // max_prompt), 1), MAX_STRIDE)
    if stride == 1 and len(prompt) <= max_prompt:
        return prompt
    chosen = np.arange(len(prompt) - 1, -1, -stride)[:max_prompt][::-1]
    segments, start = [], 0
    for segment in prompt.segments:
        inside = chosen[(chosen >= start) & (chosen < start + len(segment))] - start
        if len(inside):
            segments.append(segment.take(inside))
        start += len(segment)
    return replace(prompt, segments=tuple(segments))


@torch.inference_mode()
def embed_prompt(model: GeneralistModel, prompt: Prompt) -> Tensor:
    """The positions of as much of a prompt as the model has room for, one after the other, [P, D]."""
    fitting = fit_prompt(prompt, model.config.max_prompt)
    segments = (encode_segment(segment, model.config).to(model.device) for segment in fitting.segments)
    return torch.cat([model.embed(segment).flatten(0, 2) for segment in segments])


@torch.inference_mode()
def predict_goal(model: GeneralistModel, prompt: Prompt) -> str:
    """What the agent takes a prompt to ask for: the goal, in words or numbers, or the task's name; often wrong."""
    return told_by(model, model.trunk(embed_prompt(model, prompt)[None])[0, -1])


@torch.inference_mode()
def told_by(model: GeneralistModel, h: Tensor) -> str:
    """As `predict_goal`, from the trunk's output [D] at the prompt's last position."""
    tokens = model.prompt_reader(h[None], model.encoder.tables.token.weight[:SEPARATOR])[0].argmax(-1).cpu().numpy()
    told = tokens[: np.append(np.flatnonzero(tokens == PADDING), len(tokens))[0]]
    numbers = told[told >= CONTINUOUS_START] - CONTINUOUS_START
    if len(numbers):
        return ", ".join(f"{number:.2f}" for number in decode_continuous(numbers))
    return decode_text(told[told < FIRST_WORD + len(WORDS)])


def check_room(form: TimestepSpec, config: ModelConfig) -> None:
    """Raises BadValueError if the model has no room for a world's observations or actions."""
    values = sum(int(np.prod(shape)) for _, shape in form.tensors if config.layout == "flat" or len(shape) < 3)
    cells = max((max(shape[:2]) for _, shape in form.tensors if len(shape) == 3), default=0)
    for name, found, limit in (
        ("numbers", values, config.max_values),
        ("cells a side", cells, config.grid),
        ("actions", form.action.tokens, config.max_actions),
    ):
        if found > limit:
            raise BadValueError(f"the world has {found} {name}, this model reads {limit}; use a larger model")


def encode_segment(segment: Segment, config: ModelConfig) -> TokenBatch:
    """The timesteps of a demonstration of any body, [1, P]."""
    form = TimestepSpec.from_arrays(segment.observations, segment.actions)
    parts = _numbers(form, segment.observations, config)
    actions = encode_actions(form.action, segment.actions, config.action_bins)[:, : config.max_actions]
    P = len(segment)
    return TokenBatch(
        actions=torch.from_numpy(actions)[None],
        discrete=torch.full((1, P), form.action.kind == "discrete"),
        show_observation=torch.full((1, P), segment.use_observations),
        show_action=torch.full((1, P), segment.use_actions),
        **{name: part[None] for name, part in parts.items()},
        **_texts(form, segment.observations, config, (1, P)),
    )


def encode_observations(form: TimestepSpec, observations: Sequence[Observation], config: ModelConfig) -> TokenBatch:
    """One observation from each of N running episodes, [N, 1]; actions are hidden.

    Texts are padded to the longest of the N; only the `flat` layout sees the padding.
    """
    N = len(observations)
    stacked = _stacked(observations)
    return TokenBatch(
        actions=torch.full((N, 1, form.action.tokens), -1),
        discrete=torch.full((N, 1), form.action.kind == "discrete"),
        show_observation=torch.ones(N, 1, dtype=torch.bool),
        show_action=torch.zeros(N, 1, dtype=torch.bool),
        **{name: part[:, None] for name, part in _numbers(form, stacked, config).items()},
        **_texts(form, stacked, config, (N, 1)),
    )


def encode_numbers(form: TimestepSpec, observations: Sequence[Observation], config: ModelConfig) -> dict[str, Tensor]:
    """N observations' `values` [N, K] and, where there are any, `grid` and `image`, as in `TokenBatch`; no texts."""
    return _numbers(form, _stacked(observations), config)


def _stacked(observations: Sequence[Observation]) -> dict[str, np.ndarray]:
    if len(observations) == 1:
        return {key: np.asarray(part)[None] for key, part in observations[0].items()}
    return {key: np.stack([np.asarray(o[key]) for o in observations]) for key in observations[0]}


def _numbers(form: TimestepSpec, observations: Mapping[str, np.ndarray], config: ModelConfig) -> dict[str, Tensor]:
    """What the numbers of N observations contribute to `TokenBatch`: its fields by name, each [N, ...]."""
    arrays = {key: part for key, part in observations.items() if key != form.text}
    values, grid = encode_tensors(form, arrays)
    room = config.max_values
    parts: dict[str, Tensor] = {}
    if grid is not None:
        grid = grid[:, : config.grid, : config.grid]
        parts["grid"] = torch.from_numpy(grid)
        room -= grid[0].size if config.layout == "flat" else 0
    parts["values"] = torch.from_numpy(values[:, : max(room, 0)])
    if form.image is not None:
        image = arrays[form.image]
        height, width = (side // PATCH * PATCH for side in image.shape[1:3])
        parts["image"] = torch.from_numpy(np.ascontiguousarray(image[:, :height, :width]))
    return parts


def _texts(
    form: TimestepSpec, observations: Mapping[str, np.ndarray], config: ModelConfig, shape: tuple[int, int]
) -> dict[str, Tensor]:
    """The distinct texts of N observations and which each has, for `TokenBatch` of that shape."""
    if form.text is None:
        return {}
    texts, index = np.unique(observations[form.text], return_inverse=True)
    return {"text": encode_text_batch(texts.tolist(), config), "text_index": torch.from_numpy(index).view(shape)}


def encode_text_batch(texts: Sequence[str], config: ModelConfig) -> Tensor:
    """Texts as token ids [U, L], padded with 0."""
    return torch.from_numpy(encode_texts(list(texts))[:, : config.max_text])
