"""Prompts of training are familiar, others are not; what is written is checked when it is read."""

import numpy as np
import pytest
import torch

from playground.agent import ood_score
from playground.agent.ood import CONFIDENCE, FILE, OODDetector, features
from playground.errors import BadFileError, BadValueError
from playground.model import GeneralistModel, preset
from playground.prompt import Prompt, Segment

TASKS = ("toy/a", "toy/b")


def prompt(rng, task=0, shift=0.0, size=3):
    """A task is a place around which states and actions lie."""
    states = (0.3 * rng.normal(size=(6, size)) + 2 * task + shift).astype(np.float32)
    return Prompt("p", (Segment(TASKS[task], {"state": states}, np.tanh(states[:, :2])),))


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    torch.manual_seed(0)
    model, rng = GeneralistModel(preset("tiny")).eval().requires_grad_(False), np.random.default_rng(0)
    of = [k % 2 for k in range(240)]
    familiar = OODDetector.fit(np.stack([features(model, prompt(rng, k)) for k in of]), [TASKS[k] for k in of])
    folder = tmp_path_factory.mktemp("checkpoint")
    familiar.save(folder / FILE)
    return model, folder


def test_training_prompts_are_in_distribution_and_others_are_not(calibrated):
    model, folder = calibrated
    rng = np.random.default_rng(1)
    known = [ood_score(model, prompt(rng, k % 2), folder) for k in range(100)]
    far = [ood_score(model, prompt(rng, shift=-3.0), folder) for _ in range(30)]
    other_body = ood_score(model, prompt(rng, size=7), folder)
    assert np.mean([one.out_of_distribution for one in known]) < 0.2
    assert np.mean([one.out_of_distribution for one in far]) > 0.9 and other_body.out_of_distribution
    assert min(one.score for one in far) > np.median([one.score for one in known])
    assert [one.nearest for one in known] == [TASKS[k % 2] for k in range(100)]
    assert all(
        0 <= one.percentile <= 1 and one.out_of_distribution == (one.percentile > CONFIDENCE) for one in known + far
    )


def test_nothing_is_said_without_prompt_or_calibration(calibrated, tmp_path):
    model, folder = calibrated
    assert ood_score(model, None, folder) is None
    assert ood_score(model, prompt(np.random.default_rng(0)), tmp_path) is None


def test_damaged_file(calibrated, tmp_path):
    model, folder = calibrated
    (tmp_path / FILE).write_bytes((folder / FILE).read_bytes()[:-40])
    with pytest.raises(BadFileError, match="fit-ood-detector"):
        ood_score(model, prompt(np.random.default_rng(0)), tmp_path)


def test_too_few_prompts():
    with pytest.raises(BadValueError, match="at least"):
        OODDetector.fit(np.ones((2, 1, 4)), ["a", "b"])
