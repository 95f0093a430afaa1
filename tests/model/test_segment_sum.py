"""Sums of rows: values and gradients against what they stand for; what recurs is found."""

import pytest
import torch
import torch.nn.functional as F

from playground.model import segment_sum


@pytest.fixture
def noise() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_sums_and_their_gradients(noise: torch.Generator):
    table = torch.randn(7, 8, generator=noise, dtype=torch.float64).float().requires_grad_()
    counts = torch.tensor([2, 0, 3, 1, 0])
    index = torch.tensor([1, 1, 6, 0, 1, 4])
    found = segment_sum.segment_sum(table, index, segment_sum.segment_starts(counts))
    weights = torch.zeros(5, 7).index_put_(
        (torch.arange(5).repeat_interleave(counts), index), torch.ones(6), accumulate=True
    )
    torch.testing.assert_close(found, weights @ table)
    upstream = torch.randn(5, 8, generator=noise)
    (gradient,) = torch.autograd.grad(found, table, upstream)
    torch.testing.assert_close(gradient, weights.T @ upstream)


def test_small_summands_are_not_lost_in_bfloat16():
    table = torch.ones(1, 8, dtype=torch.bfloat16, requires_grad=True)
    looked_up = segment_sum.gather(table, torch.zeros(5000, dtype=torch.int64))
    (gradient,) = torch.autograd.grad(looked_up, table, torch.full((5000, 8), 1.0, dtype=torch.bfloat16))
    torch.testing.assert_close(gradient.float(), torch.full((1, 8), 5000.0), rtol=0.005, atol=0)


def test_nothing_to_sum(noise: torch.Generator):
    table = torch.randn(3, 8, generator=noise, requires_grad=True)
    none = torch.zeros(0, dtype=torch.int64)
    found = segment_sum.segment_sum(table, none, torch.zeros(4, dtype=torch.int64))
    assert torch.equal(found, torch.zeros(4, 8))
    (gradient,) = torch.autograd.grad(found.sum(), table)
    assert torch.equal(gradient, torch.zeros(3, 8))


@pytest.mark.parametrize("count", [0, 10, 200])
def test_distinct_keys_give_all_keys_again(noise: torch.Generator, count: int):
    keys = torch.randint(50, (count,), generator=noise) * 3
    found, which = segment_sum.unique(keys, 150)
    assert torch.equal(found, keys.unique()) and torch.equal(found[which], keys)


@pytest.mark.parametrize("collide", [False, True])
def test_distinct_rows_give_all_rows_again(noise: torch.Generator, monkeypatch: pytest.MonkeyPatch, collide: bool):
    """Rows that differ in one byte are told apart, even if their hashes were equal."""
    if collide:
        monkeypatch.setattr(segment_sum, "_factors", lambda count, device: torch.zeros(count, dtype=torch.int64))
    bytes = torch.zeros(300, 64, dtype=torch.uint8)
    bytes[torch.arange(300), torch.randint(64, (300,), generator=noise)] = 255
    rows = bytes.view(torch.int64)
    where, which = segment_sum.unique_rows(rows)
    assert torch.equal(rows[where][which], rows)
    assert len(where) == (300 if collide else len(bytes.unique(dim=0)))


def test_padding_of_rows():
    x = torch.ones(segment_sum.ROWS + 1, 2, 3)
    padded = segment_sum.pad_to_multiple(x)
    assert padded.shape == (2 * segment_sum.ROWS, 2, 3) and torch.equal(
        padded, F.pad(x, (0, 0, 0, 0, 0, segment_sum.ROWS - 1))
    )
    assert len(segment_sum.pad_to_multiple(x[:5])) == 5
