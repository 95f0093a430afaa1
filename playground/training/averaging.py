"""The average of a checkpoint and of what it became when it was trained further.

What training on has spoilt comes back, and most of what was newly learnt stays (Wortsman et al. 2022, WiSE-FT, arXiv
2109.01903).
"""

from pathlib import Path

import torch

from playground.errors import BadValueError
from playground.model import from_pretrained, read_config, save_pretrained


@torch.no_grad()
def average(before: Path, after: Path, share: float, out: Path) -> Path:
    """Writes a checkpoint whose weights lie between those of two others.

    Args:
        before: checkpoint folder.
        after: checkpoint folder; its configuration and the record of its training are kept.
        share: of `after` in each weight.
        out: folder of the average.

    Returns:
        `out`.

    Raises:
        BadFileError: a checkpoint is missing or damaged.
        BadValueError: the two are of different sizes, but for parts that the newer one was given (see
            `ModelConfig.grown_from`) and keeps; or the share is none.
    """
    if not 0 <= share <= 1:
        raise BadValueError(f"the newer checkpoint's share is {share}; give 0 to 1")
    old, new = from_pretrained(before), from_pretrained(after)
    weights, known = new.state_dict(), old.state_dict()
    if not new.config.grown_from(old.config):
        raise BadValueError(f"{before} and {after} hold models of different sizes; give two of one run")
    new.load_state_dict({k: known[k] * (1 - share) + v * share if k in known else v for k, v in weights.items()})
    earlier, training = read_config(before)[1], read_config(after)[1]
    kept = set(earlier.get("goals_held_out", [])) & set(training.get("goals_held_out", []))
    training["goals_held_out"] = sorted(kept)
    training["tasks"] = sorted({*earlier.get("tasks", []), *training.get("tasks", [])})
    training["averaged"] = {"share": share, "with": {k: earlier.get(k) for k in ("steps", "minutes")}}
    save_pretrained(new, out, training)
    return out
