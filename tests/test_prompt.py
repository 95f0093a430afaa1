"""Prompts: whatever is cut, strided, joined or edited, each timestep still says where it comes from."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from playground.episode import Episode
from playground.errors import BadValueError
from playground.prompt import Prompt

LENGTH = 12


def numbered(name: str = "toy/line#0") -> Episode:
    """An episode whose actions and states are the numbers of its timesteps."""
    numbers = np.arange(LENGTH + 1)
    return Episode(name.partition("#")[0], {"state": numbers}, numbers[:-1], np.zeros(LENGTH))


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (Prompt.from_episode(numbered()), range(LENGTH)),
        (Prompt.from_episode(numbered(), start=2, length=7, stride=3), range(2, 9, 3)),
        (Prompt.from_episode(numbered()).reversed(), range(LENGTH - 1, -1, -1)),
        (Prompt.from_episode(numbered(), start=5).actions_only().reversed(), range(LENGTH - 1, 4, -1)),
    ],
)
def test_segments_know_their_steps(prompt: Prompt, expected: range):
    (segment,) = prompt.segments
    assert segment.steps.tolist() == segment.actions.tolist() == segment.observations["state"].tolist()
    assert segment.steps.tolist() == list(expected)


def test_edits_and_joins_keep_steps_and_names():
    first = Prompt.from_episode(numbered(), "toy/line#0", 3)
    joined = first.joined(Prompt.from_episode(numbered(), "toy/line#1", 0, 4)).shuffled(seed=1)
    assert [segment.name for segment in joined.segments] == ["toy/line#0", "toy/line#1"]
    assert all(segment.steps.tolist() == segment.actions.tolist() for segment in joined.segments)
    assert [sorted(segment.steps) for segment in joined.segments] == [list(range(3, LENGTH)), list(range(4))]


def test_steps_are_counted_where_nobody_gave_them():
    (segment,) = Prompt.from_episode(numbered(), start=4).segments
    assert replace(segment, steps=None).steps.tolist() == list(range(len(segment)))


@pytest.mark.parametrize(("cut", "message"), [({"stride": 0}, "stride"), ({"start": LENGTH}, "empty")])
def test_impossible_cuts_are_refused(cut: dict[str, Any], message: str):
    with pytest.raises(BadValueError, match=message):
        Prompt.from_episode(numbered(), **cut)
