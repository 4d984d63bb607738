"""Runs on pictures that begin with a file: none that has seen the test, by bytes or by name; it is in the record."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import metabench
from metabench.board.details import _pretrained
from metabench.config import make_config
from metabench.errors import UsageError
from metabench.experiment.prepare import prepare
from metabench.experiment.pretrained import refuse_seen
from metabench.pretraining.pretrain import pretrain
from metabench.records.reader import read_record
from metabench.rerun.verify import verify
from metabench.weights.encoder_file import read_weights
from tests.made_pictures import dataset

NAME = "tests.made_pictures"
SMALL = {"ways": 3, "queries": 4, "episodes": 6, "validation_episodes": 2, "threads": 1}
QUICK = {"steps": 2, "batch_size": 16, "backbone": "conv4:4"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "made.safetensors"
    pretrain("simclr", output=path, dataset=f"{NAME}:made", threads=1, options=QUICK)
    return path


@pytest.fixture(scope="module")
def leaking(weights: Path) -> Path:
    """The same on another dataset, of which one picture is of a test class of `made`."""
    path = weights.with_name("leaking.safetensors")
    pretrain("simclr", output=path, dataset=f"{NAME}:leaking", threads=1, options=QUICK)
    return path


def config(weights: Path, **changes: Any) -> Any:
    options = {"backbone": "conv4:4", "steps": 0, "weights": str(weights), **changes.pop("options", {})}
    return make_config(**{"learner": "protonet", "dataset": f"{NAME}:made", **SMALL, "options": options, **changes})


def test_the_learner_begins_with_the_file_and_the_floor_does_not(weights: Path) -> None:
    run, read = prepare(config(weights)), read_weights(weights)
    own = run.learner.backbone.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(value, own[name]) for name, value in read.tensors.items())
    floor = run.floors["random network"].backbone.state_dict()  # type: ignore[union-attr]
    assert not torch.equal(read.tensors["0.weight"], floor["0.weight"])
    assert not run.learner.outside_data


def test_maml_begins_with_it_too(weights: Path) -> None:
    """Its batch normalisation keeps no statistics."""
    run, read = prepare(config(weights, learner="maml", options={"steps": 1})), read_weights(weights)
    own = run.learner.network[0].state_dict()  # type: ignore[union-attr,index]
    assert own
    assert all(torch.equal(value, read.tensors[name]) for name, value in own.items())


def test_weights_that_have_seen_a_picture_of_a_test_class_are_refused(leaking: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        prepare(config(leaking))
    said = str(caught.value)
    assert "leaking.safetensors' was trained on 1 image of the test classes of 'tests.made_pictures:made'" in said
    assert (
        "the first of class 'test0'; leave them out (`metabench pretrain` --without tests.made_pictures:made)" in said
    )
    assert prepare(config(leaking, dataset=f"{NAME}:other")).weights
    without = {"dataset": f"{NAME}:leaking", "without": f"{NAME}:made"}
    pretrain("simclr", output=tmp_path / "clean", **without, threads=1, options=QUICK)  # type: ignore[arg-type]
    assert prepare(config(tmp_path / "clean")).weights


def test_classes_count_by_name_where_the_pictures_have_another_size(weights: Path) -> None:
    with pytest.raises(UsageError) as caught:
        prepare(config(weights, split="swapped", image_size=20))
    assert "was trained on 6 classes with the name of a test class of 'tests.made_pictures:made', the first" in str(
        caught.value
    )
    assert "'train0'; leave them out (`metabench pretrain` with the --split of this run)" in str(caught.value)
    assert prepare(config(weights, image_size=20)).weights
    assert prepare(config(weights, dataset=f"{NAME}:other", split="swapped", image_size=20)).weights
    with pytest.raises(
        UsageError, match=r"was trained on 60 images of the test classes of '.*:made', the first of cla"
    ):
        prepare(config(weights, split="swapped"))


def test_where_support_may_be_seen_only_what_is_held_out_counts(weights: Path) -> None:
    read, made = read_weights(weights), dataset("made")
    half = (5,) * 6
    trained = replace(made, validation=replace(made.train, name=f"{NAME}:made/validation", held_out=half))
    with pytest.raises(UsageError, match="was trained on 30 images of the validation classes"):
        refuse_seen(read, trained)
    turned = replace(trained.validation, images=trained.validation.images.flip(3))
    refuse_seen(read, replace(trained, validation=turned))
    split = replace(made, train=made.test, validation=trained.validation)
    with pytest.raises(UsageError, match="was trained on 60 images of the validation classes"):
        refuse_seen(read, split)  # whose support is unseen too
    with pytest.raises(UsageError, match="was trained on 6 classes with the name of a validation class"):
        refuse_seen(read, replace(split, validation=turned))
    small = turned.fitted((1, 20, 20))
    with pytest.raises(UsageError, match="was trained on 6 classes with the name of a validation class"):
        refuse_seen(read, replace(trained, validation=small))
    asked = {"dataset": f"{NAME}:made", "task": "all-way", "shots": 2, "episodes": 2, "validation_episodes": 2}
    options = {"backbone": "conv4:4", "weights": str(weights)}
    run = prepare(make_config(learner="protonet", **asked, options=options))
    assert run.weights
    assert run.dataset.test.held_out


def test_rotated_classes_are_the_class(weights: Path) -> None:
    read, made = read_weights(weights), dataset("made")
    turned = replace(made.train.fitted((1, 20, 20)).with_rotations(), name=f"{NAME}:made/test")
    with pytest.raises(UsageError, match="was trained on 24 classes with the name of a test class"):
        refuse_seen(read, replace(made, test=turned))


def test_a_run_on_texts_has_no_use_for_it(weights: Path) -> None:
    with pytest.raises(UsageError, match=r"--weights 'made.safetensors' has no vocabulary, and .* has texts"):
        prepare(
            make_config(
                learner="protonet",
                dataset="tests.made_texts:made",
                **SMALL,
                options={"backbone": "bert-tiny", "weights": str(weights)},
            )
        )


def test_the_record_says_what_was_seen_and_the_run_is_verified(weights: Path, tmp_path: Path) -> None:
    given = {"weights": str(weights), "backbone": "conv4:4", "steps": 1, "train_ways": 3}
    record = metabench.run(learner="protonet", dataset=f"{NAME}:made", **SMALL, options=given, output=tmp_path)
    folder = tmp_path / record.id
    assert record.weights
    assert record.weights.model_dump() == {
        "file": "made.safetensors",
        "sha256": read_weights(weights).digest,
        "stages": ("simclr",),
        "sources": (
            {
                "kind": "dataset",
                "name": f"{NAME}:made",
                "split": "s",
                "fingerprint": dataset("made").train.fingerprint,
            },
        ),
        "texts": 0,
        "images": 60,
    }
    assert (record.outside_data, record.test_classes) == (False, "no")
    assert _pretrained(record) == f"simclr on {NAME}:made: 60 images, none of the test"
    assert read_record(folder / "record.json")[0].weights == record.weights
    assert not verify(folder, weights=weights).problems
