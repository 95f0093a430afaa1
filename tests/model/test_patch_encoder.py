"""Pictures are read as in the paper: patches in raster order, pixels in [-1, 1] divided by the root of 16."""

import torch

from playground.model import preset
from playground.model.patch_encoder import PatchEncoder
from playground.tokens.images import PATCH


def test_patches_come_in_raster_order():
    numbers = torch.arange(12, dtype=torch.uint8).view(2, 2, 3)  # two pictures of 2 x 3 patches
    image = numbers.repeat_interleave(PATCH, 1).repeat_interleave(PATCH, 2)[..., None].expand(-1, -1, -1, 3)
    patches = PatchEncoder.cut(image.contiguous())
    assert patches.shape == (12, PATCH, PATCH, 3)
    assert torch.equal(patches, torch.arange(12, dtype=torch.uint8)[:, None, None, None].expand_as(patches))


def test_pixels_enter_between_minus_and_plus_a_quarter():
    encoder, seen = PatchEncoder(preset("tiny")), []
    encoder.stem.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    encoder.encode(torch.tensor([0, 51, 255], dtype=torch.uint8)[:, None, None, None].expand(-1, PATCH, PATCH, 3))
    values = seen[0].flatten(1)
    torch.testing.assert_close(values, torch.tensor([-0.25, -0.15, 0.25])[:, None].expand_as(values))
