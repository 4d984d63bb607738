"""A pre-training from texts to its file; resumed; gone on from."""

from pathlib import Path
from typing import Any

import pytest
import torch

from baselines.objectives.masked_text import MaskedText
from episodes.banks.text import hash_text
from episodes.banks.vocabulary import Vocabulary
from episodes.sampling.texts import TextBatch
from metabench.errors import InterruptionError, RunError, UsageError
from metabench.pretraining.pretrain import pretrain
from metabench.pretraining.summary import summary
from metabench.weights.encoder_file import read_weights
from tests.made_texts import dataset

QUICK = {"steps": 12, "batch_size": 16, "backbone": "bert-tiny"}
MADE: dict[str, Any] = {"dataset": "tests.made_texts:made", "vocabulary": 200, "threads": 1}


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("masked") / "masked.safetensors"
    pretrain("masked-text", output=path, **MADE, options=QUICK)
    return path


class Interrupting(MaskedText):
    """Interrupted at the fifth of its losses, as by Ctrl-C; a sixth and so on it lets through."""

    losses = 0

    def loss(self, batch: TextBatch) -> torch.Tensor:
        Interrupting.losses += 1
        if Interrupting.losses == 5:
            import signal

            signal.raise_signal(signal.SIGINT)
        return super().loss(batch)


class Diverging(MaskedText):
    def loss(self, batch: TextBatch) -> torch.Tensor:
        return super().loss(batch) * torch.nan


class Broken(MaskedText):
    def loss(self, batch: TextBatch) -> torch.Tensor:
        raise KeyError("oh")


def test_the_file_says_all_that_was_done(masked: Path) -> None:
    read, made = read_weights(masked), dataset("made")
    (stretch,) = read.about.stages
    assert read.about.backbone == "bert-tiny"
    assert read.vocabulary.digest == Vocabulary.trained(made.train.texts(), 200).digest
    assert read.items.tolist() == sorted({hash_text(text) for text in made.train.texts()})
    assert not {hash_text(text) for bank in (made.validation, made.test) for text in bank.texts()} & {*read.items}
    assert stretch.items == len(made.train)
    assert stretch.values.keys() == {"perplexity", "masked_accuracy"}
    assert stretch.best_step in [row["step"] for row in stretch.curve]
    assert stretch.values["perplexity"] == min(row["validation_perplexity"] for row in stretch.curve)
    assert stretch.config["options"]["steps"] == 12
    assert stretch.config["seed"] == 0
    assert stretch.environment["packages"]["torch"] == torch.__version__
    assert str(masked.parent) not in masked.read_bytes().decode("latin-1")
    assert [path.name for path in masked.parent.iterdir()] == ["masked.safetensors"]
    assert not read.outside_data
    said = summary(read.about)
    assert said.startswith("masked-text on tests.made_texts:made: validation perplexity ")
    assert "of 12)" in said
    assert stretch.processor_seconds
    assert said.endswith("s of processor time)")


def test_the_same_seed_gives_the_same_file_and_another_others(masked: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        pretrain("masked-text", output=tmp_path / f"{seed}", seed=seed, **MADE, options=QUICK)
    first, same, other = (read_weights(path).tensors for path in (masked, tmp_path / "0", tmp_path / "1"))
    assert all(torch.equal(value, same[name]) for name, value in first.items())
    assert not all(torch.equal(value, other[name]) for name, value in first.items())


def test_a_resumed_pre_training_ends_in_the_same_bits(tmp_path: Path) -> None:
    name, options = f"{__name__}:Interrupting", {**QUICK, "steps": 9}
    Interrupting.losses = 100
    pretrain(name, output=tmp_path / "whole", **MADE, options=options)
    Interrupting.losses = 0
    output = tmp_path / "again"
    with pytest.raises(InterruptionError, match=r"interrupted at step 5 of 9 .*the same command with --resume goes on"):
        pretrain(name, output=output, **MADE, options=options)
    assert not output.exists()
    with pytest.raises(UsageError, match=r"again.checkpoint.pt' keeps an unfinished pre-training; go on with it by"):
        pretrain(name, output=output, **MADE, options=options)
    with pytest.raises(UsageError, match=r"--resume finds in .* a pre-training of other settings \(steps\)"):
        pretrain(name, output=output, resume=True, **MADE, options={**options, "steps": 10})
    torch.manual_seed(12345)
    pretrain(name, output=output, resume=True, **MADE, options=options)
    whole, resumed = (read_weights(tmp_path / each) for each in ("whole", "again"))
    assert all(torch.equal(value, resumed.tensors[key]) for key, value in whole.tensors.items())
    assert whole.about.stages[0].curve == resumed.about.stages[0].curve
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "whole"]


