import pytest
import torch
from torch import Tensor, nn

from baselines.backbones import build_backbone
from baselines.stacked.batch_norm import TaskBatchNorm2d


def test_task_batch_norm_is_torchs_with_batch_statistics() -> None:
    images = torch.rand(5, 3, 4, 4, dtype=torch.float64)
    ours, reference = TaskBatchNorm2d(3).double(), nn.BatchNorm2d(3, track_running_stats=False).double()
    for norm in (ours, reference):
        nn.init.constant_(norm.weight, 1.5)
        nn.init.constant_(norm.bias, -0.2)
    torch.testing.assert_close(ours(images), reference(images))
    torch.testing.assert_close(ours(images, 5), reference(images))
    mean, deviation = images[:2].mean((0, 2, 3)), images[:2].var((0, 2, 3), correction=0)
    expected = 1.5 * (images - mean[:, None, None]) / torch.sqrt(deviation + 1e-5)[:, None, None] - 0.2
    torch.testing.assert_close(ours(images, 2), expected)
    torch.testing.assert_close(ours(images), reference(images))


@pytest.mark.parametrize("name", ["conv4:4", "conv4-strided:4", "resnet12:4"])
def test_every_layer_of_a_backbone_is_told_whose_statistics(name: str) -> None:
    """What follows the rows has no part in how they come out, however deep the layers are nested."""
    torch.manual_seed(0)
    network = build_backbone(name, (1, 28, 28), norm=TaskBatchNorm2d).double()
    images, others = torch.rand(2, 6, 1, 28, 28, dtype=torch.float64)
    alone = network(images)
    torch.testing.assert_close(network(torch.cat([images, others]), 6)[:6], alone)
    assert not torch.allclose(network(torch.cat([images, others]))[:6], alone)


def norm_of(rows: int | None) -> tuple[TaskBatchNorm2d, list[Tensor]]:
    """A layer, and images, weights and biases of two tasks with three channels each, in float64."""
    torch.manual_seed(0)
    shapes = [(5, 6, 3, 2), (2, 3), (2, 3)]
    return TaskBatchNorm2d(3), [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


@pytest.mark.parametrize("rows", [None, 2])
def test_gradients_of_task_batch_norm_equal_finite_differences(rows: int | None) -> None:
    layer, values = norm_of(rows)

    def normalised(images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        out: Tensor = torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (images, rows))
        return out

    assert torch.autograd.gradcheck(normalised, values)
    if rows is None:
        assert torch.autograd.gradgradcheck(normalised, values)


def test_second_derivatives_of_task_batch_norm_are_torchs() -> None:
    """Along all inputs at once, of a function of the values and of all three gradients."""
    layer, values = norm_of(None)

    def second(normalise: object) -> list[Tensor]:
        out = normalise(*values)  # type: ignore[operator]
        first = torch.autograd.grad((out**3).sum(), values, create_graph=True)
        return list(torch.autograd.grad(sum((each**2).sum() for each in first), values))

    ours = second(lambda x, w, b: torch.func.functional_call(layer, {"weight": w, "bias": b}, (x,)))
    theirs = second(lambda x, w, b: nn.functional.batch_norm(x, None, None, w.flatten(), b.flatten(), training=True))
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-9, atol=1e-9)
