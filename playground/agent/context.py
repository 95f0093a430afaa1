"""The context: a pinned prompt and rolling live steps, per row of a batch, with a cache that never changes the result.

Law: what `extend` returns equals a fresh forward pass over prompt + retained steps, whatever came before. It holds
because rows are only ever cut at the end of their prompt and read again from there: keys and values deep in the trunk
depend on everything before them, so nothing may be taken out of the middle.

A row's prompt can be edited where it is cached, layer by layer (`patch`). The same law holds for the edited prompt. It
is one edit for all steps to come, which costs as much as a swap and nothing per step.

Shapes: B rows, N rows of one call, T positions per timestep, D width, P positions of a prompt, C positions in use,
L layers, H heads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from playground.errors import BadValueError
from playground.model import Cache, GeneralistModel, choose_backend

PIECE = 1024
"""Most positions read at a time: attention's mask has this times the context's length entries."""

Edit = Tensor | np.ndarray | Callable[[Tensor], Tensor | None]
"""New keys or values of a layer, broadcastable to [P, H, D/H], or a function that changes a copy of the present ones or
returns new ones."""


@dataclass(frozen=True)
class PromptCache:
    """What the trunk made of a prompt, once and for all rows.

    Attributes:
        kv: keys and values of its positions, [2 L, H, P, D/H], see `Cache.kv`.
        last: the trunk's output at its last position, [D].
    """

    kv: Tensor
    last: Tensor

    def __len__(self) -> int:
        """Number of positions, P."""
        return self.kv.shape[2]

    @property
    def keys(self) -> Tensor:
        """Each layer's keys, rotated by their positions, [L, P, H, D/H]."""
        return self.kv[::2].transpose(1, 2)

    @property
    def values(self) -> Tensor:
        """Each layer's values, [L, P, H, D/H]."""
        return self.kv[1::2].transpose(1, 2)


@torch.inference_mode()
def read_positions(model: GeneralistModel, positions: Tensor) -> PromptCache:
    """Reads a prompt's embedded positions [P, D]: one pass through the trunk."""
    backend, cache, h = choose_backend(model), model.new_cache(1, len(positions)), positions[None]
    for piece in positions[None].split(PIECE, dim=1):
        h = backend.extend(piece, cache, [0])
        cache.length += piece.shape[1]
    return PromptCache(cache.kv[:, 0], h[0, -1])


