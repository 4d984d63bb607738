"""A Meta layer is a layer of torch.nn in whatever one does with it: subclass it, hook it, call it from threads."""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from episodes.torchmeta import modules
from episodes.torchmeta.modules import DataParallel, MetaBatchNorm2d, MetaConv2d, MetaLinear, MetaSequential
from episodes.torchmeta.utils import gradient_update_parameters

ONE = torch.ones(1, 1)


@pytest.mark.parametrize(
    ("layer", "inputs", "compute"),
    [
        (modules.MetaConv1d(2, 3, 3), [(2, 2, 8)], F.conv1d),
        (modules.MetaConv2d(2, 3, 3), [(2, 2, 8, 8)], F.conv2d),
        (modules.MetaConv3d(2, 3, 3), [(2, 2, 5, 5, 5)], F.conv3d),
        (modules.MetaLinear(4, 3), [(2, 4)], F.linear),
        (modules.MetaBilinear(2, 4, 3), [(5, 2), (5, 4)], F.bilinear),
        (modules.MetaLayerNorm(5), [(3, 5)], lambda x, w, b: F.layer_norm(x, (5,), w, b)),
        (modules.MetaBatchNorm1d(3), [(6, 3)], lambda x, w, b: F.batch_norm(x, None, None, w, b, True)),
        (modules.MetaBatchNorm2d(3), [(6, 3, 4, 4)], lambda x, w, b: F.batch_norm(x, None, None, w, b, True)),
        (modules.MetaBatchNorm3d(3), [(6, 3, 2, 2, 2)], lambda x, w, b: F.batch_norm(x, None, None, w, b, True)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_params_may_be_positional_and_lack_the_bias(
    layer: nn.Module, inputs: list[tuple[int, ...]], compute: Callable[..., Tensor]
) -> None:
    given = [torch.randn(shape) for shape in inputs]
    params = {name: torch.randn_like(value) for name, value in layer.named_parameters()}
    assert torch.equal(layer(*given, params), compute(*given, params["weight"], params["bias"]))
    del params["bias"]
    assert torch.equal(layer(*given, params), compute(*given, params["weight"], None))
    own = [parameter.data for parameter in layer.parameters()]
    assert torch.equal(layer(*given, None), compute(*given, *own))


def test_params_without_the_weight_are_an_error() -> None:
    for layer, inputs in ((MetaLinear(1, 1), ONE), (MetaConv2d(1, 1, 1), ONE[None, None])):
        with pytest.raises(KeyError, match="weight"):
            layer(inputs, params={"bias": torch.ones(1)})


class Doubled(MetaLinear):
    def forward(self, input: Tensor, params: Mapping[str, Tensor] | None = None) -> Tensor:
        return 2 * super().forward(input, params=params)


class Standardised(MetaConv2d):
    """With weight standardisation (Qiao et al. 2019): it calls `super().forward` with other params than its own."""

    def forward(self, input: Tensor, params: Mapping[str, Tensor] | None = None) -> Tensor:
        given = dict(self.named_parameters()) if params is None else params
        weight = given["weight"] - given["weight"].mean((1, 2, 3), keepdim=True)
        return super().forward(input, params={**given, "weight": weight})


def test_a_subclass_that_calls_super_is_applied_once() -> None:
    assert Doubled(1, 1, bias=False)(ONE, params={"weight": ONE}).item() == 2
    layer = Standardised(1, 2, 3, bias=False)
    assert torch.allclose(layer(torch.ones(1, 1, 3, 3)), torch.zeros(1, 2, 1, 1), atol=1e-6)
    weight = torch.arange(9.0).view(1, 1, 3, 3).expand(2, -1, -1, -1)
    picture = torch.zeros(1, 1, 3, 3)
    picture[0, 0, 2, 2] = 1
    assert layer(picture, params={"weight": weight}).flatten().tolist() == [4.0, 4.0]


def test_hooks_fire_once() -> None:
    layer = MetaLinear(1, 1, bias=False)
    layer.register_forward_pre_hook(lambda module, inputs: (inputs[0] + 1,))
    layer.register_forward_hook(lambda module, inputs, output: output * 2)
    assert layer(ONE, params={"weight": 3 * ONE}).item() == 2 * 3 * (1 + 1)


def test_threads_with_params_of_their_own_do_not_meet() -> None:
    net = MetaSequential(MetaLinear(64, 64), nn.ReLU(), MetaLinear(64, 64))
    inputs = torch.ones(32, 64)
    before = [parameter.clone() for parameter in net.parameters()]

    def call(number: int) -> bool:
        """Constant weights w and biases w: each output is 64 w (64 w + w) + w."""
        weight = (number % 4 + 1) / 64
        params = OrderedDict((name, torch.full_like(value, weight)) for name, value in net.named_parameters())
        expected = torch.full((32, 64), 64 * weight * (64 * weight + weight) + weight)
        return torch.allclose(net(inputs, params=params), expected)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(call, range(200)))
    assert all(map(torch.equal, before, net.parameters()))


def test_running_statistics_are_used_where_they_are_tracked_when_called() -> None:
    layer = MetaBatchNorm2d(1, affine=False, eps=1e-12).eval()
    picture = torch.tensor([2.0, 4.0]).view(2, 1, 1, 1)
    assert layer(picture).flatten().tolist() == pytest.approx([2.0, 4.0])  # mean 0 and variance 1, as at first
    layer.track_running_stats = False
    assert layer(picture).flatten().tolist() == pytest.approx([-1.0, 1.0])
    with pytest.raises(ValueError, match="expected 4D input"):
        layer(torch.ones(1, 1))


def test_running_statistics_may_be_means_over_all_batches() -> None:
    layer = MetaBatchNorm2d(1, momentum=None)
    for value in (1.0, 2.0, 6.0):
        layer(torch.full((2, 1, 1, 1), value), params={})
    assert layer.running_mean is not None
    assert layer.running_mean.item() == pytest.approx(3.0)
    assert layer.num_batches_tracked == 3


def test_a_parametrised_layer_is_called_as_torch_calls_it() -> None:
    layer = nn.utils.parametrizations.weight_norm(MetaLinear(2, 1, bias=False))
    inputs = torch.tensor([[3.0, 4.0]])
    assert torch.equal(layer(inputs), F.linear(inputs, layer.weight))


@pytest.mark.parametrize("arguments", [{}, {"bias": False}, {"add_bias_kv": True}, {"kdim": 6, "vdim": 7}])
def test_attention_is_torchs_with_its_weights(arguments: dict[str, Any]) -> None:
    ours, theirs = modules.MetaMultiheadAttention(8, 2, **arguments), nn.MultiheadAttention(8, 2, **arguments)
    query, key, value = torch.randn(5, 3, 8), torch.randn(4, 3, ours.kdim), torch.randn(4, 3, ours.vdim)
    params = dict(theirs.named_parameters())
    assert list(params) == [name for name, _ in ours.named_parameters()]
    for answer, expected in (
        (ours(query, key, value, None, True, None, params), theirs(query, key, value)),
        (
            ours(query, key, value, params=params, average_attn_weights=False),
            theirs(query, key, value, average_attn_weights=False),
        ),
    ):
        assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(answer, expected, strict=True))


def test_a_data_parallel_module_takes_params_with_its_prefix_or_the_modules_names() -> None:
    net = MetaSequential(MetaLinear(2, 2, bias=False), MetaLinear(2, 1, bias=False))
    parallel = DataParallel(net)
    names = [name for name, _ in parallel.meta_named_parameters()]
    assert names == ["module.0.weight", "module.1.weight"]
    inputs = torch.randn(5, 2)
    params = gradient_update_parameters(parallel, parallel(inputs).square().mean(), step_size=0.1)
    assert list(params) == names
    first, second = params.values()
    expected = F.linear(F.linear(inputs, first), second)
    assert torch.allclose(parallel(inputs, params=params), expected)
    bare = {name.removeprefix("module."): value for name, value in params.items()}
    assert torch.allclose(parallel(inputs, params=bare), expected)


def test_a_sequence_takes_layers_without_params_too() -> None:
    net = MetaSequential(MetaLinear(1, 1, bias=False), nn.Linear(1, 1, bias=False), Doubled(1, 1, bias=False))
    params = {f"{place}.weight": value * ONE for place, value in zip((0, 2), (3, 5), strict=True)}
    assert net(ONE, params).item() == pytest.approx(3 * net[1].weight.item() * 2 * 5)
    assert [name for name, _ in itertools.islice(net.meta_named_parameters(), 9)] == list(params)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_a_data_parallel_module_gives_each_gpu_its_params() -> None:
    net = MetaSequential(MetaLinear(2, 2), Doubled(2, 1)).cuda()
    inputs = torch.randn(6, 2, device="cuda")
    params = {name: torch.randn_like(value).requires_grad_() for name, value in net.named_parameters()}
    for given in (None, params):
        owners = list((given or dict(net.named_parameters())).values())
        outputs = [module(inputs, params=given) for module in (net, DataParallel(net))]
        assert torch.allclose(*outputs)
        gradients = [torch.autograd.grad(output.square().sum(), owners) for output in outputs]
        assert all(torch.allclose(one, other) for one, other in zip(*gradients, strict=True))
