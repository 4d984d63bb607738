"""run() end to end on the built-in data, with budgets of seconds."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import metabench
from episodes import EpisodeSampler, FixedTask, load
from metabench.backbone import build_backbone
from metabench.config import make_config
from metabench.errors import RunError, UsageError
from metabench.evaluation.loop import evaluate
from metabench.experiment.prepare import prepare
from metabench.learner import Problem
from metabench.records.folder import load_run, restore
from metabench.records.predictions import read_predictions
from metabench.records.reader import read_record
from metabench.records.record import Banks, RunRecord
from metabench.registry import get_learner
from metabench.stats.diagnostics import calibration_error
from metabench.stats.intervals import mean_interval

QUICK: dict[str, Any] = {"ways": 3, "shots": 2, "queries": 5, "episodes": 20, "validation_episodes": 4, "threads": 1}
OPTIONS: dict[str, dict[str, Any]] = {
    "protonet": {"backbone": "conv4:8", "steps": 10},
    "maml": {"backbone": "conv4-strided:8", "steps": 10, "meta_batch": 2, "inner_steps": 1, "test_inner_steps": 2},
    "finetune": {"backbone": "conv4:8", "steps": 10},
    "distill": {"backbone": "conv4:4", "teacher_backbone": "conv4:8", "steps": 10},
}


def quick(learner: str, output: Path, **changes: Any) -> RunRecord:
    return metabench.run(**{**QUICK, "learner": learner, "options": OPTIONS[learner], "output": output, **changes})


@pytest.mark.parametrize(
    "learner", [pytest.param(name, marks=[pytest.mark.slow] if name == "distill" else []) for name in OPTIONS]
)
def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(learner: str, tmp_path: Path) -> None:
    first, again, other = (quick(learner, tmp_path, seed=seed) for seed in (0, 0, 1))
    assert first.score.mean == again.score.mean
    assert first.training.curve == again.training.curve
    assert first.training.curve != other.training.curve
    assert first.id != again.id
    accuracies = [read_record(tmp_path / record.id / "record.json")[1] for record in (first, again)]
    assert np.array_equal(*accuracies)


def test_a_run_can_be_repeated_from_its_record_alone(tmp_path: Path) -> None:
    first = quick("maml", tmp_path)
    stored = json.loads((tmp_path / first.id / "record.json").read_text())
    again = metabench.run(**stored["config"], output=tmp_path)
    assert again.score.mean == first.score.mean
    assert again.config == first.config.changed(output=tmp_path)


def test_the_record_says_what_was_done(tmp_path: Path) -> None:
    record = quick("finetune", tmp_path)
    assert record.changed_options == {"backbone": "conv4:8", "steps": 10}
    assert record.config.options["ridge"] == 0.1
    assert record.training.images == 10 * 64
    assert record.dataset.classes == Banks(train=415, validation=63, test=147)
    assert all(len(digits) == 32 for digits in record.dataset.fingerprints.model_dump().values())
    assert record.environment["packages"]["torch"] == torch.__version__
    assert record.environment["threads"] == 1
    assert record.config.training.precision == "float32"
    scores = pd.read_csv(tmp_path / record.id / "scores.csv")["learner"].to_numpy()
    assert record.score.mean == pytest.approx(scores.mean(), abs=1e-6)
    assert record.score.half_width == pytest.approx(mean_interval(scores, bounded=True).half_width, abs=1e-5)
    assert len(record.training.curve) == 10
    assert record.peak_memory_megabytes is None or record.peak_memory_megabytes > 50
    files = {path.name for path in (tmp_path / record.id).iterdir()}
    assert files == {"record.json", "scores.csv", "predictions.parquet", "learner.pt", "hardest.png"}


@pytest.mark.parametrize("learner", ["protonet", "distill"])
def test_answers_are_of_the_learner_alone_and_the_records_figures_follow_from_them(
    learner: str, tmp_path: Path
) -> None:
    record = quick(learner, tmp_path)
    folder = tmp_path / record.id
    _, accuracies = read_record(folder / "record.json")
    predictions = read_predictions(
        folder / "predictions.parquet", accuracies
    )  # which compares them with the accuracies
    assert len(predictions) == 20 * 15
    assert record.score.calibration_error == pytest.approx(calibration_error(predictions))
    right = predictions["class"].astype(str) == predictions["prediction"].astype(str)
    assert record.score.worst_class == right.groupby(predictions["class"].astype(str)).mean().min()
    assert record.score.worst_tasks == pytest.approx(accuracies.min(), abs=1e-5)  # 5% of 20 tasks are one
    assert record.score.task_megabytes is not None
    assert 0 < record.score.task_megabytes < 50
    assert all(companion.calibration_error is not None for companion in record.companions.values())


def test_floors_are_those_of_the_same_tasks(tmp_path: Path) -> None:
    """A run of `nearest` is the floor `pixels`, and a ProtoNet without a step the random network."""
    record = quick("protonet", tmp_path, options={"backbone": "conv4:8", "steps": 0})
    nearest = metabench.run(**QUICK, learner="nearest", output=tmp_path)
    assert record.floors["chance"].model_dump() == pytest.approx({"mean": 1 / 3, "half_width": 0, "episodes": 20})
    assert record.floors["pixels"].mean == nearest.score.mean
    assert record.floors["pixels"].half_width == nearest.score.half_width
    assert record.floors["random network"].mean == record.score.mean
    assert nearest.training.images == 0


def test_a_student_is_recorded_beside_its_teacher(tmp_path: Path) -> None:
    record = quick("distill", tmp_path)
    teacher = record.companions["teacher"]
    assert record.score.parameters < teacher.parameters
    assert teacher.task_milliseconds > 0
    assert {row["stage"] for row in record.training.curve} == {"teacher", "student", "alone"}
    table = (tmp_path / record.id / "scores.csv").read_text().splitlines()
    assert table[0] == "episode,learner,teacher,network alone"
    assert len(table) == 21


@pytest.mark.parametrize("name", ["protonet", "distill"])
def test_scores_are_of_the_test_tasks_and_of_the_kept_weights(name: str, tmp_path: Path) -> None:
    """Every learner's tasks are those that the test images, the task and --test-seed give, whatever its seed."""
    record = quick(name, tmp_path, seed=1, test_seed=3)
    _, weights = load_run(tmp_path / record.id)
    learner_class, test = get_learner(name), load("glyphs").test
    options = learner_class.Options(**record.config.options)
    learner = learner_class(Problem((1, 28, 28), record.dataset.classes.train, FixedTask(3, 2, 5)), options)
    learner.load_state_dict(weights)
    sampler = EpisodeSampler(test, FixedTask(3, 2, 5), seed=3)
    table = pd.read_csv(tmp_path / record.id / "scores.csv")
    for entrant, scored in {"learner": learner, **learner.companions()}.items():
        assert table[entrant].to_numpy() == pytest.approx(evaluate(scored, sampler, 20), abs=1e-5)
    assert record.score.mean == pytest.approx(table["learner"].mean())


