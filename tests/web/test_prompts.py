"""Prompts as text: parser and generator are inverse, edits do what they say, nonsense is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.demonstrations import shipped
from playground.errors import BadValueError
from playground.web.prompts import EDITS, Cut, Recipe
from playground.web.shelf import Shelf
from tests.conftest import OTHER, TASK

CUTS = st.builds(
    Cut,
    st.sampled_from(["metaworld/reach#0", "dm_control/cheetah-speed_2#12", "yours/0a1b#3"]),
    st.integers(0, 500),
    st.none() | st.integers(0, 900),
    st.integers(1, 99),
)


@given(st.lists(CUTS, min_size=1, max_size=4), st.lists(st.sampled_from(list(EDITS)), max_size=3))
def test_text_and_recipe_are_inverse(cuts, edits):
    recipe = Recipe(tuple(cuts), tuple(edits))
    assert Recipe.parse(str(recipe)) == recipe


@pytest.mark.parametrize("text", ["", "reach", "a/b#0[1:2:3:4]", "a/b#0~upside", "+".join(["a/b#0"] * 5), "a/b#0+"])
def test_nonsense_is_refused(text):
    with pytest.raises(BadValueError):
        Recipe.parse(text)


@pytest.mark.parametrize("edits", ["", "~reversed", "~shuffled", "~reversed~actions"])
def test_the_steps_are_those_of_the_prompt(demonstrations, edits):
    recipe = Recipe.parse(f"{TASK}#0[1::2]+{OTHER}#1{edits}")
    prompt, steps = recipe.build(Shelf().find), recipe.steps(Shelf().find)
    episodes = {f"{TASK}#0": shipped(TASK)[0], f"{OTHER}#1": shipped(OTHER)[1]}
    assert prompt.name == steps.name == str(recipe) and len(prompt) == len(steps)
    for built, shown in zip(prompt.segments, steps.segments, strict=True):
        assert np.array_equal(built.actions, episodes[shown.task].actions[shown.actions])
        assert (built.use_observations, built.use_actions) == (shown.use_observations, shown.use_actions)


def test_no_prompt_is_none():
    assert Recipe.parse("none").build(Shelf().find) is None
    assert str(Recipe()) == "none"
