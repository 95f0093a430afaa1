"""Prompts as text: parser and printer are inverse, each edit does what it says, and nonsense is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.episode import Episode
from playground.errors import BadValueError, PlaygroundError
from playground.prompt_spec import EDITS, Cut, Demonstration, PromptSpec

EXAMPLES: dict[str, list[dict[str, Any]]] = json.loads(
    Path(__file__).with_name("prompt_specs.json").read_text(encoding="utf-8")
)
"""Texts that Python and the page's script read alike."""

CUTS = st.builds(
    lambda name, start, length, stride: Cut(name, start, length and (start or 0) + length, stride),
    st.sampled_from(["metaworld/reach#0", "dm_control/cheetah-speed_2#12", "yours/0a1b#3", "my drive", "../a.b/c-v0"]),
    st.none() | st.integers(0, 500),
    st.none() | st.integers(1, 400),
    st.integers(1, 99),
)
LENGTH = 20


def find(name: str) -> Demonstration:
    """A demonstration whose actions are the numbers of its timesteps; "trimmed" begins at 5 and ends before 9."""
    numbers = np.arange(LENGTH + 1)
    episode = Episode("toy/line", {"state": numbers}, numbers[:-1], np.zeros(LENGTH))
    start, stop = (5, 9) if name == "trimmed" else (0, LENGTH)
    return Demonstration(name, episode, start, stop)


@pytest.mark.parametrize("example", EXAMPLES["valid"], ids=lambda example: example["text"])
def test_texts_are_read_and_printed(example: dict[str, Any]):
    spec = PromptSpec.parse(example["text"])
    assert [vars(cut) for cut in spec.cuts] == example["cuts"] and list(spec.edits) == example["edits"]
    assert str(spec) == example["canonical"] and PromptSpec.parse(str(spec)) == spec


@pytest.mark.parametrize("example", EXAMPLES["invalid"], ids=lambda example: example["text"])
def test_what_is_no_prompt_is_refused(example: dict[str, str]):
    with pytest.raises(PlaygroundError) as raised:
        PromptSpec.parse(example["text"])
    assert str(raised.value) == example["message"]


@given(st.lists(CUTS, min_size=1, max_size=4), st.permutations(["reversed", "shuffled", "actions-only"]), st.data())
def test_parser_and_printer_are_inverse(cuts: list[Cut], edits: list[str], data: st.DataObject):
    spec = PromptSpec(tuple(cuts), tuple(edits[: data.draw(st.integers(0, 3))]))
    assert PromptSpec.parse(str(spec)) == spec


@pytest.mark.parametrize("path", ["run#3-v0", "rec [2]", "a+b~c", "run#3"])
@pytest.mark.parametrize("behind", ["", "[2:5]", "#0[2:5:2]", "~shuffled", "+toy/line#1~reversed"])
def test_a_path_that_exists_is_read_whole(path: str, behind: str):
    spec = PromptSpec.parse(path + behind, {path}.__contains__)
    assert spec.cuts[0].name == path + ("#0" if behind.startswith("#0") else "")
    assert str(spec) == path + behind


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("a", [range(LENGTH)]),
        ("a[3:8:2]", [range(3, 8, 2)]),
        ("a[15:99]", [range(15, LENGTH)]),
        ("trimmed", [range(5, 9)]),
        ("trimmed[:]", [range(LENGTH)]),
        ("trimmed[::9]", [range(0, LENGTH, 9)]),
        ("a[:3]+trimmed~reversed", [range(8, 4, -1), range(2, -1, -1)]),
    ],
)
def test_a_prompt_holds_the_steps_that_its_text_says(text: str, steps: list[range]):
    prompt = PromptSpec.parse(text).build(find)
    assert prompt is not None and prompt.name == str(PromptSpec.parse(text))
    assert [segment.steps.tolist() for segment in prompt.segments] == [list(part) for part in steps]
    assert all(segment.steps.tolist() == segment.actions.tolist() for segment in prompt.segments)


def test_edits_hide_and_shuffle():
    prompt = PromptSpec.parse("a~shuffled~actions-only").build(find)
    assert prompt is not None and not prompt.segments[0].use_observations and prompt.segments[0].use_actions
    plain = PromptSpec.parse("a").build(find)
    assert plain is not None and np.array_equal(prompt.segments[0].steps, plain.shuffled().segments[0].steps)


def test_a_cut_behind_the_end_is_refused():
    with pytest.raises(BadValueError, match=r"prompt a\[20:\]: the cut leaves nothing of 20 timesteps; start below 20"):
        PromptSpec.parse("a[20:]").build(find)


def test_no_prompt_is_none():
    assert PromptSpec.parse("none").build(find) is None and str(PromptSpec()) == "none"


def test_edits_are_toggled_and_prompts_joined():
    spec = PromptSpec.parse("a[1:4]")
    for edit, expected in (
        ("shuffled", "a[1:4]~shuffled"),
        ("reversed", "a[1:4]~reversed~shuffled"),
        ("actions-only", "a[1:4]~reversed~shuffled~actions-only"),
        ("observations-only", "a[1:4]~reversed~shuffled~observations-only"),
        ("shuffled", "a[1:4]~reversed~observations-only"),
    ):
        spec = spec.toggled(edit)
        assert str(spec) == expected
    assert str(spec.joined(PromptSpec.parse("b#2"))) == "a[1:4]+b#2~reversed~observations-only"
    assert PromptSpec().toggled("shuffled") == PromptSpec()
    assert set(EDITS) == {"reversed", "shuffled", "actions-only", "observations-only"}
