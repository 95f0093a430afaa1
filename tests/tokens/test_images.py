"""Pictures survive their patches exactly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from playground.errors import BadValueError
from playground.tokens.images import decode_image, encode_image

SHAPES = st.tuples(st.integers(1, 2), st.sampled_from([16, 32]), st.sampled_from([16, 48]), st.just(3))


@given(SHAPES.flatmap(lambda shape: arrays(np.uint8, shape)))
def test_round_trip_is_exact(image: np.ndarray):
    patches = encode_image(image)
    _, height, width, _ = image.shape
    assert patches.shape == (len(image), height * width // 256, 16, 16, 3)
    assert patches.dtype == np.float32 and np.abs(patches).max() <= 0.25
    np.testing.assert_array_equal(decode_image(patches, height, width), image)


def test_patches_come_in_raster_order():
    image = np.zeros((32, 48, 3), np.uint8)
    image[:16, 32:] = 255
    assert encode_image(image).max(axis=(1, 2, 3)).tolist() == [-0.25, -0.25, 0.25, -0.25, -0.25, -0.25]


@pytest.mark.parametrize(
    "image", [np.zeros((16, 17, 3), np.uint8), np.zeros((16, 16, 3)), np.zeros((16, 16, 1), np.uint8)]
)
def test_other_pictures_are_refused(image: np.ndarray):
    with pytest.raises(BadValueError, match=r"picture is .*; give uint8"):
        encode_image(image)
