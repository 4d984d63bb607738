"""Which pictures are read for a pre-training, and which are not; from there to the file, resumed, gone on from."""

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines.objectives.dino import DINO
from episodes import DataError
from episodes.banks.images import ImageBank
from metabench.errors import InterruptionError, UsageError
from metabench.objective import LabelledBatch
from metabench.pretraining.config import make_pretrain_config
from metabench.pretraining.corpus import Corpus
from metabench.pretraining.pictures import read_pictures
from metabench.pretraining.pretrain import pretrain
from metabench.pretraining.summary import summary
from metabench.weights.encoder_file import read_weights
from tests.made_pictures import SHARED, dataset

NAME = "tests.made_pictures"
MADE: dict[str, Any] = {"dataset": f"{NAME}:made", "threads": 1}
QUICK = {"steps": 6, "batch_size": 16, "backbone": "conv4:4"}


def corpus(**settings: Any) -> Corpus[ImageBank]:
    return read_pictures(make_pretrain_config(objective="simclr", output=Path("x"), **settings))


@pytest.fixture
def mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plug-ins by module, which have no registered name, are not mixed by themselves."""
    monkeypatch.setattr("metabench.pretraining.corpus.parts", lambda name: name.split("+"))


def test_training_classes_are_read_and_validation_classes_validate() -> None:
    read, made = corpus(dataset=f"{NAME}:made"), dataset("made")
    assert torch.equal(read.train.images, made.train.images)
    assert torch.equal(read.validation.images, made.validation.images)
    assert read.left_out == 0
    (source,) = read.sources
    assert source.model_dump() == {
        "kind": "dataset",
        "name": f"{NAME}:made",
        "split": "s",
        "fingerprint": made.train.fingerprint,
        "validation_fingerprint": made.validation.fingerprint,
        "items": 60,
        "validation_items": 60,
        "image_shape": (1, 16, 16),
        "classes": made.train.class_names,
    }
    small = corpus(dataset=f"{NAME}:made", image_size=20, channels=3)
    assert small.train.item_shape == small.sources[0].image_shape == (3, 20, 20)


def test_pictures_of_test_classes_are_left_out_whoever_has_them() -> None:
    alone = corpus(dataset=f"{NAME}:leaking")
    assert any(torch.equal(each, SHARED) for each in alone.train.images)
    read = corpus(dataset=f"{NAME}:leaking", without=f"{NAME}:made")
    assert not any(torch.equal(each, SHARED) for each in read.train.images)
    assert read.left_out == 1
    assert read.train.class_sizes == (9, 10, 10, 10, 10, 10)
    assert read.sources[0].items == len(read.train) == len(read.digests) == 59
    assert read.digests.tolist() == read.train.item_digests()


def test_several_datasets_are_mixed_and_each_is_named(mixed: None) -> None:
    read = corpus(dataset=f"{NAME}:made+{NAME}:leaking")
    assert read.left_out == 1  # of `made`, by the other
    assert [source.items for source in read.sources] == [60, 59]
    assert [len(source.classes) for source in read.sources] == [6, 6]
    assert read.train.classes == 12
    grey_and_colour = corpus(dataset=f"{NAME}:made+{NAME}:colour")
    assert {source.image_shape for source in grey_and_colour.sources} == {(3, 16, 16)}


def test_a_class_that_another_split_tests_is_left_out_at_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name, where no picture is the same to the byte."""
    asked = {"dataset": f"{NAME}:made", "split": "swapped"}
    assert corpus(**asked).left_out == 0
    monkeypatch.setattr("metabench.pretraining.pictures.tested_on", lambda dataset: set())
    with pytest.raises(UsageError, match=r"all 60 images of --dataset .*:made are of classes for validation or test"):
        corpus(**asked, without=f"{NAME}:made", image_size=20)
    assert corpus(**asked, without=f"{NAME}:other", image_size=20).left_out == 0  # names of another source


def test_digests_are_the_same_in_every_process_and_tell_shapes_apart() -> None:
    images = torch.arange(32, dtype=torch.uint8).view(2, 1, 4, 4)
    bank = ImageBank("x", images, ("a",), (2,), ("a",))
    assert bank.item_digests() == [2523536783291140018, 7317015452798084346]
    assert ImageBank("x", images.view(2, 1, 2, 8), ("a",), (2,), ("a",)).item_digests() != bank.item_digests()
    assert all(0 <= number < 2**63 for number in bank.item_digests())


def test_the_file_says_all_that_was_done(tmp_path: Path) -> None:
    path, made = tmp_path / "simclr.safetensors", dataset("made")
    about = pretrain("simclr", output=path, **MADE, options=QUICK)
    read = read_weights(path)
    (stretch,) = read.about.stages
    assert read.about == about
    assert (read.about.backbone, read.about.kind, read.vocabulary) == ("conv4:4", "images", None)
    assert read.items.tolist() == sorted({*made.train.item_digests()})
    assert stretch.items == 60
    assert [*stretch.values] == ["neighbour_error", "contrastive_loss"]
    assert stretch.values["neighbour_error"] == min(row["validation_neighbour_error"] for row in stretch.curve)
    assert stretch.config["options"]["flip"] is None
    assert not {"text", "vocabulary", "max_tokens"} & {*stretch.config}
    assert {"image_size", "channels"} <= {*stretch.config}
    assert not read.outside_data
    said = summary(read.about)
    assert said.startswith("simclr on tests.made_pictures:made: validation neighbour error ")
    assert "conv4:4 on 60 images of 16 x 16; 60 for validation" in said
    assert [each.name for each in tmp_path.iterdir()] == ["simclr.safetensors"]


