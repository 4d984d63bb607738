import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metabench.cli.main import main
from metabench.config import RunConfig
from metabench.experiment import runner as experiment
from metabench.records.command import command
from metabench.records.reader import read_record
from metabench.records.record import RunRecord
from metabench.records.runs import read_runs
from metabench.registry import get_learner, learner_options
from tests.conftest import PROJECT
from tests.made_records import make_record

REFERENCE = [run.record for run in read_runs(PROJECT / "results" / "reference")[0]]
ACCURACIES = np.array([0.5, 0.75])


def parsed(line: str, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """The configuration that the command line makes of it, up to where a run would begin."""
    found: list[RunConfig] = []

    def stop(config: RunConfig, resume: bool) -> None:
        found.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "run_config", stop)
    words = shlex.split(line)
    assert words.pop(0) == "metabench"
    with pytest.raises(SystemExit):
        main(words)
    return found[0]


@pytest.mark.parametrize("record", REFERENCE, ids=lambda record: record.id)
def test_it_is_read_back_into_the_same_configuration(record: RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    line = command(record)
    assert line
    config = parsed(line, monkeypatch).on(record.dataset.kind)
    learner = get_learner(config.learner)
    options = vars(learner_options(learner, config.learner, config.data.dataset, config.options))
    # An old record lacks the options that its learner got later; their defaults are what it ran with.
    assert {name: options[name] for name in record.config.options} == record.config.options
    assert config.model_dump(exclude={"options"}) == record.config.model_dump(exclude={"options"})


@pytest.mark.parametrize(
    "settings",
    [
        {"dataset": "folder:my pictures/a'b.zip", "split": "$(touch x); `id`", "disjoint": True},
        {"test_dataset": "cub", "image_size": 84, "channels": 3, "groups": "within", "label_noise": 0.25},
        {"task": "variable", "learner": "mine:Learner", "seed": 7, "test_seed": 8},
        {"query_imbalance": "dirichlet:0.05", "unlabelled": 3},
        {"dataset": "emoji:random-background", "across": "styles", "queries": 2},
        {"train_task": ("a,b", "c,d"), "test_task": ("e,f",), "ways": 2},
        {"learner": "-x", "options": {"text": "=a b", "number": 1e-05, "flag": True, "list": [1, 2], "none": None}},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_every_setting_comes_back(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    record = make_record(ACCURACIES, **settings)
    line = command(record)
    assert line
    config = parsed(line, monkeypatch)
    assert config.model_dump(exclude={"options"}) == record.config.model_dump(exclude={"options"})
    text = {"text": "=a b", "number": "1e-05", "flag": "true", "list": "[1, 2]", "none": "none"}
    assert config.options == (text if "options" in settings else {})


@pytest.mark.parametrize("name", ["maml\x1b]0;owned\x07", "maml\nrm -rf x", "a\u202eb"])
def test_no_command_is_made_of_control_characters(name: str) -> None:
    assert command(make_record(ACCURACIES, learner=name)) is None


def test_the_command_repeats_a_run_to_the_last_digit(tmp_path: Path) -> None:
    quick = "--ways 3 --shots 2 --queries 5 --episodes 12 --validation-episodes 4 --threads 1 --backbone conv4:8"
    line = f"run --learner protonet --steps 4 --seed 3 {quick} --output {tmp_path / 'first'}"
    for words in (shlex.split(line), None):
        if words is None:
            (path,) = (tmp_path / "first").rglob("record.json")
            again = command(read_record(path)[0])
            assert again
            words = [*shlex.split(again)[1:], "--output", str(tmp_path / "second")]
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert not ended.value.code
    first, second = (read_runs(tmp_path / place)[0][0] for place in ("first", "second"))
    assert first.record.config == second.record.config
    assert np.array_equal(first.of_tasks, second.of_tasks)
    assert re.sub(r"-\d+$", "", second.record.id) == first.record.id


def test_an_option_without_a_value_stays_without_where_the_dataset_sets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = get_learner("protonet")
    assert learner_options(learner, "protonet", "omniglot", {}).train_ways == 60  # type: ignore[attr-defined]
    line = command(make_record(ACCURACIES, dataset="omniglot", learner="protonet", options={"train_ways": None}))
    assert line
    config = parsed(line, monkeypatch)
    assert learner_options(learner, "protonet", "omniglot", config.options).train_ways is None  # type: ignore[attr-defined]


def test_tasks_until_an_interval_are_not_limited_to_as_many_as_it_took() -> None:
    line = command(make_record(ACCURACIES, until_interval=0.5))
    assert line
    assert "--until-interval 0.5" in line
    assert "--episodes" not in line


def test_places_on_the_machine_are_left_to_the_reader() -> None:
    line = command(make_record(ACCURACIES, output=Path("/here"), data_root=Path("/there"), tasks=Path("/file")))
    assert line
    assert not any(place in line for place in ("/here", "/there", "/file"))
