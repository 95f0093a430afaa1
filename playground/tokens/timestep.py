"""The order inside a timestep: text, picture, tensors by key in lexicographic order; separator; action.

This is the one place that knows it. Token ids are Gato's: text in [0, 1024) (there 32,000), discrete values in
[0, 1024), continuous values shifted behind the text ids, then one separator.
"""

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from playground.errors import BadValueError
from playground.tokens.images import PATCH
from playground.tokens.scalars import BINS, encode_continuous, encode_discrete, encode_unit
from playground.tokens.text import TEXT_VOCABULARY, encode_text

CONTINUOUS_START = TEXT_VOCABULARY
SEPARATOR = CONTINUOUS_START + BINS
VOCABULARY = SEPARATOR + 1
MAX_DISCRETE_ACTIONS = 32


@dataclass(frozen=True)
class ActionSpec:
    """How an action becomes tokens: `continuous` with `size` dimensions, or `discrete` with `size` choices."""

    kind: str
    size: int

    @property
    def tokens(self) -> int:
        """Tokens of one action, A."""
        return self.size if self.kind == "continuous" else 1


@dataclass(frozen=True)
class TimestepSpec:
    """The shape of a task's timesteps.

    Attributes:
        text: key of the text, if there is one.
        image: key of the picture, if there is one.
        tensors: (key, shape) of the other tensors, in lexicographic order of keys.
        action: how the action becomes tokens.
    """

    text: str | None
    image: str | None
    tensors: tuple[tuple[str, tuple[int, ...]], ...]
    action: ActionSpec

    @property
    def grid(self) -> bool:
        """Whether one of the tensors is a grid of cells."""
        return any(len(shape) == 3 for _, shape in self.tensors)

    @classmethod
    def from_spaces(cls, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> "TimestepSpec":
        """Reads the spec off a canonical environment's spaces.

        Raises:
            BadValueError: a space that canonical environments do not have.
        """
        if not isinstance(observation_space, gym.spaces.Dict):
            raise BadValueError(f"observation space {observation_space} has no keys; give a Dict")
        text = image = None
        tensors = []
        for key, space in sorted(observation_space.spaces.items()):
            if isinstance(space, gym.spaces.Text):
                text = key
            elif _is_image(space.dtype, space.shape):
                image = key
            else:
                tensors.append((key, tuple(space.shape or ())))
        if isinstance(action_space, gym.spaces.Discrete):
            action = ActionSpec("discrete", int(action_space.n))
        elif isinstance(action_space, gym.spaces.Box):
            action = ActionSpec("continuous", int(np.prod(action_space.shape)))
        else:
            raise BadValueError(f"action space {action_space} has no tokens; give Discrete or Box")
        return cls(text, image, tuple(tensors), action)

    @classmethod
    def from_arrays(cls, observations: dict[str, np.ndarray], actions: np.ndarray, choices: int = 0) -> "TimestepSpec":
        """Reads the spec off recorded arrays [N, ...]; `choices` is the number of discrete actions, if known."""
        text = image = None
        tensors = []
        for key, values in sorted(observations.items()):
            if values.dtype.kind == "U":
                text = key
            elif _is_image(values.dtype, values.shape[1:]):
                image = key
            else:
                tensors.append((key, values.shape[1:]))
        if actions.dtype.kind == "f":
            action = ActionSpec("continuous", actions.shape[1])
        else:
            action = ActionSpec("discrete", choices or MAX_DISCRETE_ACTIONS)
        return cls(text, image, tuple(tensors), action)


def _is_image(dtype: Any, shape: tuple[int, ...] | None) -> bool:
    return dtype == np.uint8 and shape is not None and len(shape) == 3 and min(shape[:2]) >= PATCH


def encode_tensors(spec: TimestepSpec, observations: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
    """Tensors of N observations -> token ids.

    Returns:
        values int64 [N, K]: tensors of at most one axis, row-major, in the order of their keys.
        grid int64 [N, H, W, C] or None: the tensor of three axes (cells with C symbols each).

    Raises:
        BadValueError: NaN, infinity, or a discrete value outside [0, 1024).
    """
    values, grid = [], None
    for key, shape in spec.tensors:
        x = np.asarray(observations[key])
        ids = encode_continuous(x) + CONTINUOUS_START if x.dtype.kind == "f" else encode_discrete(x)
        if len(shape) == 3:
            grid = ids
        else:
            values.append(ids.reshape(len(ids), -1))
    count = len(next(iter(observations.values())))
    return np.concatenate(values, axis=1) if values else np.zeros((count, 0), np.int64), grid


def encode_texts(texts: list[str]) -> np.ndarray:
    """Texts -> token ids int64 [U, L], padded with 0 to the longest (at least 1)."""
    encoded = [encode_text(text) for text in texts]
    ids = np.zeros((len(texts), max([1, *map(len, encoded)])), np.int64)
    for row, tokens in zip(ids, encoded, strict=True):
        row[: len(tokens)] = tokens
    return ids


def encode_actions(spec: ActionSpec, actions: np.ndarray, bins: int) -> np.ndarray:
    """Actions [N, A] in [-1, 1] or choices [N] -> tokens int64 [N, A] or [N, 1]; no mu-law, as in the paper."""
    actions = np.asarray(actions)
    if spec.kind == "continuous":
        return encode_unit(actions, bins)
    return encode_discrete(actions, spec.size).reshape(-1, 1)
