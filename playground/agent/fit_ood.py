"""Fits a model's out-of-distribution detector to the prompts of its training tasks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from playground.agent.ood import OODDetector, prompt_features
from playground.agent.reading import read_prompt
from playground.demonstrations import PackedTask, packed_tasks, shipped, shipped_counts
from playground.errors import BadValueError
from playground.model import GeneralistModel
from playground.prompt import Prompt

PER_TASK = 30
"""Most prompts of a task that are read."""


def fit_ood_detector(model: GeneralistModel, tasks: Sequence[str], data: Path | None = None) -> OODDetector:
    """Fits a detector to the prompts of some tasks.

    Args:
        model: the network whose features are compared.
        tasks: ids of the tasks that it was trained on.
        data: folder of the demonstrations it was trained on; the shipped ones, which show training goals as well, if
            left out.

    Raises:
        BadValueError: there are too few prompts.
    """
    from rich.progress import track

    available = set(shipped_counts() if data is None else packed_tasks(data))
    features, labels = [], []
    for id in track([id for id in tasks if id in available], "reading prompts"):
        for prompt in _prompts(id, data):
            features.append(prompt_features(read_prompt(model, prompt).cache.kv))
            labels.append(id)
    if not features:
        raise BadValueError(f"no demonstrations of the checkpoint's {len(tasks)} tasks; collect or ship them first")
    return OODDetector.fit(np.stack(features), labels)


def _prompts(task: str, data: Path | None) -> list[Prompt]:
    """Prompts of a task: all that are shipped, or some of those that were collected."""
    if data is None:
        return [Prompt.from_episode(episode) for episode in shipped(task)]
    packed = PackedTask.open(data, task)
    demonstrations = np.random.default_rng(0).permutation(packed.demonstrations)
    return [packed.prompt(int(episode)) for episode in demonstrations[:PER_TASK]]
