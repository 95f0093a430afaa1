"""DQN's networks in torch, for training; `domains/atari/q_network.py` holds their sizes and the acting in NumPy.

`B` pictures, `A` actions. Products run in bfloat16 where asked, which is faster on one core; the last layer always
runs in float32, as actions differ by less than a bfloat16 of their values.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from playground.domains.atari.q_network import EPSILON, QNetworkSpec
from playground.files import atomic_write, write_json


class QNetwork(nn.Module):
    """Expected discounted returns of every action.

    Args:
        spec: the layers.
        actions: A.
        normalised: whether each hidden layer's outputs are normalised over the layer, without weights of its own.
        reduced: whether hidden layers multiply in bfloat16.
    """

    def __init__(self, spec: QNetworkSpec, actions: int, normalised: bool, reduced: bool = True):
        super().__init__()
        self.spec, self.actions, self.normalised, self.reduced = spec, actions, normalised, reduced
        layers: list[nn.Module] = []
        for layer, shape in zip(spec.convolutions, spec.weight_shapes(actions), strict=False):
            layers.append(nn.Conv2d(shape[1], layer.filters, layer.size, layer.stride))
        for outputs, inputs in spec.weight_shapes(actions)[-2:]:
            layers.append(nn.Linear(inputs, outputs))
        self.layers = nn.ModuleList(layers)

    def forward(self, pixels: Tensor) -> Tensor:
        """Values float32 [B, A] of pixels uint8 [B, 4, 84, 84]."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.reduced):
            hidden = pixels.to(torch.bfloat16 if self.reduced else torch.float32) / 255
            for layer in self.layers[:-2]:
                hidden = self._activate(layer(hidden))
            hidden = self._activate(self.layers[-2](hidden.flatten(1)))
        return self.layers[-1](hidden.float())

    def _activate(self, outputs: Tensor) -> Tensor:
        if self.normalised:
            outputs = F.layer_norm(outputs, outputs.shape[1:], eps=EPSILON)
        return F.relu(outputs)


def save_policy(network: QNetwork, folder: Path, about: dict[str, Any]) -> None:
    """Writes what acts: `model.safetensors` in float16, and `config.json` with `about` beside the network's name."""
    tensors = {name: value.detach().to(torch.float16).contiguous() for name, value in network.state_dict().items()}
    config = {"network": network.spec.name, "actions": network.actions, "normalised": network.normalised, **about}
    with atomic_write(folder) as unfinished:
        unfinished.mkdir()
        save_file(tensors, unfinished / "model.safetensors")
        write_json(unfinished / "config.json", config)
