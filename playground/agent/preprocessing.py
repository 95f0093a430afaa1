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
from playground.tokens.timestep import (
    TimestepSpec,
    encode_actions,
    encode_tensors,
    encode_texts,
)

MAX_STRIDE = 3
"""Training takes every timestep, every second or every third, so longer strides are unknown to the model."""


def fit_steps(length: int, room: int) -> np.ndarray:
    """Which timesteps of a prompt the agent reads: at most `room`, the last one included.

    The smallest stride that covers all of the prompt is taken; where that exceeds `MAX_STRIDE`, its end with that
    stride.

    Args:
        length: timesteps of the prompt; joined segments count as one timeline.
        room: most timesteps that the model reads.

    Returns:
        Their places in the prompt, rising, int64 [P].
    """
    stride = min(max(-(-length // room), 1), MAX_STRIDE)
    return np.arange(length - 1, -1, -stride)[:room][::-1]


def fit_prompt(prompt: Prompt, room: int) -> Prompt:
    """The timesteps of a prompt that `fit_steps` chooses; its segments say which of their demonstrations they are."""
    if len(prompt) <= room:
        return prompt
    chosen = fit_steps(len(prompt), room)
    segments, start = [], 0
    for segment in prompt.segments:
        inside = chosen[(chosen >= start) & (chosen < start + len(segment))] - start
        if len(inside):
            segments.append(segment.take(inside))
        start += len(segment)
    return replace(prompt, segments=tuple(segments))


@torch.inference_mode()
def embed_prompt(model: GeneralistModel, prompt: Prompt) -> Tensor:
    """A prompt's embedded positions [P, D], one timestep after the other; it must fit, see `fit_prompt`."""
    segments = (encode_segment(segment, model.config).to(model.device) for segment in prompt.segments)
    return torch.cat([model.embed(segment).flatten(0, 2) for segment in segments])


def check_room(spec: TimestepSpec, config: ModelConfig) -> None:
    """Checks that the model has room for a world's observations and actions.

    Raises:
        BadValueError: it has not.
    """
    values = sum(int(np.prod(shape)) for _, shape in spec.tensors if config.layout == "flat" or len(shape) < 3)
    cells = max((max(shape[:2]) for _, shape in spec.tensors if len(shape) == 3), default=0)
    for name, found, limit in (
        ("numbers", values, config.max_values),
        ("cells a side", cells, config.grid),
        ("actions", spec.action.tokens, config.max_actions),
    ):
        if found > limit:
            raise BadValueError(f"the world has {found} {name}, this model reads {limit}; use a larger model")


def encode_segment(segment: Segment, config: ModelConfig) -> TokenBatch:
    """The timesteps of a demonstration of any body, [1, P]."""
    spec = TimestepSpec.from_arrays(segment.observations, segment.actions)
    parts = _numbers(spec, segment.observations, config)
    actions = encode_actions(spec.action, segment.actions, config.action_bins)[:, : config.max_actions]
    P = len(segment)
    return TokenBatch(
        actions=torch.from_numpy(actions)[None],
        discrete=torch.full((1, P), spec.action.kind == "discrete"),
        show_observation=torch.full((1, P), segment.use_observations),
        show_action=torch.full((1, P), segment.use_actions),
        **{name: part[None] for name, part in parts.items()},
        **_texts(spec, segment.observations, config, (1, P)),
    )


def encode_observations(spec: TimestepSpec, observations: Sequence[Observation], config: ModelConfig) -> TokenBatch:
    """One observation from each of N running episodes, [N, 1]; actions are hidden.

    Texts are padded to the longest of the N; only the `flat` layout sees the padding.
    """
    stacked, shape = _stacked(observations), (len(observations), 1)
    return TokenBatch.live(
        spec.action.tokens,
        spec.action.kind == "discrete",
        **{name: part[:, None] for name, part in _numbers(spec, stacked, config).items()},
        **_texts(spec, stacked, config, shape),
    )


def _stacked(observations: Sequence[Observation]) -> dict[str, np.ndarray]:
    """N observations, each key's part as one array [N, ...]."""
    if len(observations) == 1:
        return {key: np.asarray(part)[None] for key, part in observations[0].items()}
    return {key: np.stack([np.asarray(o[key]) for o in observations]) for key in observations[0]}


def _numbers(spec: TimestepSpec, observations: Mapping[str, np.ndarray], config: ModelConfig) -> dict[str, Tensor]:
    """What the numbers of N observations contribute to `TokenBatch`: its fields by name, each [N, ...]."""
    arrays = {key: part for key, part in observations.items() if key != spec.text}
    values, grid = encode_tensors(spec, arrays)
    room = config.max_values
    parts: dict[str, Tensor] = {}
    if grid is not None:
        grid = grid[:, : config.grid, : config.grid]
        parts["grid"] = torch.from_numpy(grid)
        room -= grid[0].size if config.layout == "flat" else 0
    parts["values"] = torch.from_numpy(values[:, : max(room, 0)])
    if spec.image is not None:
        image = arrays[spec.image]
        height, width = (side // PATCH * PATCH for side in image.shape[1:3])
        parts["image"] = torch.from_numpy(np.ascontiguousarray(image[:, :height, :width]))
    return parts


def _texts(
    spec: TimestepSpec, observations: Mapping[str, np.ndarray], config: ModelConfig, shape: tuple[int, int]
) -> dict[str, Tensor]:
    """The distinct texts of N observations and which each has, for `TokenBatch` of that shape."""
    if spec.text is None:
        return {}
    texts = np.asarray(observations[spec.text]).tolist()
    number = {text: k for k, text in enumerate(dict.fromkeys(texts))}
    ids = encode_texts(list(number))[:, : config.max_text]
    index = torch.tensor([number[text] for text in texts]).view(shape)
    return {"text": torch.from_numpy(ids), "text_index": index}
