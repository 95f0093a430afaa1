"""Tokens to vectors: the encoders of scalars, cells, pictures, text and actions."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.model.config import ModelConfig
from playground.model.segment_sum import gather, pad_to_multiple, segment_sum, starts, unique, unique_rows
from playground.model.token_batch import TokenBatch
from playground.tokens.images import PATCH
from playground.tokens.timestep import MAX_DISCRETE_ACTIONS, VOCABULARY

POSITION_INTERVALS = 128
"""Row and column of a patch are quantised to 128 intervals of [0, 1] (Reed et al. 2022, appendix C.3)."""

GRID_CHANNELS = 3
GRID_SYMBOLS = 16
"""Symbols of a grid's cell that have an embedding of their own; larger ones share the last."""


def smooth_rows(count: int, width: int) -> Tensor:
    """Rows [count, width] of unit variance that change gradually: random waves of 1/2 to `count` / 16 periods.

    Tables of bins start from these, so that neighbouring bins mean nearly the same before anything is learnt.
    """
    periods = 0.5 * (count / 8) ** torch.rand(width)
    phases = torch.rand(width) * 2 * torch.pi
    return 2**0.5 * torch.cos(2 * torch.pi * torch.arange(count)[:, None] / count * periods + phases)


class Table(nn.Embedding):
    """An embedding table whose gradient is summed in float32."""

    def forward(self, index: Tensor) -> Tensor:
        return gather(self.weight, index.flatten()).view(*index.shape, self.embedding_dim)


