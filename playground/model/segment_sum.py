"""Sums of a table's rows: what lets the encoders compute only what is there, and what recurs only once.

Numbers, action tokens and patches of a batch repeat a lot, and tasks have different numbers of them. So the distinct
ones become rows, and a timestep is the sum of some of these; nothing is padded.

Shapes: R rows of a table, L summands, M sums, D width.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS = 256
"""Row counts that depend on the data are rounded up to a multiple of this before a matrix product: few different
shapes, as a CPU's kernels are made anew for each one."""

SPARSE = 8
"""Keys are sorted where there are that many times fewer of them than possible ones, else ticked off."""


class _SegmentSum(torch.autograd.Function):
    """`segment_sum`; sums are taken in float32 both ways: in bfloat16 small summands would be lost."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, index: Tensor, start: Tensor) -> Tensor:
        ctx.save_for_backward(index, start)
        ctx.rows = len(table)
        return _bags(table, index, start)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        index, start = ctx.saved_tensors
        sizes = torch.diff(start, append=start.new_tensor([len(index)]))
        owner = torch.arange(len(start), device=start.device).repeat_interleave(sizes)  # [L], the sum of each summand
        uses = index.bincount(minlength=ctx.rows)
        return _bags(grad.contiguous(), owner[index.argsort()], uses.cumsum(0) - uses), None, None


def _bags(table: Tensor, index: Tensor, start: Tensor) -> Tensor:
    return torch.embedding_bag(table, index, start)[0]


def segment_sum(table: Tensor, index: Tensor, start: Tensor) -> Tensor:
    """Sums of rows of a table [R, D] -> [M, D].

    Args:
        table: the rows.
        index: int64 [L], the summands of the first sum, of the second, and so on.
        start: int64 [M], where in `index` those of each sum begin; a sum without summands is 0.
    """
    if table.requires_grad and torch.is_grad_enabled():
        return _SegmentSum.apply(table, index, start)
    return _bags(table, index, start)


def gather(table: Tensor, index: Tensor) -> Tensor:
    """Rows [L, D] of a table, int64 [L]."""
    return segment_sum(table, index, torch.arange(len(index), device=index.device))


def segment_starts(counts: Tensor) -> Tensor:
    """Where groups of that many members begin, one behind the other; int64 [M]."""
    return counts.cumsum(0) - counts


def unique(keys: Tensor, bound: int) -> tuple[Tensor, Tensor]:
    """The different ones among int64 [L] in [0, bound), rising, [R], and which of them each is, [L]."""
    if SPARSE * len(keys) < bound:
        found, which = keys.unique(return_inverse=True)
        return found, which
    met = torch.zeros(bound, dtype=torch.bool, device=keys.device)
    met[keys] = True
    return met.nonzero()[:, 0], (met.cumsum(0) - 1)[keys]


def unique_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Where each different one among rows int64 [L, W] first or last occurs, [R], and which of them each is, [L]."""
    mixed = (rows ^ (rows >> 29)) * _factors(rows.shape[1], rows.device)
    hashes = (mixed ^ (mixed >> 32)).sum(1)
    found, which = hashes.unique(return_inverse=True)
    place = torch.arange(len(rows), device=rows.device)
    where = torch.zeros_like(found).scatter_(0, which, place)
    if torch.equal(rows[where][which], rows):
        return where, which
    return place, place  # two different rows had the same hash


def _factors(count: int, device: torch.device) -> Tensor:
    """Odd pseudo-random numbers, the same ones always; int64 [count]."""
    numbers = torch.arange(1, count + 1, device=device) * -7046029254386353131
    numbers = (numbers ^ (numbers >> 30)) * -4658895280553007687
    return numbers | 1


def pad_to_multiple(x: Tensor) -> Tensor:
    """Appends rows of zeros to x [L, ...] up to a multiple of `ROWS`, if there are many."""
    return x if len(x) < ROWS else F.pad(x, (0, 0) * (x.ndim - 1) + (0, -len(x) % ROWS))
