"""Prompts like those of training are in distribution, others are not; a damaged file is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from playground.agent import OODScore, load_detector, read_prompt
from playground.agent.ood import CONFIDENCE, FILE, OODDetector, prompt_features
from playground.errors import BadFileError, BadValueError
from playground.model import GeneralistModel, preset
from playground.prompt import Prompt, Segment

TASKS = ("toy/a", "toy/b")


def prompt(rng: np.random.Generator, task: int = 0, shift: float = 0.0, size: int = 3) -> Prompt:
    """A task is a place around which states and actions lie."""
    states = (0.3 * rng.normal(size=(6, size)) + 2 * task + shift).astype(np.float32)
    return Prompt("p", (Segment(TASKS[task], {"state": states}, np.tanh(states[:, :2])),))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[GeneralistModel, Path]:
    """A model, and a checkpoint folder that holds its detector."""
    torch.manual_seed(0)
    model, rng = GeneralistModel(preset("tiny")).eval().requires_grad_(False), np.random.default_rng(0)
    tasks = [k % 2 for k in range(240)]
    features = [prompt_features(read_prompt(model, prompt(rng, k)).cache.kv) for k in tasks]
    folder = tmp_path_factory.mktemp("checkpoint")
    OODDetector.fit(np.stack(features), [TASKS[k] for k in tasks]).save(folder / FILE)
    return model, folder


def score(fitted: tuple[GeneralistModel, Path], prompt: Prompt) -> OODScore:
    found = read_prompt(fitted[0], prompt, load_detector(fitted[1])).ood
    assert found is not None
    return found


@pytest.mark.slow
def test_training_prompts_are_in_distribution_and_others_are_not(fitted):
    rng = np.random.default_rng(1)
    known = [score(fitted, prompt(rng, k % 2)) for k in range(100)]
    far = [score(fitted, prompt(rng, shift=-3.0)) for _ in range(30)]
    assert np.mean([one.out_of_distribution for one in known]) < 0.2
    assert np.mean([one.out_of_distribution for one in far]) > 0.9
    assert score(fitted, prompt(rng, size=7)).out_of_distribution  # another body
    assert min(one.score for one in far) > np.median([one.score for one in known])
    assert [one.nearest for one in known] == [TASKS[k % 2] for k in range(100)]
    for one in known + far:
        assert 0 <= one.percentile <= 1 and one.out_of_distribution == (one.percentile > CONFIDENCE)


def test_without_a_detector_there_is_no_score(fitted, tmp_path: Path):
    assert load_detector(tmp_path) is None
    assert read_prompt(fitted[0], prompt(np.random.default_rng(0))).ood is None


def test_damaged_file(fitted, tmp_path: Path):
    (tmp_path / FILE).write_bytes((fitted[1] / FILE).read_bytes()[:-40])
    with pytest.raises(BadFileError, match="fit-ood-detector"):
        load_detector(tmp_path)


def test_detector_of_another_network(fitted):
    detector = load_detector(fitted[1])
    with pytest.raises(BadFileError, match="another size"):
        detector.score(np.zeros((1, 8), np.float32))


def test_too_few_prompts():
    with pytest.raises(BadValueError, match="at least"):
        OODDetector.fit(np.ones((2, 1, 4)), ["a", "b"])