class PatchEncoder(nn.Module):
    """One pre-activation ResNet block per 16 x 16 patch, GroupNorm and GELU, plus row and column embeddings.

    Depth and channels are unpublished; here the block halves the patch and has `local_width` / 2 channels.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        channels = max(8, config.local_width // 2)
        self.stem = nn.Conv2d(3, channels, 4, stride=4)
        self.norm1 = nn.GroupNorm(4, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(4, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.out = nn.Linear(channels * (PATCH // 4) ** 2, config.width)
        self.row = nn.Embedding(POSITION_INTERVALS, config.width)
        self.column = nn.Embedding(POSITION_INTERVALS, config.width)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures uint8 [N, H, W, 3] of P patches each -> vectors [R, D] of the distinct patches at their places.

        Returns:
            The vectors, and int64 [N, P]: which of them each patch is, in raster order.
        """
        patches, places = self.cut(image), self.places(image)
        N, P = len(image), len(places)
        where, which = unique_rows(patches.flatten(1).view(torch.int64))
        inside = torch.arange(P, device=image.device)
        pairs, index = unique((which.view(N, P) * P + inside).flatten(), len(where) * P)
        x = gather(self.read(patches[where]), pairs // P)
        return x + gather(places, pairs % P), index.view(N, P)

    @staticmethod
    def cut(image: Tensor) -> Tensor:
        """[N, H, W, 3] -> patches in raster order [N * P, 16, 16, 3]."""
        N, height, width, _ = image.shape
        x = image.view(N, height // PATCH, PATCH, width // PATCH, PATCH, 3)
        return x.transpose(2, 3).reshape(-1, PATCH, PATCH, 3)

    def places(self, image: Tensor) -> Tensor:
        """What tells where a picture's patches are, [P, D]."""
        row = self._intervals(self.row, image.shape[1] // PATCH)
        column = self._intervals(self.column, image.shape[2] // PATCH)
        return (row[:, None] + column).flatten(0, 1)

    def read(self, patches: Tensor) -> Tensor:
        """uint8 [N, 16, 16, 3] -> [N, D]."""
        x = pad_to_multiple(patches).permute(0, 3, 1, 2)
        x = self.stem((x.to(self.stem.weight.dtype) / 127.5 - 1.0) / PATCH**0.5)
        x = x + self.conv2(F.gelu(self.norm2(self.conv1(F.gelu(self.norm1(x))))))
        return self.out(x.flatten(1))[: len(patches)]

    def _intervals(self, table: nn.Embedding, count: int) -> Tensor:
        """Embeds `count` intervals of [0, 1]: a random point inside each in training, the middle in evaluation."""
        start = torch.arange(count, device=table.weight.device)
        inside = torch.rand(count, device=start.device) if self.training else 0.5
        return table(((start + inside) / count * POSITION_INTERVALS).long())


class TextLayer(nn.Module):
    """One further layer over the words, bidirectional attention and a feed-forward part; at first it changes nothing.

    So that a trained model can be given more of them.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.heads = config.heads
        self.norm = nn.LayerNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.norm_up = nn.LayerNorm(config.width)
        self.up = nn.Linear(config.width, 2 * config.width)
        self.down = nn.Linear(2 * config.width, config.width)

    def forward(self, x: Tensor, absent: Tensor) -> Tensor:
        """Words [U, L, D] and which are not to be looked at, bool [U, 1, 1, L] -> [U, L, D]."""
        x = x + self.out(attend_words(self.qkv(self.norm(x)), self.heads, absent))
        return x + self.down(F.gelu(self.up(self.norm_up(x))))


class Texts(NamedTuple):
    """U texts that were read.

    Attributes:
        vectors: [U, D], a whole text each.
        words: [U, L, D].
        absent: bool [U, L], which words are padding; the first one never is.
    """

    vectors: Tensor
    words: Tensor
    absent: Tensor


class TextEncoder(nn.Module):
    """Words -> words in their context, and one vector: layers of bidirectional attention, then a mean."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.position = nn.Embedding(config.max_text, config.width)
        self.heads = config.heads
        self.norm = nn.LayerNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.layers = nn.ModuleList(TextLayer(config) for _ in range(config.text_layers - 1))
        self.up = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, present: Tensor) -> Texts:
        """Embedded words [U, L, D] and which are there, bool [U, L]; no words give a constant vector."""
        x = x + self.position.weight[: x.shape[1]]
        absent = torch.cat((~present[:, :1] & present.any(1, keepdim=True), ~present[:, 1:]), dim=1)[:, None, None]
        x = x + self.out(attend_words(self.qkv(self.norm(x)), self.heads, absent))
        for layer in self.layers:
            x = layer(x, absent)
        weights = present.to(x.dtype)[..., None]
        vectors = (F.gelu(self.up(x)) * weights).sum(1) / weights.sum(1).clamp(min=1.0)
        return Texts(vectors, x, absent[:, 0, 0])


def attend_words(qkv: Tensor, heads: int, absent: Tensor) -> Tensor:
    """Attention of all words to all that are there: [U, L, 3 D], bool [U, 1, 1, L] -> [U, L, D]."""
    U, L, _ = qkv.shape
    q, k, v = qkv.view(U, L, 3, heads, -1).permute(2, 0, 3, 1, 4)
    scores = (q @ k.mT * q.shape[-1] ** -0.5).masked_fill(absent, float("-inf"))
    return (scores.softmax(-1) @ v).transpose(1, 2).reshape(U, L, -1)


class WordCrossAttention(nn.Module):
    """Cells look for themselves among the words: what part the yellow key plays, if it plays any; nothing at first."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        width = config.local_width
        self.heads = config.word_heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.words = nn.Linear(config.width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, words: Tensor, absent: Tensor) -> Tensor:
        """Cells [N, H, W, local width], what `words` gave [N, L, 2 local width], bool [N, L] -> as the cells."""
        N, height, width, channels = x.shape
        q = self.query(self.norm(x)).view(N, height * width, self.heads, -1).transpose(1, 2)
        k, v = words.view(N, words.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = (q @ k.mT * q.shape[-1] ** -0.5).masked_fill(absent[:, None, None], float("-inf"))
        found = (scores.softmax(-1) @ v).transpose(1, 2)
        return x + self.out(found.reshape(N, height, width, channels))


class GridEncoder(nn.Module):
    """Cells of symbols -> one vector: convolutions that the text modulates (FiLM, Perez et al. 2018)."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        width = config.local_width
        self.size = config.grid
        self.symbol = nn.Linear(GRID_CHANNELS * GRID_SYMBOLS, width)
        self.cell = nn.Parameter(torch.zeros(width, config.grid, config.grid))
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.film = nn.Linear(config.width, 2 * width)
        self.finder = WordCrossAttention(config) if config.word_heads else None
        self.out = nn.Linear(width * config.grid**2, config.width)

    def forward(self, grid: Tensor, text: Tensor, words: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Symbols int64 [N, H, W, C] and text vectors [N, D] -> [N, D]; smaller grids are padded with symbol 0.

        Args:
            words: what `find_in` gave for each of the N, if there are texts.
        """
        return self.out(self.features(grid, text, words))

    def find_in(self, texts: Texts) -> tuple[Tensor, Tensor] | None:
        """What cells find in texts' words, [U, L, 2 local width], and which are absent, bool [U, L]."""
        return None if self.finder is None else (self.finder.words(texts.words), texts.absent)

    def features(self, grid: Tensor, text: Tensor, words: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """What `out` reads, [N, local width * grid * grid].

        Channels stay the last axis in memory: where the two orders meet, a CPU takes twenty times as long.
        """
        _, height, width, channels = grid.shape
        grid = F.pad(grid, (0, GRID_CHANNELS - channels, 0, self.size - width, 0, self.size - height))
        symbols = torch.arange(GRID_SYMBOLS, device=grid.device)
        hot = grid.clamp(max=GRID_SYMBOLS - 1)[..., None] == symbols  # [N, H, W, C, symbols]
        x = self.symbol(hot.flatten(3).to(text.dtype)) + self.cell.permute(1, 2, 0)  # [N, H, W, local width]
        if self.finder is not None and words is not None:
            x = self.finder(x, *words)
        scale, shift = self.film(text)[:, None, None].chunk(2, dim=-1)
        x = x + self._convolve(self.conv2, F.gelu(self._convolve(self.conv1, F.gelu(x)) * (1 + scale) + shift))
        return F.gelu(x).permute(0, 3, 1, 2).flatten(1)

    @staticmethod
    def _convolve(convolution: nn.Conv2d, x: Tensor) -> Tensor:
        """[N, H, W, channels] -> the same."""
        return convolution(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Tables(nn.Module):
    """The embeddings that both layouts share: token ids, local positions, action tokens."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.bins = config.action_bins
        self.token = Table(VOCABULARY, config.width)
        self.local = nn.Embedding(config.max_values, config.width)
        self.action = Table(config.action_bins + MAX_DISCRETE_ACTIONS, config.width)
        self.action_position = nn.Embedding(config.max_actions, config.width)

    def action_ids(self, actions: Tensor, discrete: Tensor) -> Tensor:
        """Action tokens [..., A] with `discrete` [...] -> rows of the action table; choices lie behind the bins."""
        return actions.clamp(min=0) + discrete[..., None] * self.bins

    def embed_actions(self, actions: Tensor, discrete: Tensor) -> Tensor:
        """Action tokens [..., A] -> [..., A, D]."""
        return self.action(self.action_ids(actions, discrete)) + self.action_position.weight[: actions.shape[-1]]

    def distinct_actions(self, actions: Tensor, discrete: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Embeds the L tokens of actions [M, A] that are `there` (bool [M, A]); `discrete` [M].

        Returns:
            The distinct ones at their places [R, D], and int64 [L]: which of them each token is, row by row.
        """
        A, count = actions.shape[1], len(self.action.weight)
        keys = self.action_ids(actions, discrete) + count * torch.arange(A, device=actions.device)
        pairs, index = unique(keys[there], A * count)
        position = gather(self.action_position.weight, pairs // count)
        return F.gelu(self.action(pairs % count) + position), index


class StepEncoder(nn.Module):
    """Folds each timestep's observation (and, where shown, action) into one vector."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.tables = Tables(config)
        self.place = nn.Embedding(config.max_values, config.width)
        self.values = nn.Linear(config.width, config.width)
        self.actions = nn.Linear(config.width, config.width)
        self.text = TextEncoder(config)
        self.grid = GridEncoder(config)
        self.image = PatchEncoder(config)
        self.image_up = nn.Linear(config.width, config.width)
        self.image_out = nn.Linear(config.width, config.width)
        self.role = nn.Embedding(4, config.width)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, steps: TokenBatch) -> Tensor:
        """[B, S] timesteps -> [B, S, 1, D]."""
        B, S = steps.shape
        x = self.read_values(steps.values.flatten(0, 1)).view(B, S, -1)
        text, words = torch.zeros_like(x), None
        if steps.text is not None:
            assert steps.text_index is not None
            texts = self.read_texts(steps.text)
            text = texts.vectors[steps.text_index]  # [B, S, D]
            x = x + text
            if steps.grid is not None and (found := self.grid.find_in(texts)) is not None:
                index = steps.text_index.flatten()
                words = found[0][index], found[1][index]
        if steps.grid is not None:
            x = x + self.grid(steps.grid.flatten(0, 1), text.flatten(0, 1), words).view(B, S, -1)
        if steps.image is not None:
            x = x + self.read_images(steps.image.flatten(0, 1)).view(B, S, -1)
        x = x * steps.show_observation[..., None]
        shown = (steps.actions >= 0) & steps.show_action[..., None]  # [B, S, A]
        if bool(shown.any()):
            parts = (part.flatten(0, 1) for part in (steps.actions, steps.discrete, shown))
            x = x + self.read_actions(*parts).view_as(x)
        x = x + self.role(steps.show_observation.long() + 2 * steps.show_action.long())
        return self.norm(x)[:, :, None]

    def read_values(self, values: Tensor) -> Tensor:
        """Token ids [M, K], -1 pads -> [M, D]."""
        there = values >= 0
        K, count = values.shape[1], len(self.tables.token.weight)
        pairs, index = unique((values + count * torch.arange(K, device=values.device))[there], K * count)
        place = pairs // count
        # The product binds each value to its place: a sum of plain embeddings would mix them up.
        x = self.tables.token(pairs % count) * gather(self.place.weight, place)
        x = F.gelu(x + gather(self.tables.local.weight, place))
        return self.values(segment_sum(x, index, starts(there.sum(1))))

    def read_actions(self, actions: Tensor, discrete: Tensor, shown: Tensor) -> Tensor:
        """Action tokens [M, A], bool [M] and which are shown, bool [M, A] -> [M, D]."""
        x, index = self.tables.distinct_actions(actions, discrete, shown)
        return self.actions(segment_sum(x, index, starts(shown.sum(1))))

    def read_images(self, images: Tensor) -> Tensor:
        """uint8 [N, H, W, 3] -> [N, D]."""
        x, index = self.image(images)
        x = F.gelu(self.image_up(F.gelu(pad_to_multiple(x))))
        N, P = index.shape
        mean = segment_sum(x, index.flatten(), P * torch.arange(N, device=index.device)) / P
        return self.image_out(mean)

    def read_texts(self, texts: Tensor) -> Texts:
        """Token ids [U, L], 0 pads."""
        return self.text(self.tables.token(texts), texts > 0)


class FlatEncoder(nn.Module):
    """One position per token: text, patches, scalars, cells, separator, actions (Reed et al. 2022, figure 2)."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.tables = Tables(config)
        self.image = PatchEncoder(config)
        self.text_position = nn.Embedding(config.max_text, config.width)
        self.hidden = nn.Parameter(torch.zeros(config.width))
        self.separator = nn.Parameter(torch.randn(config.width) * 0.02)

    def forward(self, steps: TokenBatch) -> Tensor:
        """[B, S] timesteps -> [B, S, T, D]; T = text + patches + scalars + cells + 1 + actions."""
        B, S = steps.shape
        tables = self.tables
        parts = []
        if steps.text is not None:
            assert steps.text_index is not None
            text = tables.token(steps.text) + self.text_position.weight[: steps.text.shape[1]]
            parts.append(text[steps.text_index])
        if steps.image is not None:
            patches, index = self.image(steps.image.flatten(0, 1))
            parts.append(gather(patches, index.flatten()).view(B, S, index.shape[1], -1))
        ids = steps.values if steps.grid is None else torch.cat((steps.values, steps.grid.flatten(2)), dim=2)
        parts.append(tables.token(ids.clamp(min=0)) + tables.local.weight[: ids.shape[-1]])
        observation = torch.cat(parts, dim=2)
        observation = torch.where(steps.show_observation[..., None, None], observation, self.hidden)
        actions = tables.embed_actions(steps.actions, steps.discrete)
        shown = (steps.actions >= 0) & steps.show_action[..., None]
        hidden = self.hidden + tables.action_position.weight[: actions.shape[2]]
        actions = torch.where(shown[..., None], actions, hidden)
        separator = self.separator.expand(B, S, 1, -1)
        return torch.cat((observation, separator, actions), dim=2)
