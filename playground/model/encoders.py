"""Timesteps to the trunk's inputs, in either layout: one position a timestep, or one a token.

Shapes: B batch, S timesteps, M = B * S, K scalar tokens, A action tokens, U texts, L words, T positions, D width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.model.config import ModelConfig
from playground.model.grid_encoder import GridEncoder
from playground.model.layers import Table, embedding, linear, smooth
from playground.model.patch_encoder import PatchEncoder
from playground.model.segment_sum import gather, pad_to_multiple, segment_starts, segment_sum, unique
from playground.model.text_encoder import TextEncoder, Texts
from playground.model.token_batch import TokenBatch
from playground.tokens.scalars import BINS
from playground.tokens.timestep import CONTINUOUS_START, MAX_DISCRETE_ACTIONS, VOCABULARY


class Tables(nn.Module):
    """The embeddings that both layouts share: token ids, local positions, action tokens."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.bins = config.action_bins
        self.token = Table(VOCABULARY, config.width)
        self.local = embedding(config.max_values, config.width)
        self.action = Table(config.action_bins + MAX_DISCRETE_ACTIONS, config.width)
        self.action_position = embedding(config.max_actions, config.width)
        smooth(self.token.weight[CONTINUOUS_START : CONTINUOUS_START + BINS], 0.7)
        smooth(self.action.weight[: config.action_bins], 0.7)

    def action_ids(self, actions: Tensor, discrete: Tensor) -> Tensor:
        """Action tokens [..., A] with `discrete` [...] -> rows of the action table; choices lie behind the bins."""
        return actions.clamp(min=0) + discrete[..., None] * self.bins

    def embed_actions(self, actions: Tensor, discrete: Tensor) -> Tensor:
        """Action tokens [..., A] -> [..., A, D]."""
        return self.action(self.action_ids(actions, discrete)) + self.action_position.weight[: actions.shape[-1]]

    def unique_actions(self, actions: Tensor, discrete: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Embeds some of the action tokens [M, A], each distinct one once.

        Args:
            actions: the tokens.
            discrete: bool [M].
            mask: bool [M, A], which tokens.

        Returns:
            The distinct ones at their places [R, D], and int64: which of them each token is, row by row.
        """
        A, count = actions.shape[1], len(self.action.weight)
        keys = self.action_ids(actions, discrete) + count * torch.arange(A, device=actions.device)
        pairs, index = unique(keys[mask], A * count)
        position = gather(self.action_position.weight, pairs // count)
        return F.gelu(self.action(pairs % count) + position), index


class StepEncoder(nn.Module):
    """Folds each timestep's observation (and, where shown, action) into one vector."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.tables = Tables(config)
        self.position = embedding(config.max_values, config.width, std=1.0)
        self.values = linear(config.width, config.width)
        self.actions = linear(config.width, config.width)
        self.text = TextEncoder(config)
        self.grid = GridEncoder(config)
        self.image = PatchEncoder(config)
        self.image_up = linear(config.width, config.width)
        self.image_out = linear(config.width, config.width)
        self.role = embedding(4, config.width)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, batch: TokenBatch) -> Tensor:
        """[B, S] timesteps -> [B, S, 1, D]."""
        B, S = batch.shape
        x = self.embed_values(batch.values.flatten(0, 1)).view(B, S, -1)
        grid_text = None
        if batch.text is not None:
            assert batch.text_index is not None
            texts = self.encode_texts(batch.text)
            x = x + texts.vectors[batch.text_index]
            if batch.grid is not None:
                grid_text = self.grid.text(texts).take(batch.text_index.flatten())
        if batch.grid is not None:
            grid_text = self.grid.no_text(B * S) if grid_text is None else grid_text
            x = x + self.grid(batch.grid.flatten(0, 1), grid_text).view(B, S, -1)
        if batch.image is not None:
            x = x + self.embed_images(batch.image.flatten(0, 1)).view(B, S, -1)
        x = x * batch.show_observation[..., None]
        shown = (batch.actions >= 0) & batch.show_action[..., None]  # [B, S, A]
        if bool(shown.any()):
            parts = (part.flatten(0, 1) for part in (batch.actions, batch.discrete, shown))
            x = x + self.embed_actions(*parts).view_as(x)
        x = x + self.role(batch.show_observation.long() + 2 * batch.show_action.long())
        return self.norm(x)[:, :, None]

    def embed_values(self, values: Tensor) -> Tensor:
        """Token ids of scalars [M, K], -1 pads -> [M, D]."""
        mask = values >= 0
        K, count = values.shape[1], len(self.tables.token.weight)
        pairs, index = unique((values + count * torch.arange(K, device=values.device))[mask], K * count)
        place = pairs // count
        # The product binds each value to its place: a sum of plain embeddings would mix them up.
        x = self.tables.token(pairs % count) * gather(self.position.weight, place)
        x = F.gelu(x + gather(self.tables.local.weight, place))
        return self.values(segment_sum(x, index, segment_starts(mask.sum(1))))

    def embed_actions(self, actions: Tensor, discrete: Tensor, shown: Tensor) -> Tensor:
        """Action tokens [M, A], bool [M] and which are shown, bool [M, A] -> [M, D]."""
        x, index = self.tables.unique_actions(actions, discrete, shown)
        return self.actions(segment_sum(x, index, segment_starts(shown.sum(1))))

    def embed_images(self, images: Tensor) -> Tensor:
        """uint8 [M, H, W, 3] -> [M, D]."""
        x, index = self.image(images)
        x = F.gelu(self.image_up(F.gelu(pad_to_multiple(x))))
        M, P = index.shape
        mean = segment_sum(x, index.flatten(), P * torch.arange(M, device=index.device)) / P
        return self.image_out(mean)

    def encode_texts(self, texts: Tensor) -> Texts:
        """Token ids [U, L], 0 pads."""
        return self.text(self.tables.token(texts), texts > 0)


class FlatEncoder(nn.Module):
    """One position per token: text, patches, scalars, cells, separator, actions (Reed et al. 2022, figure 2)."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.tables = Tables(config)
        self.image = PatchEncoder(config)
        self.text_position = embedding(config.max_text, config.width)
        self.hidden = nn.Parameter(torch.zeros(config.width))
        self.separator = nn.Parameter(torch.randn(config.width) * 0.02)

    def forward(self, batch: TokenBatch) -> Tensor:
        """[B, S] timesteps -> [B, S, T, D]; T = text + patches + scalars + cells + 1 + actions."""
        B, S = batch.shape
        tables = self.tables
        parts = []
        if batch.text is not None:
            assert batch.text_index is not None
            text = tables.token(batch.text) + self.text_position.weight[: batch.text.shape[1]]
            parts.append(text[batch.text_index])
        if batch.image is not None:
            patches, index = self.image(batch.image.flatten(0, 1))
            parts.append(gather(patches, index.flatten()).view(B, S, index.shape[1], -1))
        ids = batch.values if batch.grid is None else torch.cat((batch.values, batch.grid.flatten(2)), dim=2)
        parts.append(tables.token(ids.clamp(min=0)) + tables.local.weight[: ids.shape[-1]])
        observation = torch.cat(parts, dim=2)
        observation = torch.where(batch.show_observation[..., None, None], observation, self.hidden)
        actions = tables.embed_actions(batch.actions, batch.discrete)
        shown = (batch.actions >= 0) & batch.show_action[..., None]
        hidden = self.hidden + tables.action_position.weight[: actions.shape[2]]
        actions = torch.where(shown[..., None], actions, hidden)
        separator = self.separator.expand(B, S, 1, -1)
        return torch.cat((observation, separator, actions), dim=2)