def test_one_objective_goes_on_from_another_at_another_size(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    pretrain("supervised", output=first, **MADE, options=QUICK)
    options = {**QUICK, "weights": str(first), "steps": 1, "learning_rate": 1e-9}
    del options["backbone"]
    pretrain("dino", output=second, dataset=f"{NAME}:other", image_size=20, options=options)
    before, after = read_weights(first), read_weights(second)
    assert [stretch.objective for stretch in after.about.stages] == ["supervised", "dino"]
    assert [stretch.sources[0].image_shape for stretch in after.about.stages] == [(1, 16, 16), (1, 20, 20)]
    assert len(after.items) == 120
    torch.testing.assert_close(after.tensors["0.weight"], before.tensors["0.weight"], atol=1e-6, rtol=0)


class Interrupting(DINO):
    """Interrupted at the fourth of its losses, as by Ctrl-C; a fifth and so on it lets through."""

    losses = 0

    def loss(self, batch: LabelledBatch) -> torch.Tensor:
        Interrupting.losses += 1
        if Interrupting.losses == 4:
            signal.raise_signal(signal.SIGINT)
        return super().loss(batch)


def test_a_resumed_pre_training_ends_in_the_same_bits(tmp_path: Path) -> None:
    """Views, the teacher's weights, its momentum and its centre go on as if nothing had been."""
    name, options = f"{__name__}:Interrupting", {**QUICK, "backbone": "conv4-strided:4"}
    Interrupting.losses = 100
    pretrain(name, output=tmp_path / "whole", **MADE, options=options)
    Interrupting.losses = 0
    with pytest.raises(InterruptionError, match="interrupted at step 4 of 6"):
        pretrain(name, output=tmp_path / "again", **MADE, options=options)
    torch.manual_seed(12345)
    pretrain(name, output=tmp_path / "again", resume=True, **MADE, options=options)
    whole, resumed = (read_weights(tmp_path / each) for each in ("whole", "again"))
    assert all(torch.equal(value, resumed.tensors[key]) for key, value in whole.tensors.items())
    assert whole.about.stages[0].curve == resumed.about.stages[0].curve


def test_labels_of_training_classes_change_nothing_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same pictures in the same order, each with the label of another class."""
    from episodes.sampling.batches import BatchSampler

    pretrain("simclr", output=tmp_path / "labels", **MADE, options=QUICK)
    drawn = BatchSampler.batch
    monkeypatch.setattr(
        BatchSampler, "batch", lambda self, number: LabelledBatch((found := drawn(self, number)).images, -found.labels)
    )
    pretrain("simclr", output=tmp_path / "none", **MADE, options=QUICK)
    first, second = (read_weights(tmp_path / each) for each in ("labels", "none"))
    assert all(torch.equal(value, second.tensors[key]) for key, value in first.tensors.items())
    assert np.array_equal(first.items, second.items)


def test_what_cannot_be_met_is_said_before_any_training(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    pretrain(
        "simcse",
        output=texts,
        dataset="tests.made_texts:made",
        vocabulary=200,
        options={"steps": 1, "batch_size": 4, "backbone": "bert-tiny"},
    )
    cases: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("--backbone bert-tiny takes texts alone; choose one such as conv4", {"backbone": "bert-tiny"}, {}),
        ("--batch-size 1000 is too large: there are 60 images", {"batch_size": 1000}, {}),
        ("objective 'simclr' has no option 'whole_word'", {"whole_word": True}, {}),
        ("--vocabulary is of text, and objective 'simclr' takes images; leave it out", {}, {"vocabulary": 300}),
        (r"texts' is of texts, and objective 'simclr' takes images; give another file", {"weights": str(texts)}, {}),
        (
            "backbone 'conv4:4' has no tokens of patches that can be left out; choose vit",
            {},
            {"objective": "masked-image"},
        ),
        ("there is nothing to read; give --dataset, e.g. glyphs", {}, {"dataset": None}),
        ("--set least_area: give", {"least_area": 0}, {}),
    ]
    for said, options, changes in cases:
        with pytest.raises(UsageError, match=said):
            pretrain(
                **{"objective": "simclr", "output": tmp_path / "x", **MADE, **changes}, options={**QUICK, **options}
            )
    for said, changes in {
        "'tests.made_texts:made' has text, and this objective takes images; name a dataset of images": {
            "dataset": "tests.made_texts:made"
        },
        "--image-size 8 is too small; give at least 16": {"dataset": "glyphs", "image_size": 8},
    }.items():
        with pytest.raises(DataError, match=said):
            pretrain("simclr", output=tmp_path / "x", **changes, options=QUICK)
    assert [each.name for each in tmp_path.iterdir()] == ["texts"]
