"""Numbers that are reported: normalised scores, intervals, interquartile mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binomtest, trim_mean

from playground.evaluation.scoring import (
    bootstrap_interval,
    interquartile_mean,
    resampled_means,
    score_task,
    summarise,
    wilson_interval,
)
from playground.scores import normalise


def test_normalised_scores():
    known = {"random": -20.0, "expert": 20.0}
    assert [normalise(x, known) for x in (-20, 0, 20, 40)] == [0, 0.5, 1, 1.5]
    assert normalise(1, None) is None and normalise(1, {"random": 3.0, "expert": 3.0}) is None


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_is_scipys(case: tuple[int, int]):
    expected = binomtest(*case).proportion_ci(method="wilson")
    assert wilson_interval(*case) == pytest.approx((expected.low, expected.high), abs=1e-6)


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(-5, 5)))
def test_interquartile_mean_is_the_trimmed_mean_of_rliable(values: np.ndarray):
    assert interquartile_mean(values) == pytest.approx(trim_mean(values, 0.25))


def test_bootstrap_covers_the_mean_and_repeats():
    scores = np.random.default_rng(1).normal(3, 2, 100).tolist()
    low, high = bootstrap_interval(resampled_means(scores))
    assert low < np.mean(scores) < high
    assert high - low == pytest.approx(2 * 1.96 * np.std(scores) / 10, rel=0.1)
    assert bootstrap_interval(resampled_means(scores)) == (low, high)


def test_success_counts_where_it_is_defined_else_the_return():
    known = {"random": 0.0, "expert": 0.5}
    solved = score_task([10.0, 20.0], [True, False], known)
    assert (solved["success_rate"], solved["mean_return"], solved["normalised"]) == (0.5, 15, 1)
    assert solved["interval"] == list(wilson_interval(1, 2)) and solved["scores"] == [1, 0]
    returned = score_task([10.0, 20.0], None, None)
    assert (returned["success_rate"], returned["normalised"], returned["scores"]) == (None, None, [10, 20])


def test_summary_counts_and_averages():
    known = {"random": 0.0, "expert": 1.0}
    rates = (0.0, 0.4, 0.5, 0.8, 0.9, 1.0)
    tasks = {str(r): score_task([0.0] * 10, [i < 10 * r for i in range(10)], known) for r in rates}
    tasks["unknown"] = score_task([1.0], None, None)
    summary = summarise(tasks)
    assert (summary["tasks"], summary["above_50"], summary["above_80"]) == (
        7,
        3,
        2,
    )  # half of the expert is not above half
    assert summary["iqm"] == pytest.approx((0.4 + 0.5 + 0.8 + 0.9) / 4)
    low, high = summary["interval"]
    assert 0.5 < low < summary["iqm"] < high < 0.8
    assert summarise({})["iqm"] is None


def test_interval_holds_the_value_where_most_tasks_are_all_but_solved():
    known = {"random": 0.0, "expert": 1.0}
    tasks = {str(i): score_task([0.0] * 50, [j >= i % 2 for j in range(50)], known) for i in range(60)}
    summary = summarise(tasks)
    low, high = summary["interval"]
    assert low < summary["iqm"] < high


def test_tasks_are_resampled_independently():
    """Two like tasks vary less together than one: equal resamples in both would not."""
    known = {"random": 0.0, "expert": 1.0}
    task = score_task([0.0] * 20, [i < 10 for i in range(20)], known)
    one, two = summarise({"a": task}), summarise({"a": task, "b": task})
    width = np.diff(two["interval"])[0] / np.diff(one["interval"])[0]
    assert width == pytest.approx(2**-0.5, rel=0.15)
