"""Numbers to tokens and back: mu-law companding, uniform bins, discrete values.

Formulas and constants: Reed et al. 2022 (Gato), appendix B: F(x) = sgn(x) log(|x| mu + 1) / log(M mu + 1).
"""

import numpy as np

from playground.errors import BadValueError

MU = 100.0
M = 256.0
BINS = 1024
"""Bins of a continuous observation, and the number of values that a discrete one may take."""


def mu_law(x: np.ndarray) -> np.ndarray:
    """Compands numbers of any size towards [-1, 1]; |x| <= 256 lands inside."""
    return np.sign(x) * np.log(np.abs(x) * MU + 1.0) / np.log(M * MU + 1.0)


def inverse_mu_law(y: np.ndarray) -> np.ndarray:
    """Inverse of `mu_law`."""
    return np.sign(y) * (np.exp(np.abs(y) * np.log(M * MU + 1.0)) - 1.0) / MU


def encode_unit(x: np.ndarray, bins: int) -> np.ndarray:
    """Numbers in [-1, 1] -> bin indices int64 in [0, bins); outside is clipped, so +1.0 is the last bin.

    Raises:
        BadValueError: NaN or infinity.
    """
    x = np.asarray(x, dtype=np.float64)
    if not np.isfinite(x).all():
        raise BadValueError(f"cannot tokenise {x[~np.isfinite(x)].ravel()[0]}; give finite numbers")
    return np.clip(np.floor((x + 1.0) / 2.0 * bins), 0, bins - 1).astype(np.int64)


def decode_unit(index: np.ndarray, bins: int) -> np.ndarray:
    """Bin indices -> float32 bin centres in (-1, 1)."""
    return ((np.asarray(index) + 0.5) / bins * 2.0 - 1.0).astype(np.float32)


def encode_continuous(x: np.ndarray) -> np.ndarray:
    """Observed numbers -> bin indices int64 in [0, 1024), through mu-law.

    Raises:
        BadValueError: NaN or infinity.
    """
    return encode_unit(mu_law(np.asarray(x, dtype=np.float64)), BINS)


def decode_continuous(index: np.ndarray) -> np.ndarray:
    """Bin indices -> float32 numbers at the bins' centres."""
    return inverse_mu_law(((np.asarray(index) + 0.5) / BINS) * 2.0 - 1.0).astype(np.float32)


def encode_discrete(x: np.ndarray, count: int = BINS) -> np.ndarray:
    """Integers in [0, count) -> the same as int64.

    Raises:
        BadValueError: a value outside the range.
    """
    x = np.asarray(x)
    if x.size and (x.min() < 0 or x.max() >= count):
        raise BadValueError(f"discrete value {x.min() if x.min() < 0 else x.max()} is outside [0, {count})")
    return x.astype(np.int64)
