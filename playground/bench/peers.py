"""`playground bench peers`: how fast four kinds of policy decide, at equal parameters, threads and past timesteps.

All have random weights, because values do not change the time. One decision is timed from its tokens on: reading one
new timestep behind a number of others, and choosing the action.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.agent import Context
from playground.agent.context import read_positions
from playground.bench.measure import Measurement, sample
from playground.model import GeneralistModel, ModelConfig, TokenBatch, choose_backend, preset

PAST = 128
"""Past timesteps that every policy attends to, in the command's table."""

VALUES, ACTIONS = 24, 6
"""Numbers and actions of a timestep: those of walker."""


class JatShaped(nn.Module):
    """A policy of JAT's shape (Gallouédec et al. 2024): 12 GPT-Neo layers, four embeddings a timestep, with a cache.

    Written as such policies are: learned positions, separate projections without biases, keys and values of all past
    positions concatenated with the new ones, heads that regress the action.
    """

    def __init__(self, width: int = 192, layers: int = 12, heads: int = 4, positions: int = 1024):
        super().__init__()
        self.heads = heads
        self.embed = nn.Linear(VALUES, width)
        self.embed_action = nn.Linear(ACTIONS, width)
        self.embed_scalar = nn.Linear(1, width)
        self.position = nn.Embedding(positions, width)
        self.norms1 = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.norms2 = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.queries, self.keys, self.values = (
            nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(layers)) for _ in range(3)
        )
        self.outs = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.ups = nn.ModuleList(nn.Linear(width, 4 * width) for _ in range(layers))
        self.downs = nn.ModuleList(nn.Linear(4 * width, width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, ACTIONS)
        self.cache: list[tuple[Tensor, Tensor]] = []

    def forward(self, observation: Tensor, action: Tensor, reward: Tensor) -> Tensor:
        """The last action [1, 6], its reward [1, 1], and the observation that it led to [1, 24] -> action [1, 6]."""
        parts = self.embed_action(action), self.embed_scalar(reward), self.embed(observation), self.embed_scalar(reward)
        x = torch.stack(parts, dim=1)  # [1, 4, D]
        past = self.cache[0][0].shape[2] if self.cache else 0
        x = x + self.position(torch.arange(past, past + x.shape[1]))
        blocked = torch.full((x.shape[1], past + x.shape[1]), float("-inf")).triu(past + 1)
        fresh = []
        for i in range(len(self.ups)):
            y = self.norms1[i](x)
            q, k, v = (
                part[i](y).unflatten(-1, (self.heads, -1)).transpose(1, 2)
                for part in (self.queries, self.keys, self.values)
            )
            if self.cache:
                k, v = (torch.cat(pair, dim=2) for pair in zip(self.cache[i], (k, v), strict=True))
            fresh.append((k, v))
            scores = (q @ k.mT + blocked).softmax(-1)
            x = x + self.outs[i]((scores @ v).transpose(1, 2).flatten(2))
            x = x + self.downs[i](F.gelu(self.ups[i](self.norms2[i](x)), approximate="tanh"))
        self.cache = fresh
        return self.head(self.norm(x[:, 2]))


def timesteps(count: int) -> TokenBatch:
    """Live timesteps [1, count] of random numbers; actions are hidden."""
    return TokenBatch(
        values=torch.randint(1024, 2048, (1, count, VALUES)),
        actions=torch.full((1, count, ACTIONS), -1),
        discrete=torch.zeros(1, count, dtype=torch.bool),
        show_observation=torch.ones(1, count, dtype=torch.bool),
        show_action=torch.zeros(1, count, dtype=torch.bool),
    )


def step_policy(model: GeneralistModel, past: int) -> Callable[[], object]:
    """Ours: one position a timestep behind a cache."""
    context, backend, new = Context(model, 1), choose_backend(model), timesteps(1)
    context.set_prompt([0], read_positions(model, model.embed(timesteps(past))[0, :, 0]))

    def decide() -> None:
        backend.decode(context.extend(backend.embed(new), [0]), False, ACTIONS)
        context.reset([0])

    return decide


def flat_policy(model: GeneralistModel, past: int) -> Callable[[], object]:
    """Gato's layout: one position a token, with the same kind of cache."""
    context, new = Context(model, 1), timesteps(1)
    context.set_prompt([0], read_positions(model, model.embed(timesteps(past))[0].flatten(0, 1)))

    def decide() -> None:
        model.decode(context.extend(model.embed(new)[:, 0], [0]), False, ACTIONS)
        context.reset([0])

    return decide


def uncached_policy(model: GeneralistModel, past: int) -> Callable[[], object]:
    """Gato's layout without a cache: all tokens again at every step (open clones do it for every action token)."""
    everything = timesteps(past + 1)
    return lambda: model.decode(model(everything)[:, -1], False, ACTIONS)


def jat_policy(model: JatShaped, past: int) -> Callable[[], object]:
    """JAT's shape: four positions a timestep, with a cache of as many timesteps."""
    inputs = torch.randn(1, VALUES), torch.randn(1, ACTIONS), torch.randn(1, 1)
    for _ in range(past):
        model(*inputs)
    held = list(model.cache)

    def decide() -> None:
        model.cache = held
        model(*inputs)

    return decide


def measure_peers(seconds: float = 4.0, past: int = PAST) -> Iterator[Measurement]:
    """Times the decisions of four policies in turns; ratios are to our layout."""
    torch.manual_seed(0)
    config: ModelConfig = preset("small")
    ours = GeneralistModel(config)
    # More layers make up for the encoders that the flat layout does not have.
    flat = GeneralistModel(replace(config, layout="flat", layers=config.layers + 2))
    jat = JatShaped(width=200)
    networks: tuple[nn.Module, ...] = (ours, flat, jat)
    for network in networks:
        network.eval().requires_grad_(False)
    with torch.inference_mode():
        policies = {
            "step layout, cached (ours)": (ours, step_policy(ours, past)),
            "flat layout, cached": (flat, flat_policy(flat, past)),
            "flat layout, read again each step": (flat, uncached_policy(flat, past)),
            "JAT-shaped, cached": (jat, jat_policy(jat, past)),
        }
        found = sample({name: decide for name, (_, decide) in policies.items()}, seconds)
    ours_ms = next(iter(found.values())).median
    for name, (model, _) in policies.items():
        count = sum(p.numel() for p in model.parameters()) / 1e6
        case = Measurement.of_times(f"{name}, {count:.1f} M parameters", found[name])
        yield replace(case, floor=ours_ms, ratio=case.value / ours_ms, floor_is="our decision")
