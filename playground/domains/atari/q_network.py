"""The two networks of DQN as their papers specify them: exact sizes, and acting in NumPy without torch.

What is not obvious: the article's table is one short in width. An 84 pixel picture under an 8 x 8 filter with stride 4
gives (84 - 8) / 4 + 1 = 20 places, not 19; its powers of two stand beside the exact counts in `ARTICLE_PARAMETERS`.
Shapes: `C` channels, `H` height, `W` width, `A` actions.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from playground.assets import ASSETS
from playground.errors import DAMAGED, BadFileError, UnknownNameError

FRAMES = 4
"""Newest frames that a network sees."""

PIXELS = 84
"""Height and width of a frame."""

EPSILON = 1e-5
"""Added to the variance by the normalisation, as torch's LayerNorm does."""


@dataclass(frozen=True)
class Convolution:
    """One convolution without padding."""

    filters: int
    size: int
    stride: int


@dataclass(frozen=True)
class QNetworkSpec:
    """The layers of one network: convolutions, one hidden layer, and one output per action; ReLU between.

    Attributes:
        name: what `--network` calls it.
        convolutions: from the picture upwards.
        hidden: units of the fully connected layer.
        source: the paper.
    """

    name: str
    convolutions: tuple[Convolution, ...]
    hidden: int
    source: str

    def feature_shapes(self) -> list[tuple[int, int, int]]:
        """Shape [C, H, W] of the picture and after each convolution."""
        shapes = [(FRAMES, PIXELS, PIXELS)]
        for layer in self.convolutions:
            side = (shapes[-1][1] - layer.size) // layer.stride + 1
            shapes.append((layer.filters, side, side))
        return shapes

    def weight_shapes(self, actions: int) -> list[tuple[int, ...]]:
        """Shape of each layer's weight, outputs first."""
        shapes = self.feature_shapes()
        convolutions = [
            (layer.filters, inputs[0], layer.size, layer.size)
            for layer, inputs in zip(self.convolutions, shapes, strict=False)
        ]
        return [*convolutions, (self.hidden, int(np.prod(shapes[-1]))), (actions, self.hidden)]

    def parameters(self, actions: int, biases: bool = True) -> int:
        """How many numbers are learnt."""
        return sum(int(np.prod(shape)) + biases * shape[0] for shape in self.weight_shapes(actions))

    def multiplications(self, actions: int) -> int:
        """Multiply-accumulates of one decision, biases and normalisation left out."""
        places = [height * width for _, height, width in self.feature_shapes()[1:]] + [1, 1]
        weights = self.weight_shapes(actions)
        return sum(int(np.prod(shape)) * place for shape, place in zip(weights, places, strict=True))


NETWORKS = {
    spec.name: spec
    for spec in (
        QNetworkSpec(
            "nips",
            (Convolution(16, 8, 4), Convolution(32, 4, 2)),
            256,
            "Mnih et al. 2013, Playing Atari with Deep Reinforcement Learning, section 4.1",
        ),
        QNetworkSpec(
            "nature",
            (Convolution(32, 8, 4), Convolution(64, 4, 2), Convolution(64, 3, 1)),
            512,
            "Mnih et al. 2015, Human-level control through deep reinforcement learning, Methods",
        ),
    )
}
"""Name -> layers."""

ARTICLE_PARAMETERS = {"nips": (2**12, 2**13, 2**19, 2**12), "nature": (2**13, 2**15, 2**15, 2**20, 2**13)}
"""Weights of each layer in the article's table, in its powers of two, without biases, at most 18 actions."""

ARTICLE_EXACT = {"nips": 541_184, "nature": 1_266_688}
"""Weights of the article's shapes, whose last picture is 8 or 6 wide, not 9 or 7; without biases, 18 actions."""


Q_POLICIES = ASSETS / "dqn"
"""Folder of the shipped policies, `GAME-NETWORK/`, and of curves without one."""


def _area_weights(source: int, target: int) -> np.ndarray:
    """Share of each of `source` cells in each of `target` cells of the same length, float32 [target, source]."""
    edges, cells = np.arange(target + 1) * source / target, np.arange(source)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    return (np.clip(overlap, 0, 1) * target / source).astype(np.float32)