def test_which_tasks_test_a_learner_has_no_part_in_training_it(tmp_path: Path) -> None:
    one, other = (quick("protonet", tmp_path, test_seed=seed) for seed in (0, 1))
    assert one.training.curve == other.training.curve
    assert one.score.mean != other.score.mean


def test_the_record_says_who_looks_at_several_queries(tmp_path: Path) -> None:
    options = {**OPTIONS["maml"], "transductive": True}
    assert quick("maml", tmp_path, options=options).transductive
    assert not quick("maml", tmp_path).transductive


@pytest.mark.parametrize(
    ("learner", "options", "message"),
    [
        ("protonet", {"train_ways": 5000}, "stage 'train': .* has 415 classes; training ways 5000 needs at least 5000"),
        (
            "protonet",
            {"train_shots": 39},
            "training shots 39 .* need 44: .*; --set train_ways, train_shots and train_queries",
        ),
        ("finetune", {"batch_size": 10**6}, "stage 'pre-train': a batch of 1000000 images is not possible"),
    ],
)
def test_training_that_is_not_possible_is_refused_first(
    learner: str, options: dict[str, int], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        quick(learner, tmp_path, options=options)
    assert not list(tmp_path.iterdir())


def test_control_c_while_testing_keeps_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("metabench.evaluation.score.predict_episodes", interrupt)
        with pytest.raises(RunError, match=r"interrupted; .* keeps it: the same command with --resume goes on"):
            quick("protonet", tmp_path)
    resumed, whole = quick("protonet", tmp_path, resume=True), quick("protonet", tmp_path / "whole")
    assert resumed.score.mean == whole.score.mean
    assert resumed.training.images == whole.training.images


def test_trained_weights_are_kept_and_fit(tmp_path: Path) -> None:
    record = quick("protonet", tmp_path)
    config, weights = load_run(tmp_path / record.id)
    assert config == record.config.model_dump(mode="json")
    again = prepare(make_config(**config))
    assert evaluate(again.learner, again.test, 20).mean() != record.score.mean  # untrained
    restore(again.learner, weights, None)
    assert evaluate(again.learner, again.test, 20).mean() == record.score.mean


def test_a_resume_without_an_interrupted_run_says_so(tmp_path: Path) -> None:
    quick("protonet", tmp_path)
    with pytest.raises(
        UsageError, match=r"--resume finds no unfinished run of these settings .*\(unfinished there: none"
    ):
        quick("protonet", tmp_path, resume=True)


def test_a_request_that_cannot_be_met_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--ways 300 needs at least 300"):
        quick("protonet", tmp_path, ways=300)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_main_job_reaches_its_accuracy(tmp_path: Path) -> None:
    """`metabench run --learner maml --ways 3 --shots 5`, in full; an untrained Conv-4 gets about 50%."""
    record = metabench.run(learner="maml", ways=3, shots=5, output=tmp_path)
    assert record.score.mean > 0.9


IDLE = [
    ("protonet", {"refine_steps": 3}, "tasks have no unlabelled images"),
    ("finetune", {"tuning_steps": 5}, "scope is head"),
    ("finetune", {"tuning_rate": 0.5}, "scope is head"),
    ("distill", {"mixing": 0.0, "temperature": 2.0}, "mixing is 0"),
    ("maml", {"first_order": True, "inner_steps": 0}, "inner_steps is 0"),
    ("maml", {"transductive": True, "backbone": "mlp:8"}, "the network has no batch normalisation"),
    ("nearest", {"steps": 10}, "the learner has no training"),
    ("nearest", {"learning_rate": 0.1}, "the learner has no training"),
    ("nearest", {"backbone": "resnet12"}, "the learner has no network"),
]


@pytest.mark.parametrize(("learner", "options", "reason"), IDLE)
def test_an_option_that_changes_nothing_is_refused(
    learner: str, options: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    options = {**OPTIONS.get(learner, {}), **options}
    with pytest.raises(UsageError, match=rf"--set \w+=.* changes nothing, since {reason}.*; leave it out"):
        metabench.run(**{**QUICK, "learner": learner, "options": options, "output": tmp_path})
    assert not list(tmp_path.iterdir())


def test_given_as_it_is_anyway_it_is_not(tmp_path: Path) -> None:
    assert quick("finetune", tmp_path, options={**OPTIONS["finetune"], "tuning_steps": 20}).score.mean > 0


def test_two_runs_in_one_process_do_not_influence_each_other(tmp_path: Path) -> None:
    """And leave it as they found it: threads, random numbers, the environment, the path of modules."""

    def process() -> tuple[object, ...]:
        return torch.get_num_threads(), torch.get_rng_state().sum().item(), dict(os.environ), list(sys.path)

    torch.manual_seed(7)
    before = process()
    first = quick("finetune", tmp_path)
    assert process() == before
    other = quick("protonet", tmp_path, threads=2)
    again, other_again = quick("protonet", tmp_path, threads=2), quick("finetune", tmp_path)
    assert process() == before
    assert first.training.curve == other_again.training.curve
    assert other.training.curve == again.training.curve


def test_a_network_from_elsewhere_says_what_it_takes_and_what_it_has_seen(mini_imagenet: Path, tmp_path: Path) -> None:
    settings = {**QUICK, "dataset": "mini-imagenet", "data_root": mini_imagenet, "queries": 4, "episodes": 3}
    record = metabench.run(
        **settings, learner="protonet", options={"backbone": "efficientnet_lite0:32", "steps": 0}, output=tmp_path
    )
    assert record.inputs["efficientnet_lite0:32"].size == 32
    assert record.inputs["efficientnet_lite0:32"].mean == pytest.approx((127 / 255,) * 3)
    assert (record.outside_data, record.test_classes) == (True, "yes")
    assert record.weights is None
    plain = metabench.run(**settings, learner="protonet", options={"backbone": "conv4:8", "steps": 0}, output=tmp_path)
    assert (plain.inputs, plain.outside_data, plain.test_classes) == ({}, False, "no")


def test_a_run_begins_with_a_file_of_tensors_and_verifies_with_it(tmp_path: Path) -> None:
    torch.manual_seed(5)
    state = build_backbone("conv4:8", (1, 28, 28)).state_dict()
    torch.save(state, tmp_path / "mine.pth")
    options = {"backbone": "conv4:8", "steps": 0, "weights": str(tmp_path / "mine.pth")}
    record = metabench.run(**QUICK, learner="protonet", options=options, output=tmp_path)
    _, trained = load_run(tmp_path / record.id)
    assert any(torch.equal(value, state["0.weight"]) for value in trained.values())
    assert record.weights is not None
    assert (record.weights.file, record.weights.stages) == ("mine.pth", ())
    assert record.config.options["weights"] == "mine.pth"
    assert (record.outside_data, record.test_classes) == (True, "unknown")
    assert metabench.verify(tmp_path / record.id).problems == ()
