"""The agent's network: encoder, trunk, decoder and two auxiliary heads; both layouts behind one interface.

Shapes: B batch, S timesteps, T positions per timestep (1 in `step`), D width, A action tokens, V action vocabulary
(bins, then choices), N any number of timesteps.
"""

import torch
from torch import Tensor

from playground.model.config import ModelConfig
from playground.model.decoders import FlatDecoder, StepDecoder, expected_bin
from playground.model.encoders import FlatEncoder, StepEncoder
from playground.model.heads import GoalHead, SubtaskDoneHead
from playground.model.hooks import HookedModel, HookPoint
from playground.model.token_batch import TokenBatch
from playground.model.transformer import Cache, Trunk

Encoder = StepEncoder | FlatEncoder
Decoder = StepDecoder | FlatDecoder

LAYOUTS: dict[str, tuple[type[Encoder], type[Decoder]]] = {
    "step": (StepEncoder, StepDecoder),
    "flat": (FlatEncoder, FlatDecoder),
}
"""How timesteps become positions of the trunk, and its outputs actions."""


class GeneralistModel(HookedModel):
    """One network for every task: `embed` timesteps, run the `trunk`, read `logits` of action tokens.

    The trunk's activations can be read and edited by name, see `playground.model.hooks`.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        encoder, decoder = LAYOUTS[config.layout]
        self.encoder: Encoder = encoder(config)
        self.trunk = Trunk(config)
        self.hook_dict = {point.name: point for point in self.trunk.modules() if isinstance(point, HookPoint)}
        self.decoder: Decoder = decoder(config)
        self.goal_head = GoalHead(config)
        self.subtask_done_head = SubtaskDoneHead(config).requires_grad_(False)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.decoder.head.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the parameters."""
        return self.decoder.head.weight.dtype

    def parameter_count(self) -> int:
        """Number of parameters."""
        return sum(p.numel() for p in self.parameters())

    def new_cache(self, batch: int, capacity: int) -> Cache:
        """An empty cache for `batch` rows of up to `capacity` positions."""
        return Cache(self.config, batch, capacity, self.decoder.head.weight)

    def embed(self, batch: TokenBatch) -> Tensor:
        """Timesteps [B, S] -> trunk inputs [B, S, T, D]."""
        return self.encoder(batch)

    def forward(self, batch: TokenBatch) -> Tensor:
        """Timesteps [B, S] -> trunk outputs [B, S, T, D]."""
        x = self.embed(batch)
        B, S, T, D = x.shape
        first = None if batch.first is None else (batch.first * T).repeat_interleave(T, dim=1)
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
        return self.decoder.logits(h, tokens, discrete, self.encoder.tables)

    @torch.inference_mode()
    def decode(self, h: Tensor, discrete: bool, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Chooses the action tokens of N timesteps one by one; all rows have the same action form.

        A choice is the most likely one; a bin is `expected_bin` of its distribution.

        Args:
            h: trunk outputs [N, T, D].
            discrete: whether actions are choices among `size` rather than `size` dimensions.
            size: see `discrete`.

        Returns:
            tokens int64 [N, A]; probabilities float32 [N, A, bins or size]; means float32 [N, A], the expected bin
            index (fractional), or the choice.
        """
        A, bins, tables = 1 if discrete else size, self.config.action_bins, self.encoder.tables
        start, stop = (bins, bins + size) if discrete else (0, bins)
        tokens, probabilities, means = [], [], []
        x = self.decoder.start(h)
        for a in range(A):
            p = self.decoder.next_logits(x, a, A, tables)[:, start:stop].float().softmax(-1)
            mean = p.argmax(-1) if discrete else expected_bin(p)
            tokens.append(mean.round().long())
            probabilities.append(p)
            means.append(mean.float())
            if a + 1 < A:
                x = self.decoder.add(x, tokens[-1], a, tables)
        return torch.stack(tokens, 1), torch.stack(probabilities, 1), torch.stack(means, 1)
