"""What to play and what to learn next: a running estimate, with its uncertainty, of how well each task is done.

Every pair of a task and a condition (its own prompt, a prompt swapped on the way, no prompt) has a Kalman filter over
its score, where 0 is the random policy and 1 the expert. The agent changes while it learns, so an estimate that is not
renewed grows uncertain. Tasks that fail, and tasks of which little is known, are played and drawn more often; a floor
keeps all others alive. The idea is that of performance-aware DAgger for many tasks (arXiv 2509.25466).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from playground.errors import BadValueError
from playground.settings import check_range

Arm = tuple[str, str]
"""Task id and condition."""


@dataclass(frozen=True)
class SchedulerSettings:
    """How scores become shares.

    Attributes:
        floor: weight of a task that is done perfectly, where one that always fails has `floor` + 1.
        curiosity: weight of one standard deviation of an estimate.
        drift: standard deviation by which a score may change in 1,000 optimiser steps.
        prior: score that is assumed before anything is known, and its standard deviation.
    """

    floor: float = 0.15
    curiosity: float = 0.5
    drift: float = 0.15
    prior: tuple[float, float] = (0.0, 0.5)

    def __post_init__(self) -> None:
        check_range(self, ("floor", "curiosity", "drift"), 0, label="scheduler")
        if not self.prior[1] > 0:
            raise BadValueError(f"scheduler.prior has the deviation {self.prior[1]}; give more than 0")


@dataclass
class _Estimate:
    mean: float
    variance: float
    step: int = 0
    episodes: int = 0


class Scheduler:
    """Estimates of scores, and the shares that follow from them.

    Args:
        arms: every pair of task and condition.
        settings: how scores become shares.
    """

    def __init__(self, arms: Iterable[Arm], settings: SchedulerSettings | None = None):
        self.settings = settings or SchedulerSettings()
        mean, deviation = self.settings.prior
        self._estimates = {arm: _Estimate(mean, deviation**2) for arm in arms}
        if not self._estimates:
            raise BadValueError("a scheduler of no tasks; give at least one")

    @property
    def arms(self) -> list[Arm]:
        """All pairs of task and condition, in their order."""
        return list(self._estimates)

    def observe(self, arm: Arm, scores: Sequence[float], step: int) -> None:
        """Takes in the normalised scores of episodes that the agent of an optimiser step played.

        Args:
            arm: task and condition.
            scores: one per episode; clipped to 0 to 1.
            step: optimiser step of the weights that played.
        """
        if not len(scores):
            return
        estimate = self._estimates[arm]
        variance = self._variance(estimate, step)
        mean = float(np.clip(scores, 0.0, 1.0).mean())
        # Of one episode's score about its mean: a success is 0 or 1; the constant covers what a guess misses.
        noise = (estimate.mean * (1 - estimate.mean) + 0.05) / len(scores)
        gain = variance / (variance + noise)
        estimate.mean += gain * (mean - estimate.mean)
        estimate.variance = (1 - gain) * variance
        estimate.step = max(step, estimate.step)
        estimate.episodes += len(scores)

    def estimate(self, arm: Arm, step: int) -> tuple[float, float]:
        """Mean and standard deviation of the score at an optimiser step."""
        estimate = self._estimates[arm]
        return estimate.mean, self._variance(estimate, step) ** 0.5

    def shares(self, step: int) -> dict[Arm, float]:
        """Arm -> share of the play and of the draw; they sum to 1."""
        needs = {arm: self._need(arm, step) for arm in self._estimates}
        total = sum(needs.values())
        return {arm: need / total for arm, need in needs.items()}

    def task_shares(self, step: int) -> dict[str, float]:
        """Task id -> share, the mean of its conditions' needs; they sum to 1."""
        needs: dict[str, list[float]] = {}
        for (task, _), need in ((arm, self._need(arm, step)) for arm in self._estimates):
            needs.setdefault(task, []).append(need)
        means = {task: float(np.mean(values)) for task, values in needs.items()}
        total = sum(means.values())
        return {task: mean / total for task, mean in means.items()}

    def draw(self, count: int, step: int, rng: np.random.Generator) -> list[Arm]:
        """Arms to play next, by their shares; without repeats as long as there are others."""
        arms, shares = self.arms, np.array(list(self.shares(step).values()))
        drawn: list[Arm] = []
        while len(drawn) < count:
            size = min(count - len(drawn), len(arms))
            drawn += [arms[i] for i in rng.choice(len(arms), size, replace=False, p=shares)]
        return drawn

    def state(self) -> dict[str, Any]:
        """What `load` takes; JSON-able."""
        return {"|".join(arm): [e.mean, e.variance, e.step, e.episodes] for arm, e in sorted(self._estimates.items())}

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes on from a saved state; arms that it does not know keep their prior."""
        for arm in self._estimates:
            if (saved := state.get("|".join(arm))) is not None:
                self._estimates[arm] = _Estimate(*saved)

    def _variance(self, estimate: _Estimate, step: int) -> float:
        passed = max(0, step - estimate.step) / 1000
        return min(estimate.variance + self.settings.drift**2 * passed, self.settings.prior[1] ** 2)

    def _need(self, arm: Arm, step: int) -> float:
        mean, deviation = self.estimate(arm, step)
        settings = self.settings
        return settings.floor + (1 - float(np.clip(mean, 0.0, 1.0))) + settings.curiosity * deviation
