"""The masked autoencoder: what it sees, where its tokens go, and its loss in plain numbers."""

import numpy as np
import pytest
import torch
from torch import nn

from baselines.backbones.vit import positions
from baselines.objectives.masked_image import reconstruction_error
from metabench.errors import UsageError
from tests.baselines.objectives.made import batch, objective


def test_the_loss_by_hand() -> None:
    """He et al. 2022, section 3: the error counts on masked patches, normalised by their own mean and deviation."""
    generator = np.random.default_rng(0)
    patches, predicted = generator.random((2, 2, 5, 4))
    masked = np.array([[4, 0, 2], [1, 3, 2]])
    errors = []
    for picture in range(2):
        for patch in masked[picture]:
            pixels = patches[picture, patch]
            normal = (pixels - pixels.mean()) / np.sqrt(pixels.var(ddof=1) + 1e-6)
            errors += [(p - q) ** 2 for p, q in zip(predicted[picture, patch], normal, strict=True)]
    found = reconstruction_error(*map(torch.from_numpy, (predicted, patches, masked)))
    assert float(found) == pytest.approx(np.mean(errors), rel=1e-5)
    blank = torch.full((1, 2, 4), 0.3)
    assert float(reconstruction_error(torch.zeros(1, 2, 4), blank, torch.tensor([[0, 1]]))) == pytest.approx(
        0, abs=1e-6
    )


def test_the_encoder_sees_visible_patches_alone() -> None:
    made = objective("masked-image").eval()
    images = batch().images[:3]
    order = torch.rand(3, 64).argsort(1)
    sizes: list[int] = []
    made.encoder[0].blocks.register_forward_hook(lambda module, given, out: sizes.append(given[0].shape[1]))
    with torch.no_grad():
        before = made.predicted(images, order, 16)
        for picture, places in enumerate(order):
            for place in places[16:].tolist():
                row, column = divmod(place, 8)
                images[picture, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = 0.5
        torch.testing.assert_close(made.predicted(images, order, 16), before)
        images[0] = 0.7
        assert not torch.allclose(made.predicted(images, order, 16)[0], before[0], atol=1e-3)
    assert sizes == [16] * 3


def test_each_token_goes_back_to_its_place() -> None:
    made = objective("masked-image").eval()
    images, order = batch().images[:2], torch.rand(2, 64).argsort(1)
    made.decoder, made.pixels = nn.Identity(), nn.Identity()
    with torch.no_grad():
        found = made.predicted(images, order, 16) - positions(8, 8, 4)
        for picture in range(2):
            visible = order[picture, :16]
            tokens = made.encoder[0].embedded(images[picture : picture + 1])[:, visible]
            states = made.bridge(made.encoder[0].encoded(tokens))[0]
            torch.testing.assert_close(found[picture, visible], states, atol=1e-5, rtol=1e-4)
            for place in order[picture, 16:]:
                torch.testing.assert_close(found[picture, place], made.mask, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("masked", "visible"), [(0.75, 16), (0.5, 32), (0.001, 63), (0.999, 1)])
def test_three_in_four_are_masked(masked: float, visible: int) -> None:
    made, seen = objective("masked-image", masked=masked), []
    made.encoder[0].blocks.register_forward_hook(lambda module, given, out: seen.append(given[0].shape[1]))
    loss = made.loss(batch())
    assert seen == [visible]
    assert torch.isfinite(loss)


def test_a_network_without_patches_is_refused() -> None:
    with pytest.raises(UsageError, match="'conv4:4' has no tokens of patches that can be left out; choose vit"):
        objective("masked-image", backbone="conv4:4")
