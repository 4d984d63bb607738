"""The vision transformer: patches and positions by hand, blocks by torch's own."""

import math

import pytest
import torch
from torch import nn

from baselines.backbones.vit import Block, VisionTransformer, positions, vision_transformer
from metabench.backbone import build_backbone, feature_size
from metabench.errors import UsageError


def test_a_block_is_that_of_torch() -> None:
    torch.manual_seed(0)
    own = Block(64)
    theirs = nn.TransformerEncoderLayer(64, 2, 256, dropout=0, activation="gelu", batch_first=True, norm_first=True)
    assert own.heads == 2
    pairs = [
        (theirs.self_attn.out_proj, own.outputs),
        (theirs.linear1, own.hidden),
        (theirs.linear2, own.last),
        (theirs.norm1, own.norm),
        (theirs.norm2, own.next_norm),
    ]
    with torch.no_grad():
        for parameter in own.parameters():
            parameter.normal_(std=0.2)
        theirs.self_attn.in_proj_weight.copy_(own.inputs.weight)
        theirs.self_attn.in_proj_bias.copy_(own.inputs.bias)
    for layer, mine in pairs:
        layer.load_state_dict(mine.state_dict())
    tokens = torch.randn(3, 5, 64)
    torch.testing.assert_close(own(tokens), theirs(tokens), rtol=1e-4, atol=1e-4)


def test_a_block_can_be_differentiated_twice() -> None:
    torch.manual_seed(0)
    block = Block(8).double()
    assert torch.autograd.gradgradcheck(block, torch.randn(1, 3, 8, dtype=torch.float64, requires_grad=True))


def test_patches_are_squares_of_the_picture_row_by_row() -> None:
    model = VisionTransformer((3, 28, 28), 8)
    images = torch.rand(2, 3, 28, 28)
    patches = model.patches(images)
    assert patches.shape == (2, 49, 3 * 16)
    for row, column in ((0, 0), (2, 5), (6, 6)):
        square = images[:, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        assert torch.equal(patches[:, 7 * row + column], square.flatten(1))


@pytest.mark.parametrize(
    ("shape", "side", "grid"),
    [
        ((1, 28, 28), 4, (7, 7)),
        ((3, 32, 32), 4, (8, 8)),
        ((3, 84, 84), 12, (7, 7)),
        ((3, 33, 17), 2, (17, 9)),
        ((1, 16, 16), 2, (8, 8)),
    ],
)
def test_the_side_of_a_patch_is_a_seventh_of_the_picture_s(
    shape: tuple[int, int, int], side: int, grid: tuple[int, int]
) -> None:
    model = VisionTransformer(shape, 8)
    images = torch.rand(1, *shape)
    assert (model.side, model.grid(images)) == (side, grid)
    patches = model.patches(images)
    assert patches.shape[1] == grid[0] * grid[1]
    torch.testing.assert_close(patches.sum(), images.sum())  # what is filled up is 0


def test_positions_are_sines_and_cosines_of_row_and_column() -> None:
    found = positions(3, 4, 8)
    assert found.shape == (12, 8)
    for row in range(3):
        for column in range(4):
            expected = []
            for place in (row, column):
                expected += [math.sin(place), math.sin(place / 100), math.cos(place), math.cos(place / 100)]
            assert found[4 * row + column].tolist() == pytest.approx(expected, abs=1e-6)


def test_features_are_means_of_tokens_and_know_where_a_patch_is() -> None:
    torch.manual_seed(0)
    network = build_backbone("vit:8", (1, 16, 16))
    assert feature_size(network, (1, 16, 16)) == 8
    images = torch.rand(2, 1, 16, 16)
    model = vision_transformer(network, "vit:8")
    torch.testing.assert_close(network(images), model.encoded(model.embedded(images)).mean(1))
    assert not torch.allclose(network(images), network(images.flip(3)), atol=1e-3)
    assert network(torch.rand(2, 1, 8, 8)).shape == (2, 8)  # other pictures have fewer patches
    assert feature_size(build_backbone("vit", (1, 28, 28)), (1, 28, 28)) == 128


def test_what_it_is_not_for_is_said() -> None:
    with pytest.raises(UsageError, match="'vit:6' has a width that 4 does not divide; give another"):
        build_backbone("vit:6", (1, 28, 28))
    with pytest.raises(UsageError, match="'conv4' has no tokens of patches"):
        vision_transformer(build_backbone("conv4", (1, 28, 28)), "conv4")
