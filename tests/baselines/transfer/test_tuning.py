import numpy as np
import pytest
import torch
from torch import nn

from baselines.backbones import build_backbone
from baselines.transfer._tuning import crop_and_flip, layers_of, tuned_names, with_lora
from metabench.errors import UsageError
from metabench.samples import text_problem

SHAPES = {"bert-tiny": text_problem().image_shape, "conv4": (1, 28, 28)}


@pytest.mark.parametrize(
    ("name", "count", "last"),
    [
        ("conv4", 4, {"12.weight", "12.bias", "13.weight", "13.bias"}),
        ("mlp", 2, {"3.weight", "3.bias"}),
        ("resnet12", 4, None),
        ("bert-tiny", 3, None),  # its embeddings are a layer, too
        ("torchvision:resnet18", 9, None),
        ("torchvision:vgg11", 10, {"0.model.classifier.3.weight", "0.model.classifier.3.bias"}),
        ("timm:vit_tiny_patch16_224", 14, None),  # its position and class tokens are the first, its patches the second
    ],
)
def test_layers_from_the_input_to_the_features(name: str, count: int, last: set[str] | None) -> None:
    network = build_backbone(name, SHAPES.get(name, (3, 32, 32)))
    layers = layers_of(network)
    assert len(layers) == count
    assert sorted(name for layer in layers for name in layer) == sorted(key for key, _ in network.named_parameters())
    assert layers[-1][0] != layers[0][0]
    if last:
        assert set(layers[-1]) == last


def test_the_last_layer_of_a_transformer_is_its_last_encoder_layer() -> None:
    network = build_backbone("bert-tiny", SHAPES["bert-tiny"])
    names = tuned_names(network, "last", "bert-tiny")
    last = [name for name, _ in network.named_parameters() if ".encoder.layer.1." in name]
    assert names == last
    adapted = layers_of(with_lora(network, 2, "bert-tiny"))[-1]
    assert len(adapted) == len(last) + 4
    assert all(".encoder.layer.1." in name for name in adapted)


def test_a_network_without_biases_has_none_to_tune() -> None:
    with pytest.raises(UsageError, match="scope=bitfit tunes biases, and backbone 'plain' has none"):
        tuned_names(nn.Sequential(nn.Linear(2, 2, bias=False)), "bitfit", "plain")


def test_adapters_change_nothing_before_they_are_tuned_and_share_the_weights() -> None:
    network = build_backbone("bert-tiny", SHAPES["bert-tiny"]).eval()
    adapted = with_lora(network, 4, "bert-tiny")
    texts = torch.randint(1, 30, (3, 9), generator=torch.Generator().manual_seed(0), dtype=torch.int32)
    with torch.no_grad():
        torch.testing.assert_close(adapted(texts), network(texts))
        adapted.get_parameter("0.model.encoder.layer.0.output.dense.weight").mul_(2)
        torch.testing.assert_close(adapted(texts), network(texts))
    factors = {name: value.shape for name, value in adapted.named_parameters() if "lora_" in name}
    assert len(factors) == 8  # two layers, queries and values, two factors
    assert set(factors.values()) == {(4, 128), (128, 4)}


def test_adapters_begin_alike_whatever_was_drawn_before() -> None:
    network = build_backbone("bert-tiny", SHAPES["bert-tiny"])
    first = with_lora(network, 4, "bert-tiny").state_dict()
    torch.rand(7)
    second = with_lora(network, 4, "bert-tiny").state_dict()
    assert all(torch.equal(first[name], value) for name, value in second.items())


def test_copies_are_shifted_by_up_to_an_eighth_and_flipped() -> None:
    """Each is one of all that numpy makes by hand, and all images of a copy are treated alike."""
    images = torch.rand(3, 2, 16, 8, generator=torch.Generator().manual_seed(0))
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (2, 2), (1, 1)), mode="edge")
    shifts = [(top, left, flip) for top in range(5) for left in range(3) for flip in (1, -1)]
    possible = [padded[:, :, top : top + 16, left : left + 8][..., ::flip] for top, left, flip in shifts]
    copies = crop_and_flip(images, 200, torch.Generator().manual_seed(0)).view(200, 3, 2, 16, 8).numpy()
    drawn = [next(n for n, each in enumerate(possible) if np.array_equal(each, copy)) for copy in copies]
    assert len(set(drawn)) > 25
    assert 70 < sum(shifts[n][2] == 1 for n in drawn) < 130
