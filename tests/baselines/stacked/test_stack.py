import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from baselines.backbones import Layers, build_backbone, feature_size
from baselines.stacked.batch_norm import TaskBatchNorm2d
from baselines.stacked.stack import Stack, Weights

SHAPE = (1, 28, 28)


def network_of(backbone: str, shape: tuple[int, ...] = SHAPE) -> nn.Module:
    torch.manual_seed(0)
    network = build_backbone(backbone, shape, norm=TaskBatchNorm2d)
    return Layers(network, nn.Linear(feature_size(network, shape), 5)).double()


def drawn(network: nn.Module, shape: tuple[int, ...] = SHAPE) -> tuple[Weights, Tensor]:
    """Weights of three tasks, and six inputs of each."""
    weights = {
        name: value + 0.1 * torch.randn(3, *value.shape, dtype=torch.float64)
        for name, value in network.named_parameters()
    }
    return weights, torch.rand(3, 6, *shape, dtype=torch.float64)


@pytest.mark.parametrize("rows", [None, 4])
@pytest.mark.parametrize(
    ("backbone", "shape"),
    [("conv4:4", SHAPE), ("conv4-strided:4", SHAPE), ("resnet12:4", (3, 32, 32)), ("mlp:6", (1,)), ("mlp:6", SHAPE)],
)
def test_tasks_side_by_side_give_what_each_gives_alone(backbone: str, shape: tuple[int, ...], rows: int | None) -> None:
    network = network_of(backbone, shape)
    stack = Stack(network, shape)
    assert stack.side_by_side is not None
    weights, inputs = drawn(network, shape)
    for task, out in enumerate(stack(weights, inputs, rows)):
        own = {name: value[task] for name, value in weights.items()}
        torch.testing.assert_close(out, functional_call(network, own, (inputs[task], rows)), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("backbone", ["conv4:4", "conv4-strided:4", "resnet12:4"])
def test_the_statistics_of_training_are_part_of_the_convolution_before(backbone: str) -> None:
    """With the gradients of all weights, of a network that is run side by side in evaluation mode alone."""
    torch.manual_seed(0)
    network = build_backbone(backbone, (3, 32, 32)).double()
    assert Stack(network, (3, 32, 32)).side_by_side is None
    for layer in network.eval().modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean, layer.running_var = (
                torch.randn_like(layer.bias).detach(),
                0.1 + torch.rand_like(layer.bias),
            )
    stack = Stack(network, (3, 32, 32))
    assert stack.side_by_side is not None
    weights, inputs = drawn(network, (3, 32, 32))
    leaves = {name: value.detach().requires_grad_() for name, value in weights.items()}
    out = stack(leaves, inputs)
    found = torch.autograd.grad(out.square().sum(), list(leaves.values()))
    for task in range(3):
        own = {name: value[task].detach().requires_grad_() for name, value in weights.items()}
        expected = functional_call(network, own, inputs[task])
        torch.testing.assert_close(out[task], expected, rtol=1e-10, atol=1e-10)
        alone = torch.autograd.grad(expected.square().sum(), list(own.values()))
        torch.testing.assert_close([each[task] for each in found], list(alone), rtol=1e-8, atol=1e-8)


class MixesChannels(nn.Module):
    """Layers that could be run side by side, and between them what could not."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(1, 4, 3), nn.Linear(1, 5)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.last(self.first(images).mean((1, 2, 3))[:, None])
        return out


@pytest.mark.parametrize(
    "network",
    [
        MixesChannels(),
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.Flatten(), nn.LazyLinear(5)),
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.Softmax(1), nn.Flatten(), nn.LazyLinear(5)),
        nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular"), nn.Flatten(), nn.LazyLinear(5)),
        nn.Sequential(nn.Conv2d(1, 4, 3, padding="same"), nn.Flatten(), nn.LazyLinear(5)),
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.BatchNorm2d(4).eval(), nn.Flatten(), nn.LazyLinear(5)),
    ],
)
def test_a_network_that_cannot_be_run_side_by_side_takes_tasks_one_by_one(network: nn.Module) -> None:
    network(torch.zeros(2, *SHAPE))
    network.double()
    stack = Stack(network, SHAPE)
    assert stack.side_by_side is None
    weights, inputs = drawn(network)
    for task, out in enumerate(stack(weights, inputs)):
        own = {name: value[task] for name, value in weights.items()}
        torch.testing.assert_close(out, functional_call(network, own, (inputs[task],)))


def test_building_one_draws_no_random_number_and_keeps_no_parameters() -> None:
    network = network_of("conv4:4")
    state = torch.get_rng_state()
    stack = Stack(network, SHAPE)
    assert torch.equal(state, torch.get_rng_state())
    assert stack.side_by_side is not None
    assert all(parameter.is_meta for parameter in stack.side_by_side.twin.parameters())
