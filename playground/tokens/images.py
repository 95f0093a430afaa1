"""Pictures to patches and back: 16 x 16, raster order, [-1, 1] divided by sqrt(16) (Reed et al. 2022, section 2.1)."""

import numpy as np

from playground.errors import BadValueError

PATCH = 16


def encode_image(image: np.ndarray) -> np.ndarray:
    """uint8 [..., H, W, 3] -> float32 patches [..., H/16 * W/16, 16, 16, 3] in [-1/4, 1/4].

    Raises:
        BadValueError: H or W is no multiple of 16, or the picture is not uint8 RGB.
    """
    *batch, height, width, channels = image.shape
    if image.dtype != np.uint8 or channels != 3 or height % PATCH or width % PATCH:
        raise BadValueError(
            f"picture is {image.dtype} {list(image.shape)}; give uint8 [H, W, 3] with H, W multiples of {PATCH}"
        )
    rows, columns = height // PATCH, width // PATCH
    patches = image.reshape(*batch, rows, PATCH, columns, PATCH, 3).swapaxes(-4, -3)
    patches = patches.reshape(*batch, rows * columns, PATCH, PATCH, 3).astype(np.float32)
    return (patches / 127.5 - 1.0) / np.sqrt(np.float32(PATCH))


def decode_image(patches: np.ndarray, height: int, width: int) -> np.ndarray:
    """Inverse of `encode_image`: uint8 [..., H, W, 3]."""
    *batch, _, _, _, _ = patches.shape
    pixels = np.clip(np.rint((patches * np.sqrt(np.float32(PATCH)) + 1.0) * 127.5), 0, 255).astype(np.uint8)
    pixels = pixels.reshape(*batch, height // PATCH, width // PATCH, PATCH, PATCH, 3).swapaxes(-4, -3)
    return pixels.reshape(*batch, height, width, 3)
