"""The scheduler: estimates follow the scores, and what fails or is unknown is played more."""

import json

import numpy as np
import pytest

from playground.errors import BadValueError
from playground.training.scheduler import Scheduler, SchedulerSettings

GOOD, BAD, NEW = ("a/good", "own"), ("a/bad", "own"), ("a/new", "own")


def trained() -> Scheduler:
    scheduler = Scheduler([GOOD, BAD, NEW])
    for step in range(0, 1000, 100):
        scheduler.observe(GOOD, [1.0] * 4, step)
        scheduler.observe(BAD, [0.0, 1.0, 0.0, 0.0], step)
    return scheduler


def test_estimates_come_near_the_score_and_know_it() -> None:
    scheduler = trained()
    mean, deviation = scheduler.estimate(BAD, 900)
    assert mean == pytest.approx(0.25, abs=0.1) and deviation < 0.15
    assert scheduler.estimate(GOOD, 900)[0] > 0.9
    assert scheduler.estimate(NEW, 900) == (0.0, 0.5)


def test_a_better_agent_is_noticed_within_a_few_observations() -> None:
    scheduler = trained()
    for step in range(5000, 6000, 250):
        scheduler.observe(BAD, [1.0] * 4, step)
    assert scheduler.estimate(BAD, 6000)[0] > 0.85


def test_what_is_not_renewed_grows_uncertain_but_not_without_end() -> None:
    scheduler = trained()
    deviations = [scheduler.estimate(GOOD, step)[1] for step in (900, 5_000, 20_000, 10**9)]
    assert deviations == sorted(deviations) and deviations[-1] == 0.5


def test_shares_prefer_what_fails_and_what_is_unknown_and_forget_nobody() -> None:
    shares = trained().shares(900)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares[NEW] > shares[BAD] > 2 * shares[GOOD] > 0


def test_a_task_is_drawn_by_the_mean_of_its_conditions() -> None:
    scheduler = Scheduler([("a/x", "own"), ("a/x", "swapped"), ("a/y", "own")])
    for _ in range(20):
        scheduler.observe(("a/x", "own"), [1.0] * 4, 0)
        scheduler.observe(("a/y", "own"), [1.0] * 4, 0)
    shares = scheduler.task_shares(0)
    assert shares["a/x"] > shares["a/y"] and sum(shares.values()) == pytest.approx(1)


def test_draws_follow_the_shares() -> None:
    scheduler, rng = trained(), np.random.default_rng(0)
    drawn = [arm for _ in range(2000) for arm in scheduler.draw(1, 900, rng)]
    for arm, share in scheduler.shares(900).items():
        assert drawn.count(arm) / len(drawn) == pytest.approx(share, abs=0.04)
    assert len(set(scheduler.draw(3, 900, rng))) == 3 and len(scheduler.draw(7, 900, rng)) == 7


def test_a_saved_state_goes_on() -> None:
    scheduler = trained()
    other = Scheduler([GOOD, BAD, NEW, ("b/late", "own")])
    other.load(json.loads(json.dumps(scheduler.state())))
    assert all(other.estimate(arm, 2000) == scheduler.estimate(arm, 2000) for arm in scheduler.arms)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(BadValueError, match="floor is -1"):
        SchedulerSettings(floor=-1)
    with pytest.raises(BadValueError, match="no tasks"):
        Scheduler([])
