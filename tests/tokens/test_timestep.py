"""The order inside a timestep, and the form of tasks."""

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from playground.errors import BadValueError
from playground.tokens.scalars import decode_unit
from playground.tokens.timestep import (
    CONTINUOUS_START,
    SEPARATOR,
    VOCABULARY,
    ActionSpec,
    TimestepSpec,
    encode_actions,
    encode_tensors,
    encode_texts,
)

SPACE = gym.spaces.Dict(
    {
        "velocity": gym.spaces.Box(-np.inf, np.inf, (2,), np.float32),
        "mission": gym.spaces.Text(20),
        "grid": gym.spaces.Box(0, 10, (3, 2, 3), np.uint8),
        "direction": gym.spaces.Discrete(4),
        "arm": gym.spaces.Box(-np.inf, np.inf, (1,), np.float32),
        "image": gym.spaces.Box(0, 255, (32, 16, 3), np.uint8),
    }
)


def observations(count: int) -> dict[str, np.ndarray]:
    return {
        "velocity": np.full((count, 2), [0.0, 300.0], np.float32),
        "mission": np.array(["go"] * count),
        "grid": np.arange(count * 18).reshape(count, 3, 2, 3) % 11,
        "direction": np.full(count, 3),
        "arm": np.full((count, 1), -300.0, np.float32),
        "image": np.zeros((count, 32, 16, 3), np.uint8),
    }


def test_vocabulary_is_laid_out_without_overlap():
    assert (CONTINUOUS_START, SEPARATOR, VOCABULARY) == (1024, 2048, 2049)


def test_form_of_spaces_and_of_recordings_agree():
    form = TimestepSpec.from_spaces(SPACE, gym.spaces.Discrete(5))
    assert (form.text, form.image) == ("mission", "image")
    assert form.tensors == (("arm", (1,)), ("direction", ()), ("grid", (3, 2, 3)), ("velocity", (2,)))
    assert form.action == ActionSpec("discrete", 5) and form.action.tokens == 1
    assert TimestepSpec.from_arrays(observations(4), np.zeros(4, np.int64), 5) == form
    arm = TimestepSpec.from_spaces(SPACE, gym.spaces.Box(-1, 1, (6,), np.float32))
    assert arm.action == ActionSpec("continuous", 6) and arm.action.tokens == 6
    assert TimestepSpec.from_arrays(observations(4), np.zeros((4, 6), np.float32)) == arm


def test_spaces_without_tokens_are_refused():
    with pytest.raises(BadValueError, match="MultiBinary"):
        TimestepSpec.from_spaces(SPACE, gym.spaces.MultiBinary(3))
    with pytest.raises(BadValueError, match="has no keys"):
        TimestepSpec.from_spaces(SPACE["arm"], gym.spaces.Discrete(5))


def test_tensors_come_by_key_and_row_major():
    form = TimestepSpec.from_spaces(SPACE, gym.spaces.Discrete(5))
    values, grid = encode_tensors(form, observations(2))
    middle = CONTINUOUS_START + 512
    assert values.tolist() == [[CONTINUOUS_START, 3, middle, SEPARATOR - 1]] * 2
    np.testing.assert_array_equal(grid, observations(2)["grid"])


def test_a_world_of_pictures_alone_has_no_values():
    seen = {"image": observations(3)["image"]}
    values, grid = encode_tensors(TimestepSpec.from_arrays(seen, np.zeros(3, np.int64)), seen)
    assert values.shape == (3, 0) and grid is None


def test_texts_are_padded_to_the_longest():
    assert encode_texts(["go to", "go", ""]).shape == (3, 2)
    assert encode_texts(["go to", ""])[1].tolist() == [0, 0] and encode_texts([""]).shape == (1, 1)


@given(arrays(np.float32, (3, 4), elements=st.floats(-1, 1, width=32)), st.sampled_from([256, 1024]))
def test_continuous_actions_survive_within_half_a_bin(actions: np.ndarray, bins: int):
    form = ActionSpec("continuous", 4)
    decoded = decode_unit(encode_actions(form, actions, bins), bins)
    assert decoded.dtype == np.float32 and np.abs(decoded).max() < 1
    assert np.abs(decoded - actions).max() <= 1 / bins + 1e-6


def test_choices_are_their_own_tokens():
    form = ActionSpec("discrete", 5)
    assert encode_actions(form, np.array([4, 0]), 256).tolist() == [[4], [0]]
    with pytest.raises(BadValueError, match="5"):
        encode_actions(form, np.array([5]), 256)
