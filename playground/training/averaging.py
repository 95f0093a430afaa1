"""Averages a checkpoint with its later self, after it was trained further.

The average restores what further training has spoilt and keeps most of what it has taught (Wortsman et al. 2022,
WiSE-FT, arXiv 2109.01903).
"""

from pathlib import Path

import torch

from playground.errors import BadValueError
from playground.model import from_pretrained, read_config, save_pretrained
from playground.model.checkpoint import check_new


@torch.no_grad()
def average(before: Path, after: Path, share: float, out: Path) -> Path:
    """Writes a checkpoint whose weights lie between those of two others.

    Args:
        before: checkpoint folder of the earlier model.
        after: checkpoint folder of the later one. The average has its configuration and its record of training.
        share: weight of the later model, 0 to 1.
        out: folder of the average.

    Returns:
        `out`.

    Raises:
        BadFileError: a checkpoint is missing or damaged.
        BadValueError: the models differ in size, `share` is not between 0 and 1, or `out` holds a checkpoint.
    """
    if not 0 <= share <= 1:
        raise BadValueError(f"the later checkpoint's share is {share}; give 0 to 1")
    check_new(out)
    old, new = from_pretrained(before), from_pretrained(after)
    weights, known = new.state_dict(), old.state_dict()
    if not new.config.same_weights(old.config):
        raise BadValueError(f"{before} and {after} hold models of different sizes; give two of one run")
    new.load_state_dict({k: known[k] * (1 - share) + v * share for k, v in weights.items()})
    earlier, training = read_config(before)[1], read_config(after)[1]
    kept = set(earlier.get("goals_held_out", [])) & set(training.get("goals_held_out", []))
    training["goals_held_out"] = sorted(kept)
    training["tasks"] = sorted({*earlier.get("tasks", []), *training.get("tasks", [])})
    training["averaged"] = {"share": share, "with": {k: earlier.get(k) for k in ("steps", "minutes")}}
    save_pretrained(new, out, training)
    return out
