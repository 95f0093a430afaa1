"""How far a prompt is from the prompts of training, in the agent's own activations.

A prompt is what the trunk makes of it: at three layers, the mean over its positions of the attention's values, which
acting computes anyway, scaled to length 1 (Mahalanobis++, arXiv 2505.18032). The distance at a layer is that to the
nearest task's mean less that to the mean of all prompts (relative Mahalanobis distance, arXiv 2106.09022). Distances
are standardised on prompts that the means know nothing of, with goals of their own, and averaged over the layers.

Shapes: N prompts, L layers, D width, K tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from playground import assets
from playground.agent.context import Context
from playground.agent.preprocessing import embed_prompt
from playground.demonstrations import PackedTask, packed_tasks, shipped, shipped_counts
from playground.errors import BadFileError, BadValueError
from playground.model import GeneralistModel
from playground.prompt import Prompt

FILE = "ood_detector.safetensors"
"""In the checkpoint folder, beside the weights that it belongs to."""

SHRINKAGE = 0.1
"""Share of the covariances that is replaced by a ball."""

CALIBRATION = 3
"""Every so many prompts of a task is kept for calibration."""

CONFIDENCE = 0.95
"""Share of familiar prompts that count as familiar (split conformal prediction)."""

PER_TASK = 30
"""Most prompts of a task that are read to fit_ood_detector."""


@dataclass(frozen=True)
class OODScore:
    """What is to be shown of a prompt.

    Attributes:
        score: 0 for a usual prompt; 1 is a standard deviation of the familiar ones.
        percentile: share of the familiar prompts that are less strange, 0 to 1.
        out_of_distribution: whether it is stranger than `CONFIDENCE` of them.
        nearest: id of the task whose prompts are most like it.
    """

    score: float
    percentile: float
    out_of_distribution: bool
    nearest: str


def ood_score(model: GeneralistModel, prompt: Prompt | None, checkpoint: str | Path | None = None) -> OODScore | None:
    """How strange a prompt is to an agent; as quick as reading the prompt.

    Args:
        model: the checkpoint's network.
        prompt: any prompt.
        checkpoint: its folder; None takes the shipped one.

    Returns:
        None without a prompt, and for checkpoints that are not calibrated (`playground fit-ood-detector`).

    Raises:
        BadFileError: the calibration is damaged, or of another network.
    """
    path = Path(assets.ASSETS / "checkpoint" if checkpoint is None else checkpoint) / FILE
    if prompt is None or not path.is_file():
        return None
    return _known(path, path.stat().st_mtime_ns).score(features(model, prompt))


@torch.inference_mode()
def features(model: GeneralistModel, prompt: Prompt) -> np.ndarray:
    """What the trunk makes of a prompt, float32 [L, D], each layer's of length 1."""
    context = Context(model, 1)
    context.set_prompt([0], embed_prompt(model, prompt))
    rows = [value.flatten() for value in context.prompt_values(0)]
    layers = sorted({min(1, len(rows) - 1), len(rows) // 2, len(rows) - 1})
    found = torch.stack([rows[layer] for layer in layers]).float()
    return torch.nn.functional.normalize(found, dim=-1).cpu().numpy()


@dataclass(frozen=True)
class OODDetector:
    """The prompts of training, as far as scores need them.

    Attributes:
        tasks: K task ids.
        whiten: float32 [L, D, D], x @ whiten has unit covariance within tasks.
        means: float32 [L, K, D], whitened means of the tasks.
        whiten_all, mean_all: the same of all prompts together, [L, D, D] and [L, D].
        centre, spread: float32 [L], of the distances of the calibration prompts.
        scores: float32 [C], their scores in order.
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
    def fit(cls, found: np.ndarray, tasks: Sequence[str]) -> "OODDetector":
        """Fits to features [N, L, D] of prompts of N tasks; every `CALIBRATION`-th of a task calibrates.

        Raises:
            BadValueError: there are too few prompts.
        """
        ids, which = np.unique(tasks, return_inverse=True)
        number = np.zeros(len(which), int)
        for k in range(len(ids)):
            number[which == k] = np.arange((which == k).sum())
        aside = number % CALIBRATION == CALIBRATION - 1
        if not aside.any() or len(np.unique(which[~aside])) < len(ids):
            raise BadValueError(f"{len(tasks)} prompts of {len(ids)} tasks; give at least {CALIBRATION} of each")
        kept, of = found[~aside], which[~aside]
        means = np.stack([kept[of == k].mean(axis=0) for k in range(len(ids))], axis=1)  # [L, K, D]
        mean_all = kept.mean(axis=0)
        inside = kept.transpose(1, 0, 2) - means[:, of]
        whiten, whiten_all = _whitening(inside), _whitening(kept.transpose(1, 0, 2) - mean_all[:, None])
        plain = cls(
            tuple(ids.tolist()),
            whiten,
            means @ whiten,
            whiten_all,
            np.einsum("ld,lde->le", mean_all, whiten_all),
            np.zeros(len(whiten), np.float32),
            np.ones(len(whiten), np.float32),
            np.zeros(1, np.float32),
        )
        distances = np.stack([plain.distances(one)[0] for one in found[aside]])
        centre, spread = distances.mean(axis=0), distances.std(axis=0) + 1e-6
        scores = np.sort(((distances - centre) / spread).mean(axis=1)).astype(np.float32)
        return cls(plain.tasks, plain.whiten, plain.means, plain.whiten_all, plain.mean_all, centre, spread, scores)

    def distances(self, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Relative distances [L] of a prompt's features [L, D], and its distance from each task [K]."""
        to_tasks = ((np.einsum("ld,lde->le", found, self.whiten)[:, None] - self.means) ** 2).sum(axis=-1)  # [L, K]
        to_all = ((np.einsum("ld,lde->le", found, self.whiten_all) - self.mean_all) ** 2).sum(axis=-1)
        return to_tasks.min(axis=1) - to_all, to_tasks.mean(axis=0)

    def score(self, found: np.ndarray) -> OODScore:
        """How strange features [L, D] are.

        Raises:
            BadFileError: they are of another network.
        """
        if found.shape != (self.means.shape[0], self.means.shape[2]):
            raise BadFileError(
                f"{FILE} is of a network of another size; run `playground fit-ood-detector` for this one"
            )
        distances, to_tasks = self.distances(found)
        score = float(((distances - self.centre) / self.spread).mean())
        percentile = float(np.searchsorted(self.scores, score) / len(self.scores))
        return OODScore(score, percentile, percentile > CONFIDENCE, self.tasks[int(to_tasks.argmin())])

    def save(self, path: Path) -> None:
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
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise BadFileError(f"{path} is damaged ({error}); run `playground fit-ood-detector` again") from error
        if not fits or not all(np.isfinite(values).all() for values in arrays.values()):
            raise BadFileError(f"{path} does not fit together; run `playground fit-ood-detector` again")
        return found


@lru_cache(maxsize=2)
def _known(path: Path, version: int) -> OODDetector:
    return OODDetector.load(path)


def _whitening(centred: np.ndarray) -> np.ndarray:
    """Deviations [L, N, D] -> matrices [L, D, D] that give them unit covariance."""
    size = centred.shape[-1]
    covariance = centred.transpose(0, 2, 1) @ centred / centred.shape[1]
    ball = np.trace(covariance, axis1=1, axis2=2)[:, None, None] / size * np.eye(size)
    shrunk = (1 - SHRINKAGE) * covariance + (SHRINKAGE + 1e-6) * ball + 1e-9 * np.eye(size)
    return np.linalg.cholesky(np.linalg.inv(shrunk))


def fit_ood_detector(model: GeneralistModel, tasks: Sequence[str], data: Path | None = None) -> OODDetector:
    """Fits a detector to the prompts of some tasks.

    Args:
        model: the network whose features are compared.
        tasks: ids of the tasks that it learnt.
        data: folder of the demonstrations it was trained on; the shipped ones, which show trained goals as well, if
            left out.

    Raises:
        BadValueError: there are too few prompts.
    """
    from rich.progress import track

    counts = shipped_counts()
    packed = set(packed_tasks(data)) if data is not None else set()
    found, of = [], []
    for id in track([id for id in tasks if id in (packed if data is not None else counts)], "reading prompts"):
        for prompt in _prompts(id, data):
            found.append(features(model, prompt))
            of.append(id)
    if not found:
        raise BadValueError(f"no demonstrations of the checkpoint's {len(tasks)} tasks; collect or ship them first")
    return OODDetector.fit(np.stack(found), of)


def _prompts(task: str, data: Path | None) -> list[Prompt]:
    if data is None:
        return [Prompt.from_episode(episode) for episode in shipped(task)]
    opened = PackedTask.open(data, task)
    fit = np.flatnonzero(opened.promptable)
    return [opened.prompt(int(e)) for e in np.random.default_rng(0).permutation(fit)[:PER_TASK]]
