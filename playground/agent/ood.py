"""Out-of-distribution detection: how far a prompt is from the prompts of training, in the agent's own activations.

A prompt's features are what the trunk makes of it: at three layers, the mean over its positions of the attention's
values, scaled to length 1 (Mahalanobis++, arXiv 2505.18032). The distance at a layer is the Mahalanobis distance to the
nearest task's mean less the distance to the mean of all prompts (relative Mahalanobis distance, arXiv 2106.09022).
Distances are standardised on held-out prompts of the training tasks and averaged over the layers.

Shapes: N prompts, P positions of a prompt, L layers that are looked at, D width, K tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from playground import assets
from playground.errors import DAMAGED, BadFileError, BadValueError

FILE = "ood_detector.safetensors"
"""In the checkpoint folder, beside the weights that it belongs to."""

SHRINKAGE = 0.1
"""Share of each covariance that is replaced by a multiple of the identity."""

HOLD_OUT = 3
"""Every so many prompts of a task is held out to standardise distances."""

CONFIDENCE = 0.95
"""Share of held-out training prompts that count as in distribution (split conformal prediction)."""


@dataclass(frozen=True)
class OODScore:
    """How far a prompt is from those of training.

    Attributes:
        score: 0 for a usual prompt; 1 is a standard deviation of the held-out training prompts.
        percentile: share of the held-out training prompts with a lower score, 0 to 1.
        out_of_distribution: whether `percentile` exceeds `CONFIDENCE`.
        nearest: id of the training task whose prompts are nearest.
    """

    score: float
    percentile: float
    out_of_distribution: bool
    nearest: str


def prompt_features(kv: Tensor) -> np.ndarray:
    """Features of a prompt for the detector, float32 [L, D], each layer's of length 1.

    Args:
        kv: keys and values of the prompt's positions, [2 * layers, H, P, D/H], as in `PromptCache.kv`.
    """
    values = kv[1::2].mean(dim=2).flatten(1)  # [layers, D]
    last = len(values) - 1
    found = values[sorted({min(1, last), len(values) // 2, last})].float()
    return torch.nn.functional.normalize(found, dim=-1).cpu().numpy()


@dataclass(frozen=True)
class OODDetector:
    """Statistics of the training prompts' features.

    Attributes:
        tasks: K task ids.
        whiten: float32 [L, D, D], x @ whiten has unit covariance within tasks.
        means: float32 [L, K, D], whitened means of the tasks.
        whiten_all: float32 [L, D, D], x @ whiten_all has unit covariance over all prompts.
        mean_all: float32 [L, D], whitened mean of all prompts.
        centre: float32 [L], mean distance of the held-out prompts.
        spread: float32 [L], standard deviation of these distances.
        scores: float32 [C], scores of the held-out prompts, rising.
    """

    tasks: tuple[str, ...]
    whiten: np.ndarray
    means: np.ndarray
    whiten_all: np.ndarray
    mean_all: np.ndarray
    centre: np.ndarray
    spread: np.ndarray
    scores: np.ndarray

    @classmethod
    def fit(cls, features: np.ndarray, tasks: Sequence[str]) -> "OODDetector":
        """Fits to the features [N, L, D] of prompts of N tasks; every `HOLD_OUT`-th prompt of a task is held out.

        Raises:
            BadValueError: there are too few prompts.
        """
        ids, which = np.unique(tasks, return_inverse=True)
        number = np.zeros(len(which), int)  # of each prompt among its task's
        for k in range(len(ids)):
            number[which == k] = np.arange((which == k).sum())
        held_out = number % HOLD_OUT == HOLD_OUT - 1
        if not held_out.any() or len(np.unique(which[~held_out])) < len(ids):
            raise BadValueError(f"{len(tasks)} prompts of {len(ids)} tasks; give at least {HOLD_OUT} of each")
        fitted, task = features[~held_out], which[~held_out]
        means = np.stack([fitted[task == k].mean(axis=0) for k in range(len(ids))], axis=1)  # [L, K, D]
        mean_all = fitted.mean(axis=0)
        by_layer = fitted.transpose(1, 0, 2)  # [L, N, D]
        whiten, whiten_all = _whitening(by_layer - means[:, task]), _whitening(by_layer - mean_all[:, None])
        unscaled = cls(
            tuple(ids.tolist()),
            whiten,
            means @ whiten,
            whiten_all,
            np.einsum("ld,lde->le", mean_all, whiten_all),
            np.zeros(len(whiten), np.float32),
            np.ones(len(whiten), np.float32),
            np.zeros(1, np.float32),
        )
        distances = np.stack([unscaled.distances(one)[0] for one in features[held_out]])
        centre, spread = distances.mean(axis=0), distances.std(axis=0) + 1e-6
        scores = np.sort(((distances - centre) / spread).mean(axis=1)).astype(np.float32)
        return cls(**vars(unscaled) | {"centre": centre, "spread": spread, "scores": scores})

    def distances(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Relative distances [L] of a prompt's features [L, D], and its mean distance from each task [K]."""
        to_tasks = ((np.einsum("ld,lde->le", features, self.whiten)[:, None] - self.means) ** 2).sum(axis=-1)  # [L, K]
        to_all = ((np.einsum("ld,lde->le", features, self.whiten_all) - self.mean_all) ** 2).sum(axis=-1)
        return to_tasks.min(axis=1) - to_all, to_tasks.mean(axis=0)

    def score(self, features: np.ndarray) -> OODScore:
        """Scores a prompt by its features [L, D].

        Raises:
            BadFileError: they are of another network.
        """
        if features.shape != (self.means.shape[0], self.means.shape[2]):
            raise BadFileError(
                f"{FILE} is of a network of another size; run `playground fit-ood-detector` for this one"
            )
        distances, to_tasks = self.distances(features)
        score = float(((distances - self.centre) / self.spread).mean())
        percentile = float(np.searchsorted(self.scores, score) / len(self.scores))
        return OODScore(score, percentile, percentile > CONFIDENCE, self.tasks[int(to_tasks.argmin())])

    def save(self, path: Path) -> None:
        """Writes the detector as a safetensors file."""
        from safetensors.numpy import save_file

        arrays = {
            name: np.ascontiguousarray(value, np.float32) for name, value in vars(self).items() if name != "tasks"
        }
        save_file(arrays, path, metadata={"tasks": "\n".join(self.tasks)})
        path.chmod(0o644)

    @classmethod
    def load(cls, path: Path) -> "OODDetector":
        """Reads what `save` wrote.

        Raises:
            BadFileError: it is damaged.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "numpy") as file:
                tasks = tuple((file.metadata() or {})["tasks"].split("\n"))
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dictionary)
            found = cls(tasks, **arrays)
            layers, count, width = found.means.shape
            shapes = {
                "whiten": (layers, width, width),
                "whiten_all": (layers, width, width),
                "mean_all": (layers, width),
            }
            shapes |= {"centre": (layers,), "spread": (layers,)}
            fits = count == len(tasks) and all(arrays[name].shape == shape for name, shape in shapes.items())
        except (SafetensorError, *DAMAGED) as error:
            raise BadFileError(f"{path} is damaged ({error}); run `playground fit-ood-detector` again") from error
        if not fits or not all(np.isfinite(values).all() for values in arrays.values()):
            raise BadFileError(f"{path} does not fit together; run `playground fit-ood-detector` again")
        return found


def load_detector(checkpoint: str | Path | None = None) -> OODDetector | None:
    """The detector of a checkpoint folder; everybody who asks for the same folder shares it.

    Args:
        checkpoint: the folder; None takes the shipped one. The file is read again when it has changed.

    Returns:
        None where the checkpoint has no detector (`playground fit-ood-detector` makes one).

    Raises:
        BadFileError: the file is damaged.
    """
    path = Path(assets.ASSETS / "checkpoint" if checkpoint is None else checkpoint) / FILE
    return _loaded(path, path.stat().st_mtime_ns) if path.is_file() else None


@lru_cache(maxsize=2)
def _loaded(path: Path, version: int) -> OODDetector:
    return OODDetector.load(path)


def _whitening(centred: np.ndarray) -> np.ndarray:
    """Deviations [L, N, D] -> matrices [L, D, D] that give them unit covariance."""
    size = centred.shape[-1]
    covariance = centred.transpose(0, 2, 1) @ centred / centred.shape[1]
    identity = np.trace(covariance, axis1=1, axis2=2)[:, None, None] / size * np.eye(size)
    shrunk = (1 - SHRINKAGE) * covariance + (SHRINKAGE + 1e-6) * identity + 1e-9 * np.eye(size)
    return np.linalg.cholesky(np.linalg.inv(shrunk))
