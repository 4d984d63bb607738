"""Views of pictures: which part they show, told by a picture of its own coordinates; colours by colorsys."""

import colorsys
import math

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor

from baselines.objectives._views import CropOptions, crops, flips, recoloured, turned

SIZE = 64


def coordinates(count: int) -> Tensor:
    """Pictures whose two channels say how far down and how far right each pixel's middle is, from 0 to 1."""
    along = (torch.arange(SIZE) + 0.5) / SIZE
    return torch.stack([along[:, None].expand(SIZE, SIZE), along.expand(SIZE, SIZE)]).expand(count, -1, -1, -1)


def boxes(views: Tensor) -> np.ndarray:
    """Of each view of `coordinates`, `[n, 2, 2]`: where it begins and ends, down and across."""
    middle = slice(views.shape[2] // 4, -views.shape[2] // 4)  # without what a border may have cut
    down, across = views[:, 0, middle, 0].double().numpy(), views[:, 1, 0, middle].double().numpy()
    found = []
    for each in (down, across):
        slope = (each[:, -1] - each[:, 0]) / (each.shape[1] - 1)
        start = each[:, 0] - slope * (0.5 + views.shape[2] // 4)
        found.append(np.stack([start, start + slope * views.shape[2]], axis=1))
    return np.stack(found, axis=1)


@pytest.mark.parametrize("flip", [False, True])
def test_which_part_a_view_shows(flip: bool) -> None:
    torch.manual_seed(0)
    views = crops(coordinates(2000), (0.2, 0.6), flip)
    assert views.shape == (2000, 2, SIZE, SIZE)
    found = boxes(views)
    mirrored = found[:, 1, 0] > found[:, 1, 1]
    assert mirrored.mean() == pytest.approx(0.5 * flip, abs=0.05)
    assert (found[:, 0, 0] < found[:, 0, 1]).all()  # never upside down
    found = np.sort(found, axis=2)
    assert found.min() > -1e-3
    assert found.max() < 1 + 1e-3
    height, width = (found[..., 1] - found[..., 0]).T
    area, ratio = height * width, width / height
    assert 0.2 - 1e-3 < area.min() < 0.22
    assert 0.58 < area.max() < 0.6 + 1e-3
    assert area.mean() == pytest.approx(0.4, abs=0.01)
    assert 3 / 4 - 1e-3 < ratio.min() < 0.77
    assert 1.3 < ratio.max() < 4 / 3 + 1e-3
    room = found[:, 0, 0] / (1 - height)  # the place is uniform
    assert np.quantile(room, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.05)


def test_pixels_are_bilinear_between_those_of_the_picture() -> None:
    picture = torch.rand(1, 1, SIZE, SIZE)
    torch.manual_seed(3)
    ((down, across),) = boxes(crops(coordinates(1), (0.3, 0.5), False))
    torch.manual_seed(3)
    found = crops(picture, (0.3, 0.5), False, (20, 30))[0, 0]
    places = [
        start + (end - start) * (np.arange(count) + 0.5) / count for (start, end), count in ((down, 20), (across, 30))
    ]
    grid = np.meshgrid(*(place * SIZE - 0.5 for place in places), indexing="ij")
    expected = map_coordinates(picture[0, 0].double().numpy(), grid, order=1, mode="nearest")
    assert found.numpy() == pytest.approx(expected, abs=1e-3)


def test_characters_are_not_mirrored_unless_it_is_asked_for() -> None:
    assert not flips(CropOptions(), (1, 28, 28))
    assert flips(CropOptions(), (3, 28, 28))
    assert flips(CropOptions(flip=True), (1, 28, 28))
    assert not flips(CropOptions(flip=False), (3, 28, 28))


def test_hue_and_saturation_by_colorsys() -> None:
    """Its YIQ has other digits: two of each weight."""
    torch.manual_seed(0)
    colours = torch.rand(6, 3)
    saturation, hue = torch.tensor([1, 1, 0.5, 1.5, 1, 0]), torch.tensor([0, 1.0, 0, 0, -2.0, 1.0])
    found = turned(colours[:, :, None, None], saturation, hue)[:, :, 0, 0]
    for number in range(6):
        lightness, i, q = colorsys.rgb_to_yiq(*colours[number].tolist())
        length, angle = float(saturation[number]) * math.hypot(i, q), math.atan2(q, i) + float(hue[number])
        i, q = length * math.cos(angle), length * math.sin(angle)
        r = lightness + 0.9468822170900693 * i + 0.6235565819861433 * q  # of colorsys, without its cut to 0 and 1
        g = lightness - 0.27478764629897834 * i - 0.6356910791873801 * q
        b = lightness - 1.1085450346420322 * i + 1.7090069284064666 * q
        assert found[number].tolist() == pytest.approx([r, g, b], abs=0.03)
    torch.testing.assert_close(found[0], colours[0])
    grey = torch.full((1, 3, 2, 2), 0.4)
    torch.testing.assert_close(turned(grey, torch.tensor([1.7]), torch.tensor([2.0])), grey, atol=1e-4, rtol=0)


def test_four_in_five_get_other_colours_and_one_in_five_none() -> None:
    pictures = torch.rand(1000, 3, 4, 4)
    torch.manual_seed(0)
    views = recoloured(pictures, 0.5)
    assert views.min() >= 0
    assert views.max() <= 1
    grey = (views[:, 0] - views[:, 2]).abs().amax((1, 2)) < 1e-6
    same = (views - pictures).abs().amax((1, 2, 3)) == 0
    assert float(grey.float().mean()) == pytest.approx(0.2, abs=0.04)
    assert float(same[~grey].float().mean()) == pytest.approx(0.2, abs=0.04)
    torch.manual_seed(0)
    kept = recoloured(pictures, 0.0)
    lost = (kept[:, 0] - kept[:, 2]).abs().amax((1, 2)) < 1e-6
    torch.testing.assert_close(kept[~lost], pictures[~lost], atol=1e-5, rtol=0)
    expected = (pictures[lost] * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)
    torch.testing.assert_close(kept[lost][:, 1], expected, atol=1e-4, rtol=0)
    assert torch.equal(recoloured(pictures[:, :1], 1.0), pictures[:, :1])


def test_mixed_precision_does_not_blur_them() -> None:
    pictures, found = torch.rand(8, 3, 28, 28), []
    for mixed in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
            found.append(recoloured(crops(pictures, (0.2, 1.0), True), 0.5))
    assert found[1].dtype == torch.float32
    torch.testing.assert_close(*found)
