"""Numbers survive their tokens within one bin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from playground.errors import BadValueError
from playground.tokens.scalars import (
    BINS,
    decode_continuous,
    decode_unit,
    encode_continuous,
    encode_discrete,
    encode_unit,
    inverse_mu_law,
    mu_law,
)

UNIT = st.floats(-1, 1)
ANY = st.floats(-1e30, 1e30)
INSIDE = st.floats(-256, 256)


@given(arrays(np.float64, 8, elements=UNIT), st.sampled_from([2, 256, 1024]))
def test_unit_round_trip_is_within_half_a_bin(x: np.ndarray, bins: int):
    index = encode_unit(x, bins)
    assert index.dtype == np.int64 and index.min() >= 0 and index.max() < bins
    assert np.abs(decode_unit(index, bins) - x).max() <= 1 / bins + 1e-6


@given(arrays(np.float64, 8, elements=INSIDE))
def test_continuous_round_trip_is_within_half_a_companded_bin(x: np.ndarray):
    index = encode_continuous(x)
    assert np.abs(mu_law(decode_continuous(index)) - mu_law(x)).max() <= 1 / BINS + 1e-5


@given(arrays(np.float64, 8, elements=ANY))
def test_continuous_tokens_stay_in_range_and_in_order(x: np.ndarray):
    index = encode_continuous(np.sort(x))
    assert index.min() >= 0 and index.max() < BINS and (np.diff(index) >= 0).all()


@given(arrays(np.float64, 8, elements=st.floats(-1e6, 1e6)))
def test_mu_law_has_an_inverse(x: np.ndarray):
    np.testing.assert_allclose(inverse_mu_law(mu_law(x)), x, rtol=1e-9, atol=1e-9)


def test_formula_of_the_paper():
    """F(x) = sgn(x) log(|x| 100 + 1) / log(256 * 100 + 1), appendix B."""
    assert mu_law(np.array(1.0)) == pytest.approx(np.log(101) / np.log(25601))
    assert mu_law(np.array([-256.0, 0.0, 256.0])).tolist() == [-1, 0, 1]


def test_ends_are_the_outer_bins():
    assert encode_unit(np.array([-1.0, 1.0, -5.0, 5.0]), 1024).tolist() == [0, 1023, 0, 1023]
    assert encode_continuous(np.array([-256.0, 256.0])).tolist() == [0, 1023]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(value: float):
    for encode in (encode_continuous, lambda x: encode_unit(x, 16)):
        with pytest.raises(BadValueError, match=r"cannot tokenise (nan|inf|-inf); give finite numbers"):
            encode(np.array([0.0, value]))


def test_discrete_values_are_their_own_tokens():
    assert encode_discrete(np.array([[0, 1023]], np.uint16)).tolist() == [[0, 1023]]
    assert encode_discrete(np.zeros((0, 3), np.int64)).shape == (0, 3)
    for value in (-1, 1024):
        with pytest.raises(BadValueError, match=str(value)):
            encode_discrete(np.array([3, value]))
