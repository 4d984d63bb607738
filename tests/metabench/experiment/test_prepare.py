"""One preparation for run, show, verify, reproduce and curve."""

from pathlib import Path

import numpy as np
import pytest
import torch

import metabench
from episodes import DataError
from metabench.config import make_config
from metabench.errors import UsageError
from metabench.experiment.data import freeze
from metabench.experiment.prepare import prepare, prepare_tasks
from metabench.records.reader import read_record

QUICK = {"ways": 3, "shots": 2, "queries": 4, "episodes": 8, "validation_episodes": 2, "device": "cpu"}


def test_nothing_is_left_to_be_chosen() -> None:
    run = prepare(make_config(**QUICK, learner="maml"))
    assert run.config.machine.device == "cpu"
    assert run.config.training.precision == "float32"
    assert run.config.options["steps"] == 3000  # the learner's default for glyphs
    assert run.learner.problem.task.ways == 3
    assert set(run.floors) == {"pixels", "random network"}
    assert run.test.batch([0]).query.shape == (1, 12, 1, 28, 28)


def test_the_same_seed_builds_the_same_learner_on_the_same_tasks() -> None:
    first, again, other = (prepare(make_config(**QUICK, seed=seed)) for seed in (0, 0, 1))
    weights = [
        torch.cat([value.flatten() for value in each.learner.state_dict().values()]) for each in (first, again, other)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(first.test.batch([3]).query, other.test.batch([3]).query)


def test_in_regression_ways_follow_from_the_data() -> None:
    run = prepare(make_config(dataset="sinusoid", learner="maml", shots=5))
    assert run.config.task.ways == 1
    assert run.dataset.kind == "functions"
    assert set(run.floors) == {"zero", "support mean"}
    with pytest.raises(UsageError, match="--groups does not go with --dataset sinusoid"):
        prepare_tasks(make_config(dataset="sinusoid", groups="within"))
    with pytest.raises(DataError, match="--image-size does not go with --dataset sinusoid"):
        prepare_tasks(make_config(dataset="sinusoid", image_size=32))
    with pytest.raises(UsageError, match="learner 'protonet' classifies, and --dataset sinusoid asks for regression"):
        prepare(make_config(dataset="sinusoid"))


def test_a_default_takes_no_more_training_classes_than_there_are(tmp_path: Path) -> None:
    """As a user's own texts may have fewer than the ten that learners take; what was asked for stays, to be refused."""
    rows = [f"{label} {word},{label}" for label in "abcdefgh" for word in ("one", "two", "three")]
    (tmp_path / "few.csv").write_text("text,label\n" + "\n".join(rows))
    asked = {"dataset": f"csv:{tmp_path / 'few.csv'}", "learner": "protonet", "ways": 2, "shots": 1, "queries": 1}
    config = make_config(**asked, options={"backbone": "bert-tiny", "train_queries": 2})
    run = prepare(config)
    assert run.config.options["train_ways"] == run.dataset.train.classes < 10
    more = make_config(**asked, options={**config.options, "train_ways": 10})
    assert prepare(more).config.options["train_ways"] == 10
    untrained = make_config(**asked, options={**config.options, "steps": 0})
    assert prepare(untrained).config.options["train_ways"] == 10  # so that records say the same as before
    later = {"backbone": "bert-tiny", "steps": 0, "episodic_steps": 5, "train_queries": 2}
    second = make_config(**{**asked, "learner": "meta_baseline"}, options=later)
    assert prepare(second).config.options["train_ways"] == run.dataset.train.classes


def test_frozen_tasks_give_their_numbers(tmp_path: Path) -> None:
    freeze(tmp_path / "t.parquet", ways=4, shots=3, queries=2, episodes=5)
    tasks = prepare_tasks(make_config(tasks=tmp_path / "t.parquet", device="cpu"))
    assert (tasks.config.task.ways, tasks.config.task.shots, tasks.config.test.episodes) == (4, 3, 5)
    assert tasks.manifest


def test_other_data_than_a_runs_are_refused(tmp_path: Path) -> None:
    record = metabench.run(learner="nearest", **QUICK, output=tmp_path)
    folder = tmp_path / record.id
    again, _ = read_record(folder / "record.json")
    assert np.isfinite(prepare(make_config(**QUICK, learner="nearest"), again=(folder, again)).config.test.episodes)
    with pytest.raises(UsageError, match=r"the train images of 'glyphs' have fingerprint \w{8}, and those of '.*' had"):
        prepare(make_config(**QUICK, learner="nearest", image_size=32), again=(folder, again))
