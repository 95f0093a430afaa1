"""The agent's network: embeddings, trunk, action head; both layouts behind one interface.

Shapes: B batch, S timesteps, T positions per timestep (1 in `step`), D width, A action tokens, V action vocabulary
(bins, then choices), N any number of timesteps.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.model.config import ModelConfig
from playground.model.embeddings import FlatEncoder, StepEncoder, TextLayer, WordCrossAttention, smooth_rows
from playground.model.segment_sum import gather, pad_to_multiple, segment_sum, starts
from playground.model.token_batch import TokenBatch
from playground.model.transformer import Cache, Trunk
from playground.tokens.scalars import BINS
from playground.tokens.timestep import CONTINUOUS_START, MAX_DISCRETE_ACTIONS

REACH = 4
ENOUGH = 0.6
"""A distribution over bins has one mode if this share of it lies within `REACH` bins of the most likely one."""


UNSURE = 5.0
"""Logit against being done of a model that has not learnt to tell."""

GOAL_TOKENS = 24
"""Tokens that tell what a prompt asks for, the padding that ends them included, at most."""


class GoalHead(nn.Module):
    """Tells in words or numbers what a prompt asks for, from the trunk's output at its last timestep.

    It serves training, and gives the agent a mission in worlds without one (`BatchAgent`). Actions alone teach slowly,
    or never, to look into the prompt: most of them are right whatever it says. What the last timestep knows of the
    goal, live ones can look up.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.place = nn.Embedding(GOAL_TOKENS, config.width)
        self.vector = nn.Linear(config.width, config.width)
        self.out = nn.Linear(config.width, config.width)

    def forward(self, h: Tensor, table: Tensor) -> Tensor:
        """[N, D] and the embeddings of tokens [V, D] -> logits [N, GOAL_TOKENS, V]."""
        return self.out(F.gelu(self.vector(h)[:, None] + self.place.weight)) @ table.T


class SubtaskDoneHead(nn.Module):
    """Tells from the trunk's output at a live timestep whether what the text asks for is done; untrained: never.

    The agent carries out missions of several parts one at a time (`BatchAgent`); this is what tells it to go on.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.hidden = nn.Linear(config.width, config.width)
        self.out = nn.Linear(config.width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.constant_(self.out.bias, -UNSURE)

    def forward(self, h: Tensor) -> Tensor:
        """[N, D] -> logits [N]."""
        return self.out(F.gelu(self.hidden(h)))[:, 0]


class LocalDecoder(nn.Module):
    """Emits a timestep's action tokens one by one from its vector: each sees the sum of those before it."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.vector = nn.Linear(config.width, config.width)
        self.norm = nn.LayerNorm(config.width)
        self.up = nn.Linear(config.width, 2 * config.width)
        self.down = nn.Linear(2 * config.width, config.width)
        self.norm_out = nn.LayerNorm(config.width)

    def refine(self, x: Tensor) -> Tensor:
        """Sums of vector, tokens so far and action position [..., D] -> [..., D]."""
        return self.norm_out(x + self.down(F.gelu(self.up(self.norm(x)))))


