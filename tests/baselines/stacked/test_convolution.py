import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.stacked.convolution import Geometry, convolve

GEOMETRIES: list[Geometry] = [((1, 1), (1, 1), (1, 1), 1), ((2, 2), (1, 1), (1, 1), 2), ((1, 2), (0, 2), (2, 1), 2)]


def values(groups: int, images: bool) -> list[Tensor]:
    torch.manual_seed(0)
    shapes = [(2, 4, 6, 7), (6, 4 // groups, 3, 3), (6,)]
    made = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    made[0].requires_grad_(images)
    return made


@pytest.mark.parametrize("images", [True, False])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_first_and_second_derivatives_equal_finite_differences(geometry: Geometry, images: bool) -> None:
    x, w, b = values(geometry[3], images)
    torch.testing.assert_close(convolve(x, w, b, geometry), F.conv2d(x, w, b, *geometry))
    assert torch.autograd.gradcheck(lambda *given: convolve(*given, geometry), (x, w, b))
    assert torch.autograd.gradgradcheck(lambda *given: convolve(*given, geometry), (x, w, b))


def test_without_a_bias_and_with_one_gradient_alone() -> None:
    x, w, _ = values(1, True)
    geometry = GEOMETRIES[0]
    for of in (x, w):
        ours, theirs = (
            torch.autograd.grad((torch.autograd.grad((y**2).sum(), of, create_graph=True)[0] ** 2).sum(), [x, w])
            for y in (convolve(x, w, None, geometry), F.conv2d(x, w, None, *geometry))
        )
        for our, their in zip(ours, theirs, strict=True):
            torch.testing.assert_close(our, their, rtol=1e-9, atol=1e-9)
