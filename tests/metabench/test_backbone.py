import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from baselines.stacked.batch_norm import TaskBatchNorm2d
from metabench.backbone import Norm, backbone_names, build_backbone, feature_map, feature_size, get_backbone, takes_text
from metabench.errors import UsageError

OF_IMAGES = [
    name for name in backbone_names() if not takes_text(name) and not getattr(get_backbone(name), "takes_path", False)
]


@pytest.mark.parametrize("name", OF_IMAGES)
@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 33, 17), (1, 28, 28)])
@pytest.mark.parametrize("norm", [nn.BatchNorm2d, TaskBatchNorm2d])
def test_any_size_from_16_and_any_channels(name: str, shape: tuple[int, int, int], norm: Norm) -> None:
    width = 16 if name == "efficientnet_lite0" else 4  # of its images, of others' first layer
    network = build_backbone(f"{name}:{width}", shape, norm)
    assert network.training
    features = network(torch.rand(3, *shape))
    assert features.shape == (3, feature_size(network, shape))
    assert network.training


def test_conv4_is_the_papers() -> None:
    """64 filters, 84 x 84 images: 1,600 features (Snell et al. 2017, section 2.7); weights counted by hand."""
    network = build_backbone("conv4", (3, 84, 84))
    assert feature_size(network, (3, 84, 84)) == 1600
    expected = (3 * 64 * 9 + 64) + 3 * (64 * 64 * 9 + 64) + 4 * 2 * 64
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_resnet12_is_the_papers() -> None:
    """12.4 million weights with 64-160-320-640 filters, and 640 features (Lee et al. 2019)."""
    network = build_backbone("resnet12", (3, 84, 84))
    assert feature_size(network, (3, 84, 84)) == 640
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(12.4e6, rel=0.01)


def test_strided_features_are_the_papers_64() -> None:
    assert feature_size(build_backbone("conv4-strided", (1, 28, 28)), (1, 28, 28)) == 64
    assert feature_size(build_backbone("conv4-strided", (3, 84, 84)), (3, 84, 84)) == 64
    assert feature_size(build_backbone("conv4", (1, 28, 28)), (1, 28, 28)) == 64


def test_two_pools_leave_the_papers_maps() -> None:
    """64 x 21 x 21 of 84 x 84 images (Li et al. 2019, section 4.2), and the weights of Conv-4."""
    network = build_backbone("conv4-two-pools", (3, 84, 84))
    assert feature_size(network, (3, 84, 84)) == 64 * 21 * 21
    assert feature_map(network, (3, 84, 84))[1] == (64, 21, 21)
    other = build_backbone("conv4", (3, 84, 84))
    assert [each.shape for each in network.parameters()] == [each.shape for each in other.parameters()]


def test_mlp_is_the_papers() -> None:
    """Two hidden layers of 40 for one input (Finn et al. 2017, section 5.1); weights counted by hand."""
    network = build_backbone("mlp:40", (1,))
    assert feature_size(network, (1,)) == 40
    assert sum(parameter.numel() for parameter in network.parameters()) == (1 * 40 + 40) + (40 * 40 + 40)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        (
            "conv5",
            (1, 28, 28),
            "there is no backbone 'conv5'; did you mean 'conv4'?",
        ),
        (
            "conv4:wide",
            (1, 28, 28),
            "'conv4:wide' asks for a width of 'wide'; give an even number up to 4096, e.g. conv4:128",
        ),
        ("conv4:0", (1, 28, 28), "'conv4:0' asks for a width of '0'; give an even number up to 4096, e.g. conv4:128"),
        ("conv4", (1, 28, 15), "'conv4' needs images of at least 16 x 16; found 28 x 15"),
        ("conv4", (1,), "'conv4' takes images, and the inputs here are numbers; choose mlp, e.g. mlp:40"),
    ],
)
def test_bad_requests_say_what_to_do(name: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        build_backbone(name, shape)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda shape, norm, width: sys.exit(0), "failed: SystemExit: 0 "),
        (lambda shape, norm, width: {}["a"], "failed: KeyError: 'a' "),
        (lambda shape, norm, width: None, "is invalid: it gives NoneType, not a torch.nn.Module"),
    ],
)
def test_whatever_another_packages_backbone_does_is_one_line(
    made: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("made")
    made.__module__, module.network = "made", made  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "made", module)
    with pytest.raises(UsageError) as caught:
        build_backbone("made:network", (1, 28, 28))
    assert str(caught.value).startswith(f"backbone 'made:network' {said}")