@cache
def _shrinking(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    return _area_weights(height, PIXELS), _area_weights(width, PIXELS).T.copy()


def shrunk(screen: np.ndarray) -> np.ndarray:
    """A screen uint8 [H, W] as a frame uint8 [84, 84], each cell the mean of the area that it covers."""
    rows, columns = _shrinking(*screen.shape)
    return np.floor(rows @ screen.astype(np.float32) @ columns + 0.5).astype(np.uint8)


def network_spec(name: str) -> QNetworkSpec:
    """The layers of a network by its name.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in NETWORKS:
        raise UnknownNameError("network", name, NETWORKS)
    return NETWORKS[name]


class NumpyQNetwork:
    """A trained network that acts without torch: convolutions as products of unfolded pictures.

    Args:
        spec: its layers.
        tensors: `layers.N.weight` and `layers.N.bias`, N from 0 upwards.
        normalised: whether each hidden layer's outputs are normalised over the layer, without weights.

    Raises:
        BadFileError: the tensors are not those of `spec`.
    """

    def __init__(self, spec: QNetworkSpec, tensors: dict[str, np.ndarray], normalised: bool):
        self.spec, self.normalised = spec, normalised
        count = len(spec.convolutions) + 2
        try:
            weights = [tensors[f"layers.{n}.weight"].astype(np.float32) for n in range(count)]
            self._biases = [tensors[f"layers.{n}.bias"].astype(np.float32) for n in range(count)]
        except KeyError as error:
            raise BadFileError(f"{spec.name} network: tensor {error} is missing; train it again") from error
        self.actions = len(weights[-1])
        found = [weight.shape for weight in weights]
        if found != spec.weight_shapes(self.actions):
            raise BadFileError(f"{spec.name} network: weights are {found}, not {spec.weight_shapes(self.actions)}")
        weights[0] = weights[0] / np.float32(255)
        self._weights = [np.ascontiguousarray(weight.reshape(len(weight), -1).T) for weight in weights]

    def values(self, pixels: np.ndarray) -> np.ndarray:
        """Expected discounted returns of every action, float32 [A], for pixels uint8 [4, 84, 84], oldest first."""
        hidden = pixels.astype(np.float32)
        for n, layer in enumerate(self.spec.convolutions):
            step, size = layer.stride, layer.size
            windows = sliding_window_view(hidden, (size, size), axis=(1, 2))[:, ::step, ::step]  # [C, H, W, size, size]
            side = windows.shape[1]
            columns = windows.transpose(1, 2, 0, 3, 4).reshape(side * side, -1)
            out = self._activate(columns @ self._weights[n] + self._biases[n])
            hidden = np.ascontiguousarray(out.T).reshape(-1, side, side)
        last = len(self._weights) - 1
        hidden = self._activate(hidden.ravel() @ self._weights[last - 1] + self._biases[last - 1])
        return hidden @ self._weights[last] + self._biases[last]

    def _activate(self, outputs: np.ndarray) -> np.ndarray:
        """ReLU of a layer's outputs, normalised over the whole layer where the network is so."""
        if self.normalised:
            outputs = outputs - outputs.mean()
            outputs = outputs / np.sqrt(np.square(outputs).mean() + np.float32(EPSILON))
        return np.maximum(outputs, 0)


def shipped_q_policies() -> dict[str, Path]:
    """Name of a game, such as `space_invaders` -> folder of the best shipped policy."""
    found: dict[str, tuple[float, Path]] = {}
    for file in sorted(Q_POLICIES.glob("*/config.json")):
        config = json.loads(file.read_text(encoding="utf-8"))
        if config["game"] not in found or config["score"] > found[config["game"]][0]:
            found[config["game"]] = (config["score"], file.parent)
    return {game: folder for game, (_, folder) in found.items()}


def q_policy_folder(task: str, checkpoint: str | Path | None = None) -> Path:
    """Where the policy for a task lies: a checkpoint that is one, else the shipped one.

    Args:
        task: its name, such as `SpaceInvaders`.
        checkpoint: a folder that `train-dqn` wrote; that of a model is passed over.

    Raises:
        UnknownNameError: nothing is shipped for that task.
    """
    if checkpoint is not None:
        config = Path(checkpoint, "config.json")
        if config.is_file() and "normalised" in json.loads(config.read_text(encoding="utf-8")):
            return Path(checkpoint)
    shipped = shipped_q_policies()
    game = re.sub("(?<=[a-z])(?=[A-Z])", "_", task).lower()
    if game not in shipped:
        raise UnknownNameError("game of a shipped DQN", task, shipped)
    return shipped[game]


def load_q_network(folder: Path) -> NumpyQNetwork:
    """A policy that `playground train-dqn` saved: `config.json` and `model.safetensors`.

    Raises:
        BadFileError: a file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "model.safetensors")
        spec, normalised = network_spec(config["network"]), bool(config["normalised"])
    except (SafetensorError, *DAMAGED) as error:
        raise BadFileError(
            f"{folder} is no policy of train-dqn ({error}); train one with playground train-dqn"
        ) from error
    return NumpyQNetwork(spec, tensors, normalised)