def test_simcse_goes_on_from_masked_text(masked: Path, tmp_path: Path) -> None:
    path = tmp_path / "simcse.safetensors"
    options = {"weights": str(masked), "steps": 6, "batch_size": 8, "learning_rate": 1e-3}
    pretrain("simcse", output=path, dataset="tests.made_texts:other", options=options)
    before, after = read_weights(masked), read_weights(path)
    assert [stretch.objective for stretch in after.about.stages] == ["masked-text", "simcse"]
    assert after.about.stages[0] == before.about.stages[0]
    assert after.vocabulary.digest == before.vocabulary.digest
    assert after.about.backbone == "bert-tiny"
    assert {*before.items} < {*after.items}
    assert after.about.stages[1].values.keys() == {"contrastive_loss", "contrastive_accuracy"}
    assert after.about.stages[1].config["options"]["weights"] == "masked.safetensors"
    assert before.tensors.keys() == after.tensors.keys()
    assert not all(torch.equal(value, after.tensors[key]) for key, value in before.tensors.items())


def test_an_encoder_with_a_vocabulary_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "minilm.safetensors"
    options = {"backbone": "minilm", "steps": 1, "batch_size": 4}
    pretrain("simcse", output=path, dataset="tests.made_texts:made", options=options)
    from metabench.backbone import vocabulary_of

    own = vocabulary_of("minilm")
    assert own
    assert read_weights(path).vocabulary.digest == own.digest
    with pytest.raises(UsageError, match="--vocabulary 200 does not go with minilm, which has its own; leave it out"):
        pretrain("simcse", output=tmp_path / "other", **MADE, options=options)


def test_a_loss_that_is_not_finite_stops_it(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"the loss is nan at step 1 of stage .*; lower the learning rate, .*=5e-05"):
        pretrain(f"{__name__}:Diverging", output=tmp_path / "x", **MADE, options=QUICK)
    with pytest.raises(RunError, match=r"objective '.*Broken' failed in loss \(test_pretrain.py, line .*\): KeyError"):
        pretrain(f"{__name__}:Broken", output=tmp_path / "x", **MADE, options=QUICK)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_met_is_said_before_any_training(masked: Path, tmp_path: Path) -> None:
    cases: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("there is no objective 'masked-txt'; did you mean 'masked-text'", {}, {"objective": "masked-txt"}),
        ("weights are never overwritten; choose another name", {}, {"output": masked}),
        ("objective 'masked-text' has no option 'whole_words'; did you mean 'whole_word'", {"whole_words": 1}, {}),
        ("--set steps: give at least 1; found 0", {"steps": 0}, {}),
        ("--backbone conv4 takes no texts; choose one such as bert-small", {"backbone": "conv4"}, {}),
        ("--batch-size 1000 is too large: there are 72 texts", {"batch_size": 1000}, {}),
        (
            "is of backbone bert-tiny; leave --backbone bert-small out",
            {"weights": masked, "backbone": "bert-small"},
            {},
        ),
        ("--vocabulary 200 does not go with --weights", {"weights": masked}, {}),
        ("--resume finds no '.*x.checkpoint.pt'; give the -o that it had", {}, {"resume": True}),
        ("which is not a subclass of metabench.objective.Objective", {}, {"objective": "collections:Counter"}),
        ("--device cuda asks for a GPU|nothing to read", {}, {"dataset": None}),
    ]
    for said, options, changes in cases:
        given = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
        base = {"objective": "masked-text", "output": tmp_path / "x", **MADE, **changes}
        with pytest.raises(UsageError, match=said):
            pretrain(**base, options=given if "weights" in given else {**QUICK, **given})
    assert not list(tmp_path.iterdir())
