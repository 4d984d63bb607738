"""Runs that begin with weights: none that have seen the test, all of it in the record, found again by verify."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import metabench
from episodes.banks.text import TextBank
from metabench.config import make_config
from metabench.errors import UsageError
from metabench.experiment.prepare import prepare
from metabench.experiment.pretrained import refuse_seen
from metabench.pretraining.pretrain import pretrain
from metabench.records.command import command
from metabench.records.keys import settings
from metabench.records.reader import read_record
from metabench.rerun.verify import verify
from metabench.weights.encoder_file import read_weights
from tests.made_texts import SHARED, dataset

NAME = "tests.made_texts"
SMALL = {"ways": 3, "queries": 4, "episodes": 6, "validation_episodes": 2, "threads": 1}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "made.safetensors"
    options = {"steps": 6, "batch_size": 16, "backbone": "bert-tiny"}
    pretrain("masked-text", output=path, dataset=f"{NAME}:made", vocabulary=200, threads=1, options=options)
    return path


@pytest.fixture(scope="module")
def leaking(weights: Path) -> Path:
    """The same, which has read one text of a test class of `made` too, in capitals."""
    path = weights.with_name("leaking.safetensors")
    options = {"steps": 1, "batch_size": 16, "backbone": "bert-tiny"}
    pretrain("masked-text", output=path, dataset=f"{NAME}:leaking", vocabulary=200, threads=1, options=options)
    return path


def config(weights: Path, **changes: Any) -> Any:
    options = {"backbone": "bert-tiny", "steps": 0, "weights": str(weights), **changes.pop("options", {})}
    return make_config(**{"learner": "protonet", "dataset": f"{NAME}:made", **SMALL, "options": options, **changes})


def test_the_learner_begins_with_the_file_and_the_floor_does_not(weights: Path) -> None:
    run, read = prepare(config(weights)), read_weights(weights)
    own = run.learner.backbone.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(value, own[name]) for name, value in read.tensors.items())
    assert run.dataset.train.item_shape.vocabulary.digest == read.vocabulary.digest
    floor = run.floors["random network"].backbone.state_dict()  # type: ignore[union-attr]
    assert not any(torch.equal(value, floor[name]) for name, value in read.tensors.items() if value.std() > 0)
    assert not run.learner.outside_data


def test_every_network_of_that_name_gets_the_weights(weights: Path) -> None:
    options = {"teacher_backbone": "bert-tiny", "teacher_steps": 1, "alone_steps": 1, "steps": 1}
    run, read = prepare(config(weights, learner="distill", options=options)), read_weights(weights)
    learner: Any = run.learner
    for network in (learner.backbone, learner.teacher.backbone, learner.alone.backbone):
        assert all(torch.equal(value, network.state_dict()[name]) for name, value in read.tensors.items())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"options": {"backbone": "bert-small"}},
            r"is of backbone bert-tiny, and learner 'protonet' has bert-small; giv",
        ),
        ({"options": {"backbone": "minilm"}}, "and learner 'protonet' has minilm; give --backbone bert-tiny"),
        ({"learner": "nearest"}, "learner 'nearest' has no network; choose another learner, or leave --weights"),
        (
            {"dataset": "glyphs", "options": {"backbone": "conv4:8"}},
            "is of texts, and glyphs has images; give another file",
        ),
    ],
)
def test_a_learner_without_that_network_is_told_what_it_has(changes: dict[str, Any], said: str, weights: Path) -> None:
    if changes.get("learner") == "nearest":
        made = make_config(learner="nearest", dataset=f"{NAME}:made", **SMALL, options={"weights": str(weights)})
    else:
        made = config(weights, **changes)
    with pytest.raises(UsageError, match=said):
        prepare(made)


def test_weights_that_have_read_a_text_of_a_test_class_are_refused(leaking: Path) -> None:
    with pytest.raises(UsageError) as caught:
        prepare(config(leaking))
    said = str(caught.value)
    assert "leaking.safetensors' was trained on 1 text of the test classes of 'tests.made_texts:made'" in said
    assert f"the first '{SHARED[:60]}" in said
    assert "leave them out (`metabench pretrain` --without tests.made_texts:made)" in said
    assert prepare(config(leaking, dataset=f"{NAME}:other")).weights


def test_what_it_says_to_do_helps(weights: Path, tmp_path: Path) -> None:
    options = {"steps": 1, "batch_size": 16, "backbone": "bert-tiny"}
    pretrain(
        "masked-text",
        output=tmp_path / "clean",
        dataset=f"{NAME}:leaking",
        without=f"{NAME}:made",
        vocabulary=200,
        options=options,
    )
    run = prepare(config(tmp_path / "clean"))
    assert run.weights
    assert run.weights.about.stages[0].left_out == 1


def test_where_test_classes_are_trained_on_only_what_is_held_out_counts(leaking: Path) -> None:
    made, read = dataset("made"), read_weights(leaking)
    place = [*made.test.texts()].index(SHARED)
    assert made.test.class_sizes[0] == 12
    assert place < 12

    def holding(held: int) -> Any:
        return replace(made, train=made.test, test=replace(made.test, held_out=(held, *(1,) * 5)))

    refuse_seen(read, holding(12 - place - 1))
    with pytest.raises(UsageError, match="was trained on 1 text of the test classes"):
        refuse_seen(read, holding(12 - place))
    with pytest.raises(UsageError, match="was trained on 1 text of the test classes"):  # whose support is unseen too
        refuse_seen(read, replace(holding(12 - place - 1), train=made.train))
    other = TextBank.from_labels("x", ["a text of its own"], [0], ["a"], ["a"])
    with pytest.raises(UsageError, match="of the validation classes"):
        refuse_seen(read, replace(dataset("made", seed=50), validation=other))


def test_the_record_says_what_was_read_and_the_run_is_verified_anywhere(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "cache"))
    given = {"weights": str(weights), "backbone": "bert-tiny", "steps": 1, "train_ways": 3}
    record = metabench.run(
        learner="protonet", dataset=f"{NAME}:made", **SMALL, options=given, output=tmp_path / "results"
    )
    folder = tmp_path / "results" / record.id
    assert record.weights
    assert record.weights.model_dump() == {
        "file": "made.safetensors",
        "sha256": read_weights(weights).digest,
        "stages": ("masked-text",),
        "sources": (
            {
                "kind": "dataset",
                "name": f"{NAME}:made",
                "split": "s",
                "fingerprint": dataset("made").train.fingerprint,
            },
        ),
        "texts": len({*dataset("made").train.item_digests()}),
        "images": 0,
    }
    assert record.config.options["weights"] == record.changed_options["weights"] == "made.safetensors"
    assert str(weights.parent) not in (folder / "record.json").read_text()
    assert not record.outside_data
    assert f"weights=made.safetensors@{record.weights.sha256[:8]}" in settings(record)
    assert "--set weights=made.safetensors" in str(command(record))
    assert read_record(folder / "record.json")[0].weights == record.weights

    monkeypatch.chdir(tmp_path)
    assert not verify(folder).problems  # where this machine last read it
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "another machine's"))
    with pytest.raises(UsageError, match=r"began with weights of 'made.safetensors' \(SHA-256 .*\), which are not her"):
        verify(folder)
    assert not verify(folder, weights=weights).problems
    for place in (tmp_path, folder):
        monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / f"cache {place.name}"))
        shutil.copy(weights, place / "made.safetensors")
        assert not verify(folder).problems
        (place / "made.safetensors").unlink()
    wrong = tmp_path / "made.safetensors"
    wrong.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(UsageError, match=r"--weights '.*' has SHA-256 .*, and '.*' began with 'made.safetensors' of "):
        verify(folder, weights=wrong)
    repeated = metabench.reproduce(folder, weights=weights, output=tmp_path / "again")
    assert repeated.differing == 0


def test_a_run_without_weights_takes_none_to_verify(weights: Path, tmp_path: Path) -> None:
    record = metabench.run(learner="nearest", dataset=f"{NAME}:made", **SMALL, output=tmp_path)
    assert record.weights is None
    with pytest.raises(UsageError, match="did not begin with weights of a file; leave --weights out"):
        verify(tmp_path / record.id, weights=weights)


def test_texts_of_files_are_outside_data(weights: Path, tmp_path: Path) -> None:
    """A record names such a file, but nobody can look into it."""
    (tmp_path / "lines.txt").write_text("\n".join(f"a line of number {number}" for number in range(40)))
    options = {"steps": 1, "batch_size": 16, "backbone": "bert-tiny"}
    pretrain("masked-text", output=tmp_path / "w", text=(tmp_path / "lines.txt",), vocabulary=200, options=options)
    assert prepare(config(tmp_path / "w")).learner.outside_data


def test_an_interrupted_run_goes_on_with_the_same_file_alone(weights: Path, tmp_path: Path) -> None:
    from metabench.records.checkpoint import save_tensors

    given = {"weights": str(weights), "backbone": "bert-tiny", "steps": 1, "train_ways": 3}
    base: dict[str, Any] = {"learner": "protonet", "dataset": f"{NAME}:made", **SMALL, "options": given}
    record = metabench.run(**base, output=tmp_path)
    identity = {
        "config": json.loads(record.config.model_dump_json()),
        "data": record.dataset.model_dump(),
        "weights": "0" * 64,
    }
    folder = tmp_path / record.id
    (folder / "record.json").unlink()
    save_tensors(folder / "checkpoint.pt", {"identity": identity})
    with pytest.raises(UsageError, match=r"--resume finds no unfinished run .*\(unfinished there: 1 of other settings"):
        metabench.run(**base, output=tmp_path, resume=True)


def test_all_way_tasks_have_the_vocabulary_of_the_file(weights: Path) -> None:
    """Where without it a network of any vocabulary has MiniLM's."""
    asked = {"task": "all-way", "shots": 2, "episodes": 2, "validation_episodes": 2}
    made = make_config(
        learner="protonet",
        dataset=f"{NAME}:made",
        **asked,
        options={"backbone": "bert-tiny", "weights": str(weights)},
    )
    run = prepare(made)
    assert run.dataset.test.held_out
    assert run.dataset.train.item_shape.vocabulary.digest == read_weights(weights).vocabulary.digest


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("pretraned", "there is no file of --weights 'pretraned'; did you mean 'pretrained'?"),
        ("none.pth", "cannot read --weights 'none.pth': No such file or directory; give a file of weights"),
        (
            "pretrained",
            "--weights pretrained asks for published weights, and learner 'protonet' has conv4:8",
        ),
    ],
)
def test_weights_that_are_not_there_are_refused(
    given: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=re.escape(said)):
        prepare(make_config(learner="protonet", options={"backbone": "conv4:8", "weights": given}, **SMALL))


def test_a_file_of_tensors_is_none_of_texts(tmp_path: Path) -> None:
    torch.save({"a": torch.rand(2)}, tmp_path / "w.pth")
    with pytest.raises(UsageError, match=r"'.*w.pth' has no vocabulary, and .* has texts; give a file of `metabench"):
        prepare(config(tmp_path / "w.pth"))
