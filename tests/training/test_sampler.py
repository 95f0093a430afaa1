"""What is drawn: which episodes, which of their timesteps, how often."""

from dataclasses import replace

import numpy as np
import pytest

from playground.errors import BadValueError, UnknownNameError
from playground.model import GeneralistModel, preset
from playground.training.collate import collate
from playground.training.dataset import TaskData
from playground.training.loss import cloning_loss
from playground.training.sampler import Sampling
from tests.training.tiny import sampler


def test_prompts_come_from_another_episode_of_the_same_goal(data: list[TaskData]) -> None:
    draw = sampler(data)
    rng = np.random.default_rng(0)
    for _ in range(200):
        sequence = draw.draw(data[0], rng)
        assert sequence.prompt_episode != sequence.live_episode
        assert sequence.prompt_episode // 3 == sequence.live_episode // 3  # three episodes a goal, in order
        assert 1 <= len(sequence.prompt) <= preset("tiny").max_prompt
        assert 1 <= len(sequence.live) <= preset("tiny").max_live
        start, length = data[0].start[sequence.prompt_episode], data[0].length[sequence.prompt_episode]
        assert start <= sequence.prompt.min() and sequence.prompt.max() < start + length


def test_tasks_are_drawn_as_often_as_asked_within_their_domain(data: list[TaskData]) -> None:
    other = replace(data[0], id="other/point")
    draw = sampler([*data, other], domain_weights={"toy": 3.0}, task_weights={"toy/walk": 2.0})
    np.testing.assert_allclose(draw.probabilities["grid", False], [0.25, 0.5, 0.25])


def test_prompted_and_end_shares_are_the_settings(data: list[TaskData]) -> None:
    draw = sampler(data, prompted=0.6, from_end=1.0)
    rng = np.random.default_rng(0)
    drawn = [draw.draw(data[0], rng) for _ in range(600)]
    assert 0.5 < np.mean([len(s.prompt) > 0 for s in drawn]) < 0.7
    for s in drawn:
        if len(s.prompt):
            assert s.prompt[-1] == data[0].start[s.prompt_episode] + data[0].length[s.prompt_episode] - 1


def test_under_a_twentieth_of_the_rows_is_padding(data: list[TaskData]) -> None:
    batches = [batch for i in range(20) for batch in sampler(data).step(np.random.default_rng(i))]
    assert sum(batch.timesteps for batch in batches) > 0.95 * sum(batch.weight.numel() for batch in batches)


@pytest.mark.parametrize("length", [1, 2, 5, 9, 100])
def test_a_sequence_cut_to_fit_keeps_the_end_of_its_prompt_and_live_steps(data: list[TaskData], length: int) -> None:
    whole = sampler(data).draw(data[0], np.random.default_rng(0))
    cut = whole.cut(length)
    assert len(cut) == min(length, len(whole)) and 1 <= len(cut.live) == len(cut.weight)
    assert np.array_equal(cut.live, whole.live[: len(cut.live)])
    assert np.array_equal(cut.prompt, whole.prompt[len(whole.prompt) - len(cut.prompt) :])


def test_some_sequences_are_a_prompt_alone(data: list[TaskData]) -> None:
    rng, draw = np.random.default_rng(0), sampler(data, goal_only={"grid": 0.4})
    assert 0.3 < np.mean([len(draw.draw(data[0], rng).live) == 0 for _ in range(600)]) < 0.5
    batch = collate([[s for s in (draw.draw(data[0], rng) for _ in range(40)) if not len(s.live)][:2]], draw.config)
    action, goal = cloning_loss(GeneralistModel(draw.config), batch)
    assert action == 0 and goal > 0


def test_cloned_and_distilled_tasks_share_the_rows(data: list[TaskData]) -> None:
    distilled = replace(data[0], id="toy/known", distil=True)
    assert sampler([*data, distilled]).rows == pytest.approx({("grid", False): 1.2, ("grid", True): 4.8})
    assert sampler(data).rows == {("grid", False): 6} and sampler([distilled]).rows == {("grid", True): 6}
    batches = [batch for i in range(4) for batch in sampler([*data, distilled]).step(np.random.default_rng(i))]
    assert {batch.distil for batch in batches} == {False, True}


def test_where_tasks_are_distilled_corrections_are_drawn_however_few(data: list[TaskData]) -> None:
    task = replace(data[0], demonstrations=np.arange(11), corrections=np.array([11]))
    for distil, least, most in ((False, 0, 40), (True, 500, 700)):
        rng = np.random.default_rng(0)
        drawn = [sampler([task]).draw(replace(task, distil=distil), rng).live_episode for _ in range(1000)]
        assert least <= drawn.count(11) <= most


def test_few_goals_are_all_trained_on(data: list[TaskData]) -> None:
    assert all(task.hold_out(25) == (task, None) for task in data)


def test_impossible_settings_are_refused() -> None:
    for changes, message in (
        ({"prompted": 2.0}, "sampling.prompted is 2.0"),
        ({"goal_only": {"grid": 2.0}}, "goal_only.grid is 2.0"),
        ({"from_end": float("nan")}, "from_end is nan"),
        ({"task_weights": {"toy/*": 0.0}}, r"task_weights.toy/\* is 0.0"),
        ({"short_steps": 0}, "short_steps is 0"),
    ):
        with pytest.raises(BadValueError, match=message):
            Sampling(**changes)
    with pytest.raises(UnknownNameError, match="did you mean vector"):
        Sampling(rows={"vectors": 1.0})
