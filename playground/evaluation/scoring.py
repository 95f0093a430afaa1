"""Statistics of scores: normalised scores, intervals, interquartile mean.

A score is 1 or 0 where a task defines success, else the return. Normalised, 0 is the random policy and 1 the expert.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from playground.scores import normalise

RESAMPLES = 2000
Z = 1.959964
"""Two-sided 95 % quantile of the normal distribution."""


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a success rate (Wilson 1927)."""
    rate, z2 = successes / trials, Z * Z / trials
    middle = (rate + z2 / 2) / (1 + z2)
    half = Z / (1 + z2) * (rate * (1 - rate) / trials + z2 / (4 * trials)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap_interval(samples: np.ndarray) -> tuple[float, float]:
    """95 % percentile interval of resampled statistics [R]."""
    low, high = np.percentile(samples, [2.5, 97.5])
    return float(low), float(high)


def resampled_means(scores: Sequence[float]) -> np.ndarray:
    """Means of resampled episodes, [R]; the resampling has a fixed seed."""
    values = np.asarray(scores, np.float64)
    rng = np.random.default_rng(0)
    return values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1)


def interquartile_mean(values: np.ndarray) -> np.ndarray:
    """Mean of the middle half along the last axis (Agarwal et al. 2021): a quarter is cut off at either end."""
    count = values.shape[-1]
    cut = count // 4
    return np.sort(values, axis=-1)[..., cut : count - cut].mean(axis=-1)


def score_task(
    returns: Sequence[float], successes: Sequence[bool] | None, known: Mapping[str, float] | None
) -> dict[str, Any]:
    """What an evaluation reports of one task.

    Args:
        returns: one per episode.
        successes: one per episode; None where the task defines none.
        known: the task's random and expert scores, if they were measured.
    """
    scores = [float(s) for s in (returns if successes is None else successes)]
    mean = float(np.mean(scores))
    if successes is None:
        interval = bootstrap_interval(resampled_means(scores))
    else:
        interval = wilson_interval(sum(successes), len(successes))
    return {
        "episodes": len(returns),
        "mean_return": float(np.mean(returns)),
        "success_rate": None if successes is None else mean,
        "random_score": None if known is None else known["random"],
        "expert_score": None if known is None else known["expert"],
        "normalised": normalise(mean, known),
        "interval": list(interval),
        "scores": scores,
    }


def summarise(tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What an evaluation reports of all tasks together, from the results of `score_task`.

    The interval resamples episodes within tasks (stratified bootstrap), as rliable does with runs. The trimmed mean of
    resampled tasks is biased, because it cuts off the unlucky ones among many that are near the best. So the interval
    is that of the resamples about their own mean, moved to the value.
    """
    known = [task for task in tasks.values() if task["normalised"] is not None]
    summary: dict[str, Any] = {
        "tasks": len(tasks),
        "above_50": sum(round(task["normalised"], 6) > 0.5 for task in known),
        "above_80": sum(round(task["normalised"], 6) > 0.8 for task in known),
        "iqm": None,
        "interval": None,
    }
    if known:
        summary["iqm"] = float(interquartile_mean(np.array([task["normalised"] for task in known])))
        rng = np.random.default_rng(0)
        resampled = np.stack(
            [
                (rng.permutation(resampled_means(task["scores"])) - task["random_score"])
                / (task["expert_score"] - task["random_score"])
                for task in known
            ],
            axis=-1,
        )
        means = interquartile_mean(resampled)
        summary["interval"] = list(bootstrap_interval(means - means.mean() + summary["iqm"]))
    return summary
