import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.stacked.convolution import Geometry, convolve

THREE: Geometry = ((1, 1), (1, 1), (1, 1), 3)
GEOMETRIES: list[Geometry] = [
    ((1, 1), (1, 1), (1, 1), 1),
    ((2, 2), (1, 1), (1, 1), 2),
    ((1, 2), (0, 2), (2, 1), 2),
    THREE,
]


def values(groups: int, images: bool) -> list[Tensor]:
    torch.manual_seed(0)
    channels = 3 if groups == 3 else 4
    shapes = [(2, channels, 6, 7), (6, channels // groups, 3, 3), (6,)]
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


def test_gradients_of_a_group_do_not_depend_on_how_many_there_are() -> None:
    """To the bit in float32, so that ranks may divide the tasks of a batch."""
    torch.manual_seed(0)
    x, w, dy = torch.randn(3, 4, 28, 28), torch.randn(64, 1, 3, 3), torch.randn(3, 64, 28, 28)
    found = []
    for groups in (2, 3, 4):
        given = [x[:, :groups], w[: 16 * groups].contiguous(memory_format=torch.channels_last)]
        x_of, w_of = (each.clone().requires_grad_() for each in given)
        y = convolve(x_of.contiguous(memory_format=torch.channels_last), w_of, None, (*THREE[:3], groups))
        found.append(torch.autograd.grad(y, (x_of, w_of), dy[:, : 16 * groups]))
    for dx, dw in found[1:]:
        assert torch.equal(dx[:, :2], found[0][0])
        assert torch.equal(dw[:32], found[0][1])