class Context:
    """Prompt and live steps of B independent rows; T may differ from row to row and from step to step.

    Args:
        model: whose trunk reads; it is shared and never changed.
        batch: number of rows, B.
        max_live: most live steps of a row; the model's for worlds without cells by default.
    """

    def __init__(self, model: GeneralistModel, batch: int, max_live: int | None = None):
        self._model = model
        self._max_live = max_live or model.config.max_live
        self._prompts: list[PromptCache | None] = [None] * batch  # as they were given, without edits
        self._live: list[list[Tensor]] = [[] for _ in range(batch)]  # retained steps, each [T, D]
        self._unread = [0] * batch  # how many of them, at the end, the cache does not hold
        self._cache = model.new_cache(batch, 0)
        self._edits = model.edits

    @property
    def live_steps(self) -> list[int]:
        """Retained live steps of each row."""
        return [len(live) for live in self._live]

    @torch.inference_mode()
    def set_prompt(self, rows: Sequence[int], prompt: PromptCache | None) -> None:
        """Gives rows the same prompt, without edits. Their live steps stay and are read again behind it.

        Args:
            rows: which rows.
            prompt: what `read_positions` gave; None takes the prompt away.
        """
        if prompt is not None:
            self._reserve(len(prompt))
        for row in rows:
            self._prompts[row] = prompt
            self._rewind(row)
            if prompt is not None:
                self._cache.kv[:, row, :, : len(prompt)] = prompt.kv

    def prompt_cache(self, row: int = 0) -> PromptCache | None:
        """A copy of what the cache holds of a row's prompt, edits included; None without a prompt."""
        prompt = self._prompts[row]
        return None if prompt is None else replace(prompt, kv=self._cache.kv[:, row, :, : len(prompt)].clone())

    @torch.inference_mode()
    def patch(self, row: int, layer: int, keys: Edit | None = None, values: Edit | None = None) -> None:
        """Edits what a layer keeps of a row's prompt. Its live steps are read again behind it.

        Args:
            row: which row.
            layer: which layer, from 0.
            keys: the new keys; None leaves them.
            values: the new values; None leaves them.

        Raises:
            BadValueError: the row has no prompt, there is no such layer, or the edit has another shape.
        """
        prompt, cache = self._prompts[row], self._cache
        if prompt is None:
            raise BadValueError(f"row {row} has no prompt whose keys and values could be edited; give it one first")
        if not 0 <= layer < len(cache.keys):
            raise BadValueError(f"there is no layer {layer}; give 0 to {len(cache.keys) - 1}")
        news = []
        for kept, edit in ((cache.keys[layer], keys), (cache.values[layer], values)):
            old = kept[row, :, : len(prompt)].transpose(0, 1)  # [P, H, D/H]
            new = old.clone()
            if edit is not None:
                found = edit(new) if callable(edit) else edit
                new = new if found is None else torch.as_tensor(found).to(old)
            try:
                news.append((old, new.expand(old.shape)))
            except RuntimeError as error:
                raise BadValueError(
                    f"an edit of layer {layer} has the shape {list(new.shape)}; give {list(old.shape)}, or what "
                    "broadcasts to it: cut both prompts to one length to patch one by the other"
                ) from error
        for old, new in news:
            old.copy_(new)
        self._rewind(row)

    def restore(self, row: int = 0) -> None:
        """Takes the edits of a row's prompt back, as if it were conditioned on it again."""
        self.set_prompt([row], self._prompts[row])

    def reset(self, rows: Sequence[int]) -> None:
        """Forgets the live steps of rows; their prompts stay."""
        for row in rows:
            self._live[row] = []
            self._rewind(row)

    @torch.inference_mode()
    def extend(self, steps: Tensor, rows: Sequence[int]) -> Tensor:
        """Reads one more live step in each of N rows; a full row drops its older half first.

        Live steps that were read while a hook edited the trunk are read again once the hook is gone.

        Args:
            steps: embedded steps [N, T, D].
            rows: N different rows.

        Returns:
            The trunk's outputs at these steps, [N, T, D].
        """
        if self._edits != self._model.edits:
            self._edits = self._model.edits
            for row in range(len(self._live)):
                self._rewind(row)
        groups: dict[int, list[int]] = {}  # positions to read -> which of the N rows
        for n, row in enumerate(rows):
            live = self._live[row]
            if len(live) >= self._max_live:
                self._live[row] = live = live[(self._max_live + 1) // 2 :]
                self._rewind(row)
            live.append(steps[n])
            self._unread[row] += 1
            groups.setdefault(sum(len(step) for step in live[-self._unread[row] :]), []).append(n)
        T = steps.shape[1]
        outputs = steps if len(groups) == 1 else torch.empty_like(steps)
        for positions, members in groups.items():
            chosen = [rows[n] for n in members]
            if positions == T:
                x = steps if len(groups) == 1 else steps[members]
            else:
                x = torch.stack([torch.cat(self._live[row][-self._unread[row] :]) for row in chosen])
            read = self._read(x, chosen)
            if len(groups) == 1:
                outputs = read[:, positions - T :]
            else:
                outputs[members] = read[:, positions - T :]
            for row in chosen:
                self._unread[row] = 0
        return outputs

    @torch.inference_mode()
    def attention(self, row: int = 0) -> Tensor | None:
        """Attention of a row's latest step, the mean over layers, heads and the step's positions.

        The step is read once more, by the modules, behind what was before it. Then its keys and values are put back,
        so that looking changes no later decision.

        Args:
            row: which row.

        Returns:
            Weights over the prompt's positions [P]; what is missing to a sum of 1 went to the live steps. None before
            the first step, and while a prompt or a slide still waits to be read.
        """
        live, cache = self._live[row], self._cache
        if not live or self._unread[row]:
            return None
        end = int(cache.length[row])
        step = slice(end - len(live[-1]), end)
        kept = cache.kv[:, row, :, step].clone()
        cache.length[row] = step.start
        with self._model.caching("blocks.*.attn.hook_pattern") as patterns:  # of each layer, [1, H, T, C]
            self._model.trunk(live[-1][None], cache, torch.tensor([row], device=kept.device))
        cache.length[row] = end
        cache.kv[:, row, :, step] = kept
        return torch.stack(list(patterns.values())).mean(dim=(0, 1, 2, 3))[: self._prompt_length(row)]

    def _read(self, x: Tensor, rows: Sequence[int]) -> Tensor:
        """Reads positions [N, S, D] behind what the rows hold -> [N, S, D]."""
        backend, read = choose_backend(self._model), list(rows)
        self._reserve(int(self._cache.length[read].max()) + x.shape[1])
        outputs = []
        for piece in x.split(PIECE, dim=1) if x.shape[1] > PIECE else (x,):
            outputs.append(backend.extend(piece, self._cache, read))
            self._cache.length[read] += piece.shape[1]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)

    def _prompt_length(self, row: int) -> int:
        prompt = self._prompts[row]
        return 0 if prompt is None else len(prompt)

    def _rewind(self, row: int) -> None:
        """Cuts a row's cache at the end of its prompt: the live steps are to be read again."""
        self._cache.length[row] = self._prompt_length(row)
        self._unread[row] = len(self._live[row])

    def _reserve(self, capacity: int) -> None:
        """Makes room for that many positions in every row, twice as many as before at least."""
        old = self._cache
        if capacity <= old.capacity:
            return
        new: Cache = self._model.new_cache(len(self._live), max(capacity, 2 * old.capacity))
        new.kv[:, :, :, : old.capacity] = old.kv
        new.length = old.length
        self._cache = new
