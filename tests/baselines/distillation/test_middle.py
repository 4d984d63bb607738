"""The middle of networks of all kinds."""

import pytest
import torch
from torch import nn

from baselines.distillation._middle import middle_layer, middle_output
from metabench.backbone import Layers, build_backbone, example_inputs
from metabench.samples import random_episodes, text_problem


@pytest.mark.parametrize(
    ("backbone", "shape", "layer", "output"),
    [
        ("conv4:4", (1, 28, 28), "7", (4, 7, 7)),  # the ReLU of the second of four convolutions
        ("conv4-two-pools:4", (1, 28, 28), "7", (4, 7, 7)),  # which has no pooling after the third
        ("resnet12:4", (3, 32, 32), "1", (10, 8, 8)),  # the second of four blocks
        ("mlp:6", (1, 28, 28), "2", (6,)),  # the ReLU of the first of two layers
        ("torchvision:resnet18:64", (3, 32, 32), "0.model.layer2.1", (128, 8, 8)),  # the fifth of a stem and 8 blocks
        ("timm:vit_tiny_patch16_224:32", (3, 32, 32), "0.model.blocks.5", (5, 192)),  # the seventh of 13
    ],
)
def test_the_middle_has_half_of_the_layers_with_weights_behind_it(
    backbone: str, shape: tuple[int, ...], layer: str, output: tuple[int, ...]
) -> None:
    network = build_backbone(backbone, shape)
    assert middle_layer(network, shape) == layer
    assert network.training
    assert middle_output(network.eval(), layer, example_inputs(2, shape)).shape[1:] == output


def test_the_middle_of_an_encoder_of_texts_is_a_block_of_it() -> None:
    shape = text_problem().image_shape
    network = build_backbone("bert-tiny", shape)
    assert middle_layer(network, shape) == "0.model.encoder.layer.0"


def test_what_comes_out_is_what_the_layers_before_it_give() -> None:
    torch.manual_seed(0)
    network, images = build_backbone("conv4:4", (1, 28, 28)), torch.rand(3, 1, 28, 28)
    first_half = Layers(*list(network)[:8])
    later = [network[9].running_mean.clone(), network[13].running_mean.clone()]
    expected = first_half(images)  # in training, by the statistics of the batch
    found = middle_output(network, "7", images)
    torch.testing.assert_close(found, expected)
    assert torch.equal(later[0], network[9].running_mean)  # no later layer was asked
    assert torch.equal(later[1], network[13].running_mean)
    found.sum().backward()
    assert [parameter.grad is not None for parameter in network.parameters()] == [True] * 8 + [False] * 8
    with torch.no_grad():  # as where nothing is learned, hooks are gone
        assert network(images).shape == (3, 4)


def test_what_comes_out_of_an_encoder_is_its_hidden_states() -> None:
    shape = text_problem().image_shape
    network = build_backbone("bert-tiny", shape).eval()
    ids = random_episodes(task=text_problem().task, shape=shape).query[0]
    mask = ids != 0
    ended = (ids - 1 == network[0].separator).long()
    states = (
        network[0]
        .model(
            input_ids=(ids - 1).clamp(min=0).long(),
            attention_mask=mask.long(),
            token_type_ids=((ended.cumsum(1) - ended) * mask).clamp(max=1),
            output_hidden_states=True,
        )
        .hidden_states
    )
    longest = int(mask.sum(1).max())
    found = middle_output(network, "0.model.encoder.layer.0", ids)
    torch.testing.assert_close(found[mask[:, :longest]], states[1][mask])


class Reused(nn.Module):
    """Uses its only activation twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.activation = nn.Linear(4, 3), nn.Linear(3, 2), nn.ReLU()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.activation(self.second(self.activation(self.first(inputs.flatten(1)))))


def test_a_layer_that_is_used_twice_is_no_middle() -> None:
    network = Layers(Reused())
    assert middle_layer(network, (1, 2, 2)) == "0.first"