class GeneralistModel(nn.Module):
    """One network for every task: `embed` timesteps, run the `trunk`, read `logits` of action tokens."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.encoder: StepEncoder | FlatEncoder
        if config.layout == "step":
            self.encoder = StepEncoder(config)
            self.decoder = LocalDecoder(config)
        else:
            self.encoder = FlatEncoder(config)
        self.trunk = Trunk(config)
        self.head = nn.Linear(config.width, config.action_bins + MAX_DISCRETE_ACTIONS)
        self.prompt_reader = GoalHead(config)
        self.apply(self._initialise)
        self._smooth_bins()
        for name, parameter in self.named_parameters():
            if name.endswith(("attention.out.weight", "down.weight")):
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * config.layers))
        for module in self.modules():
            if isinstance(module, TextLayer):
                nn.init.zeros_(module.out.weight)
                nn.init.zeros_(module.down.weight)
            if isinstance(module, WordCrossAttention):
                nn.init.zeros_(module.out.weight)
        self.done_reader = SubtaskDoneHead(config).requires_grad_(False)  # trained apart, `playground train-done-head`

    @torch.no_grad()
    def _smooth_bins(self) -> None:
        """Makes neighbouring bins of observations, actions and predictions alike at the start."""
        bins, width, tables = self.config.action_bins, self.config.width, self.encoder.tables
        values = tables.token.weight[CONTINUOUS_START : CONTINUOUS_START + BINS]
        for rows, scale in ((values, 0.7), (tables.action.weight[:bins], 0.7), (self.head.weight[:bins], 0.02)):
            if not rows.is_meta:
                rows.copy_(scale * smooth_rows(len(rows), width))
        if isinstance(self.encoder, StepEncoder):
            nn.init.normal_(self.encoder.place.weight)

    @staticmethod
    def _initialise(module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Conv2d):
            std = 0.02 if isinstance(module, nn.Linear) else module.weight[0].numel() ** -0.5
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.3)

    @property
    def device(self) -> torch.device:
        return self.head.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.head.weight.dtype

    def parameter_count(self) -> int:
        return sum(p.numel() for p in self.parameters())

    def new_cache(self, batch: int, capacity: int) -> Cache:
        """An empty cache for `batch` rows of up to `capacity` positions."""
        return Cache(self.config, batch, capacity, self.head.weight)

    def embed(self, steps: TokenBatch) -> Tensor:
        """Timesteps [B, S] -> trunk inputs [B, S, T, D]."""
        return self.encoder(steps)

    def forward(self, steps: TokenBatch) -> Tensor:
        """Timesteps [B, S] -> trunk outputs [B, S, T, D]."""
        x = self.embed(steps)
        B, S, T, D = x.shape
        first = None if steps.first is None else (steps.first * T).repeat_interleave(T, dim=1)
        return self.trunk(x.view(B, S * T, D), first=first).view(B, S, T, D)

    def logits(self, h: Tensor, tokens: Tensor, discrete: Tensor) -> Tensor:
        """Logits of each action token given those before it (teacher forcing).

        Args:
            h: trunk outputs of N timesteps [N, T, D].
            tokens: the action tokens [N, A], -1 pads at the end; only those before each position matter.
            discrete: bool [N].

        Returns:
            [L, V], of the L tokens that are no padding, row by row.
        """
        A, there = tokens.shape[1], tokens >= 0
        if self.config.layout == "flat":
            return self.head(h[:, -A - 1 : -1][there])
        tables = self.encoder.tables
        x, index = tables.distinct_actions(tokens, discrete, there)
        row, place = there.nonzero().unbind(1)  # [L] each
        first = starts(there.sum(1))[row]
        begin = starts(place)
        before = (first - begin).repeat_interleave(place) + torch.arange(int(place.sum()), device=place.device)
        x = segment_sum(x, index[before], begin) + gather(self.decoder.vector(h[:, 0]), row)
        x = x + gather(tables.action_position.weight, place)
        return self.head(self.decoder.refine(pad_to_multiple(x)))[: len(row)]

    @torch.inference_mode()
    def decode(self, h: Tensor, discrete: bool, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Chooses the action tokens of N timesteps one by one; all rows have the same action form.

        A choice is the most likely one. A bin is the expectation of its distribution, or, where less than `ENOUGH` of
        the mass lies within `REACH` bins of the mode, the expectation within that window.

        Args:
            h: trunk outputs [N, T, D].
            discrete: whether actions are choices among `size` rather than `size` dimensions.

        Returns:
            tokens int64 [N, A]; probabilities float32 [N, A, bins or size]; means float32 [N, A], the expected bin
            index (fractional), or the choice.
        """
        A, bins = 1 if discrete else size, self.config.action_bins
        start, stop = (bins, bins + size) if discrete else (0, bins)
        step, table = self.config.layout == "step", self.encoder.tables
        tokens, probabilities, means = [], [], []
        x = self.decoder.vector(h[:, 0]) if step else h[:, 0]  # [N, D]
        for a in range(A):
            position = table.action_position.weight[a]
            y = self.decoder.refine(x + position) if step else h[:, -A - 1 + a]
            p = self.head(y)[:, start:stop].float().softmax(-1)
            mean = p.argmax(-1) if discrete else expected_bin(p)
            tokens.append(mean.round().long())
            probabilities.append(p)
            means.append(mean.float())
            if step and a + 1 < A:
                x = x + F.gelu(F.embedding(tokens[-1], table.action.weight) + position)
        return torch.stack(tokens, 1), torch.stack(probabilities, 1), torch.stack(means, 1)


def expected_bin(p: Tensor) -> Tensor:
    """Distributions over bins [N, bins] -> expected bin index [N], robust to several modes."""
    index = torch.arange(p.shape[-1], device=p.device, dtype=p.dtype)
    near = (index - p.argmax(-1, keepdim=True)).abs() <= REACH
    window = p * near
    mass = window.sum(-1)
    return torch.where(mass < ENOUGH, (window * index).sum(-1) / mass, (p * index).sum(-1))
