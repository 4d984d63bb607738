"""Files of tensors from elsewhere: loaded as a whole, or refused with what does not fit; nothing in them is run."""

import pickle
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from metabench.backbone import Layers, build_backbone
from metabench.errors import UsageError
from metabench.outside import InputForm, PictureNetwork
from metabench.weights.state_file import read_state_file


def picture_network(extra: int = 0) -> Layers:
    """Two layers, a classifier that was taken off, and more layers if they are asked for."""
    parts = {"first": nn.Conv2d(3, 4, 3), "norm": nn.BatchNorm2d(4), "pool": nn.AdaptiveAvgPool2d(1)}
    more = {f"more{number}": nn.Conv2d(4, 4, 1) for number in range(extra)}
    model = nn.Sequential()
    for name, part in {**parts, **more}.items():
        model.add_module(name, part)
    network = Layers(PictureNetwork(model, InputForm(), classifier=("fc",)))
    network.name = "made:network"
    return network


def tensors(extra: int = 0, **changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    state = {**picture_network(extra)[0].model.state_dict(), "fc.weight": torch.rand(9, 4), "fc.bias": torch.rand(9)}
    made = {**state, **{name.replace("__", "."): value for name, value in changes.items()}}
    return {name: value for name, value in made.items() if value is not None}


def saved(path: Path, content: Any) -> Path:
    if path.suffix == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path)
    return path


WHOLE = tensors()
SPELLINGS = {
    "plain.safetensors": WHOLE,
    "plain.pth": WHOLE,
    "nested.pt": {"epoch": 3, "state_dict": WHOLE},
    "parallel.pth": {f"module.{name}": value for name, value in WHOLE.items()},
    "wrapped.bin": {"model": {f"module.backbone.{name}": value for name, value in WHOLE.items()}},
    "half.safetensors": {name: value.half() if value.is_floating_point() else value for name, value in WHOLE.items()},
    "uncounted.safetensors": {name: value for name, value in WHOLE.items() if "num_batches" not in name},
    "headless.safetensors": {name: value for name, value in WHOLE.items() if not name.startswith("fc")},
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_of_the_same_tensors_is_loaded(name: str, tmp_path: Path) -> None:
    network = picture_network()
    read_state_file(saved(tmp_path / name, SPELLINGS[name]), "").load("protonet", [network])
    found = network[0].model.state_dict()
    for each, value in found.items():
        if "num_batches" not in each:
            assert torch.allclose(value, WHOLE[each], atol=1e-3), each
            assert value.dtype == torch.float32
    assert network.sources == (None,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            tensors(first__weight=None, conv1__weight=torch.rand(4, 3, 3, 3)),
            r"5 of its 6 tensors are in the file \(83%\); 'first.weight' is not, the nearest is 'conv1.weight'",
        ),
        (tensors(first__bias=None), r"\(83%\); 'first.bias' is not; nothing was loaded"),
        (
            tensors(first__weight=torch.rand(4, 1, 3, 3)),
            r"'first.weight' is \[4, 3, 3, 3\] in the network and \[4, 1, 3, 3\] in the file; nothing was loaded",
        ),
        (
            tensors(first__weight=torch.ones(4, 3, 3, 3, dtype=torch.int64)),
            "'first.weight' is torch.float32 in the network and torch.int64 in the file; nothing was loaded",
        ),
        (
            tensors(extra=2),
            r"6 of its 6 tensors are in the file \(100%\), and 4 more that the network lacks, the first "
            "'more0.bias'; nothing was loaded: is the file of a larger network",
        ),
    ],
)
def test_a_partial_load_is_refused_and_changes_nothing(
    content: dict[str, torch.Tensor], message: str, tmp_path: Path
) -> None:
    network = picture_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    file = read_state_file(saved(tmp_path / "w.safetensors", content), "")
    with pytest.raises(UsageError, match=f"does not fit backbone 'made:network': .*{message}"):
        file.load("protonet", [network])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_networks_that_fit_are_loaded_and_the_others_left(tmp_path: Path) -> None:
    teacher, student = picture_network(), build_backbone("conv4", (3, 32, 32))
    before = student[0].weight.clone()
    read_state_file(saved(tmp_path / "w.pth", WHOLE), "").load("distill", [student, teacher])
    assert torch.equal(teacher[0].model.first.weight, WHOLE["first.weight"])
    assert torch.equal(student[0].weight, before)


def test_a_network_of_our_own_takes_its_state_too(tmp_path: Path) -> None:
    torch.manual_seed(1)
    state = {name: value.contiguous() for name, value in build_backbone("conv4", (3, 32, 32)).state_dict().items()}
    network = build_backbone("conv4", (3, 32, 32))
    read_state_file(saved(tmp_path / "w.safetensors", state), "").load("protonet", [network])
    assert torch.equal(network[0].weight, state["0.weight"])


def test_a_network_without_statistics_does_without_those_of_a_file(tmp_path: Path) -> None:
    """As maml's, whose batch normalisation is by the batch at hand."""
    state = {name: value.contiguous() for name, value in build_backbone("conv4", (3, 32, 32)).state_dict().items()}
    network = build_backbone("conv4", (3, 32, 32), partial(nn.BatchNorm2d, track_running_stats=False))
    assert len(network.state_dict()) < len(state)
    read_state_file(saved(tmp_path / "w.safetensors", state), "").load("maml", [network])
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


class Bomb:
    def __reduce__(self) -> Any:
        return pytest.fail, ("it went off",)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("content", [b"", b"\x80\x02nonsense", pickle.dumps({"a": Bomb()}), b"PK\x03\x04broken"])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_other_files_are_refused_and_nothing_in_them_runs(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=r"is no file of tensors .*give safetensors") as error:
        read_state_file(tmp_path / name, "")
    assert "\n" not in str(error.value)


def test_an_object_that_torch_saved_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": Bomb()}}, tmp_path / "w.pth")
    with pytest.raises(UsageError, match="is no file of tensors"):
        read_state_file(tmp_path / "w.pth", "")
    torch.save([torch.rand(2)], tmp_path / "w.pth")
    with pytest.raises(UsageError, match="it has no tensors by name"):
        read_state_file(tmp_path / "w.pth", "")
    for text in ("hello\n", "a,b\n1,2\n", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"):
        (tmp_path / "w.pth").write_text(text)
        with pytest.raises(UsageError, match=r"torch reads no tensors from it.*; give safetensors"):
            read_state_file(tmp_path / "w.pth", "")


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(2, dtype=torch.complex64), r"tensor 'a' has complex numbers \(torch.complex64\); give real ones"),
        (torch.full((2,), torch.nan), "tensor 'a' has values that are not finite; the training that it is from failed"),
        (torch.zeros(3, device="meta"), "tensor 'a' is not stored as plain values; save it dense"),
    ],
)
def test_tensors_that_are_no_weights_are_named(tensor: torch.Tensor, message: str, tmp_path: Path) -> None:
    torch.save({"a": tensor}, tmp_path / "w.pth")
    with pytest.raises(UsageError, match=message):
        read_state_file(tmp_path / "w.pth", "")


@pytest.mark.parametrize(
    "note", ["", "by hand", "[]", '{"dataset": {}}', '{"dataset": {"fingerprints": {"train": "a"}}}']
)
def test_notes_that_are_not_of_an_export_say_nothing(note: str, tmp_path: Path) -> None:
    save_file({"w": torch.zeros(1)}, tmp_path / "w.safetensors", {"metabench": note})
    assert read_state_file(tmp_path / "w.safetensors", "").origin is None
