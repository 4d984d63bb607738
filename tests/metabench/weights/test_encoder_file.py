"""Files of weights: read back as written; damaged, foreign or unfitting ones refused in one line, whole."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from baselines.stacked.batch_norm import TaskBatchNorm2d
from metabench.backbone import Layers, build_backbone
from metabench.errors import UsageError
from metabench.samples import text_problem
from metabench.weights.encoder_file import (
    EARLIER,
    FORMAT,
    About,
    Source,
    Stretch,
    file_digest,
    is_pretraining,
    load_into,
    read_weights,
    short_backbone,
    write_weights,
)

STRETCH = Stretch(
    objective="masked-text",
    config={"options": {"steps": 3}},
    best_step=3,
    values={"perplexity": 2.5},
    sources=(),
    items=3,
    left_out=0,
    curve=[],
    seconds=1.0,
    environment={},
)


def network(seed: int = 0, name: str = "bert-tiny") -> Layers:
    torch.manual_seed(seed)
    return build_backbone(name, text_problem().image_shape)


def about(**changes: Any) -> About:
    vocabulary = text_problem().image_shape.vocabulary  # type: ignore[attr-defined]
    parts = {"backbone": "bert-tiny", "vocabulary": vocabulary.content, "special": vocabulary.special}
    return About(**{**parts, "stages": (STRETCH,), **changes})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_weights(tmp_path / "w.safetensors", about(), network(), np.array([9, 3, 3, 2**62]))
    return tmp_path / "w.safetensors"


def change(path: Path, metadata: dict[str, str] | None = None, **tensors: torch.Tensor | None) -> None:
    made = {**load_file(path), **tensors}
    whole = {"format": FORMAT, "about": about().model_dump_json()} if metadata is None else metadata
    save_file({name: value for name, value in made.items() if value is not None}, path, whole)


def test_a_file_is_read_back_as_it_was_written(path: Path) -> None:
    read = read_weights(path)
    assert read.about == about()
    assert read.items.tolist() == [3, 9, 2**62]
    assert len(read.digest) == 64
    other = network(1)
    load_into([other], read)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in network().state_dict().items())


def test_a_file_of_the_earlier_format_is_read(path: Path) -> None:
    """It counted texts alone, and called them so."""
    source = {"kind": "file", "name": "a", "split": "", "fingerprint": "f", "validation_fingerprint": "f"}
    written = json.loads(about().model_dump_json())
    (stage,) = written["stages"]
    stage["texts"] = stage.pop("items")
    stage["sources"] = [{**source, "texts": 7, "validation_texts": 2}]
    change(path, {"format": EARLIER, "about": json.dumps(written)}, texts=torch.tensor([3, 9]), items=None)
    read = read_weights(path)
    assert read.items.tolist() == [3, 9]
    assert read.about.stages[0].items == 3
    assert read.about.stages[0].sources[0] == Source(**source, items=7, validation_items=2)
    assert read.about.vocabulary == about().vocabulary
    load_into([network()], read)
    for content in ("3", "{}", '{"stages": [3]}', '{"stages": [{"sources": [3]}]}'):
        change(path, {"format": EARLIER, "about": content}, texts=torch.tensor([3, 9]), items=None)
        with pytest.raises(UsageError, match="is not a complete file of `metabench pretrain`"):
            read_weights(path)


def test_networks_that_normalise_by_the_batch_do_without_its_statistics(tmp_path: Path) -> None:
    shape, file = (1, 16, 16), tmp_path / "pictures"
    trained = build_backbone("conv4:4", shape)
    trained(torch.rand(5, *shape))
    write_weights(file, About(backbone="conv4:4", stages=(STRETCH,)), trained, np.array([1]))
    read = read_weights(file)
    assert (read.vocabulary, read.about.kind, read.about.noun) == (None, "images", "images")
    other, own = build_backbone("conv4:4", shape, TaskBatchNorm2d), build_backbone("conv4:4", shape)
    load_into([other, own], read)
    assert {*own.state_dict()} > {*other.state_dict()}
    for network in (other, own):
        assert all(torch.equal(value, trained.state_dict()[name]) for name, value in network.state_dict().items())
    del read.tensors["1.running_mean"]
    load_into([other], read)
    with pytest.raises(UsageError, match=r"of tensor '1.running_mean' the file has none"):
        load_into([own], read)


def test_a_file_that_is_cut_anywhere_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for length in (0, 5, 8, 100, 5000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UsageError, match=r"is not a complete file of `metabench pretrain` \(.*\); pre-train again"):
            read_weights(path)


@pytest.mark.parametrize(
    ("metadata", "tensors", "said"),
    [
        ({}, {}, f"its format is not '{FORMAT}'"),
        ({"format": FORMAT}, {}, "about"),
        ({"format": FORMAT, "about": "{"}, {}, "Invalid JSON"),
        ({"format": FORMAT, "about": '{"backbone": 3}'}, {}, "backbone: Input should be a valid string"),
        ({"format": FORMAT, "about": about(vocabulary="{}").model_dump_json()}, {}, "the tokenizer cannot be read"),
        (None, {"items": None}, "it has no 'items'"),
        (None, {"items": torch.tensor([1.0])}, "it has no 'items'"),
        (None, {"items": torch.tensor([3, 2])}, "its 'items' are not sorted"),
        (None, {"items": torch.zeros(0, dtype=torch.int64)}, "its 'items' are not sorted"),
        (None, {"more": torch.zeros(1)}, "it has tensors that are none of an encoder"),
    ],
)
def test_a_file_of_another_kind_is_refused(
    metadata: dict[str, str] | None, tensors: dict[str, Any], said: str, path: Path
) -> None:
    change(path, metadata, **tensors)
    with pytest.raises(UsageError, match="is not a complete file of") as caught:
        read_weights(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "touched",))

    (tmp_path / "evil.pt").write_bytes(pickle.dumps(Evil()))
    torch.save({"a": Evil()}, tmp_path / "evil2.pt")
    for name in ("evil.pt", "evil2.pt"):
        with pytest.raises(UsageError, match="is not a complete file of"):
            read_weights(tmp_path / name)
    assert not (tmp_path / "touched").exists()


def test_a_file_that_is_not_there_or_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read --weights '.*none': No such file .*; give a file of weights"):
        read_weights(tmp_path / "none")
    with pytest.raises(UsageError, match="is no file; give a file of weights"):
        read_weights(tmp_path)


FIRST = "0.model.embeddings.word_embeddings.weight"


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({f"encoder.{FIRST}": None}, f"of tensor '{FIRST}' the file has none, and the network \\["),
        ({"encoder.a": torch.zeros(2)}, "of tensor 'a' the file has \\[2\\] of float32, and the network none"),
        ({f"encoder.{FIRST}": torch.zeros(3, 128)}, "the file has \\[3, 128\\] of float32, and the network"),
        ({f"encoder.{FIRST}": torch.zeros(3, dtype=torch.int8)}, "the file has \\[3\\] of int8"),
    ],
)
def test_weights_of_another_shape_are_refused_and_nothing_is_loaded(
    tensors: dict[str, Any], said: str, path: Path
) -> None:
    change(path, **tensors)
    fits, other = network(1), network(2)
    before = {name: value.clone() for name, value in fits.state_dict().items()}
    with pytest.raises(UsageError, match=rf"does not fit backbone 'bert-tiny': .*{said}"):
        load_into([fits, other], read_weights(path))
    assert all(torch.equal(value, fits.state_dict()[name]) for name, value in before.items())


def test_a_backbone_is_known_without_its_folder() -> None:
    assert short_backbone("hf:/models/my bert") == "hf:my bert"
    assert short_backbone("hf:BAAI/bge-small") == "hf:bge-small"
    for name in ("bert-small", "conv4:128", "hf:bert", "mine:network:32"):
        assert short_backbone(name) == name


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "w.safetensors"
    os.mkfifo(pipe)
    assert not is_pretraining(pipe)
    with pytest.raises(UsageError, match=r"--weights '.*' is no file; give a file of weights"):
        file_digest(pipe)
