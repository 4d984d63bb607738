"""Options are chosen on validation tasks alone, by the rule that the docs state, and each run says from what."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from episodes import EpisodeSampler, FixedTask, ImageBank
from episodes.errors import DataError
from metabench.config import make_config
from metabench.errors import UsageError
from metabench.experiment.prepare import prepare
from metabench.experiment.runner import run_config
from metabench.experiment.tries import try_config
from metabench.records.keys import record_digest, row_of
from metabench.records.reader import read_record
from metabench.records.record import RunRecord
from metabench.records.selection import Tried
from metabench.rerun.reproduce import reproduce
from metabench.rerun.verify import verify
from metabench.sweep.cells import refuse_imports, resolve
from metabench.sweep.choice import Choice, choices
from metabench.sweep.engine import Limits
from metabench.sweep.ensemble import ensembles
from metabench.sweep.status import describe_status
from metabench.sweep.store import Store
from metabench.sweep.study import Point, points
from metabench.sweep.sweep import Made, describe_plan, sweep

TEST = {"episodes": "60", "queries": "5", "validation_episodes": "2", "device": "cpu", "output": "runs"}
TRANSFORMS = ["un", "l2n"]


def study(**changes: Any) -> dict[str, Any]:
    """Two heads on a network of random weights, of seed 1: the test tasks would choose another than the rest does."""
    own = {"backbone": "conv4:4", "steps": "0", "transform": TRANSFORMS}
    return {**TEST, "learner": {"simpleshot": own}, "seed": "1", "select": "validation", **changes}


def runs_of(**changes: Any) -> list[Choice]:
    return choices(points(study(**changes)), threads=1)[0]


def made(runs: list[Choice], **limits: Any) -> Made:
    return sweep("study", runs, Store(Path("runs")), Limits(**limits))


def records() -> list[RunRecord]:
    return [read_record(path)[0] for path in sorted(Path("runs").glob("*/record.json"))]


RATES: dict[str, Any] = {"backbone": "conv4:4", "steps": "10", "learning_rate": ["1e-3", "1e-2", "1e30"]}
OF_RATES: dict[str, Any] = {"learner": {"protonet": RATES}, "episodes": "6"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def direct(transform: str, part: str, seed: int) -> float:
    """The accuracy of a head on 60 tasks of a part of the classes, predicted one at a time."""
    options = {"backbone": "conv4:4", "steps": 0, "transform": transform}
    run = prepare(make_config(learner="simpleshot", seed=1, device="cpu", options=options))
    tasks = EpisodeSampler(getattr(run.dataset, part), FixedTask(ways=5, shots=1, queries=5), seed)
    run.learner.eval()
    right = []
    for number in range(60):
        task = tasks.batch([number]).to_float()
        with torch.no_grad():
            right.append(run.learner.classify(task.without_query_labels()).argmax(2) == task.query_labels)
    return float(torch.cat(right).double().mean())


def test_the_best_on_validation_is_chosen_though_the_test_has_another(place: Path) -> None:
    (run,) = runs_of()
    found = made([run])
    assert (len(found.done), found.failed, found.tries) == (1, (), 2)
    (record,) = records()
    chosen = record.selection
    assert chosen
    with torch.random.fork_rng():
        validation = {name: direct(name, "validation", 1) for name in TRANSFORMS}
        test = {name: direct(name, "test", 0) for name in TRANSFORMS}
    assert [each.options for each in chosen.tries] == [{"transform": name} for name in TRANSFORMS]
    assert [each.mean for each in chosen.tries] == pytest.approx(list(validation.values()), abs=1e-9)
    assert validation["l2n"] > validation["un"]
    assert test["un"] > test["l2n"] + 0.04  # by which it would be chosen, if it had a part in it
    assert record.config.options["transform"] == "l2n"
    assert record.score.mean == pytest.approx(test["l2n"], abs=1e-9)
    assert (chosen.episodes, chosen.grid) == (60, 2)
    assert chosen.seconds == pytest.approx(sum(each.seconds for each in chosen.tries))
    assert record_digest(record) == run.digest


def test_a_try_draws_no_test_task_and_its_run_no_training_task(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: set[str] = set()
    gather = ImageBank.gather

    def watched(bank: ImageBank, rows: Tensor) -> Tensor:
        drawn.add(bank.name)
        return gather(bank, rows)

    monkeypatch.setattr(ImageBank, "gather", watched)
    options = {"backbone": "conv4:4", "steps": "5"}
    config = make_config(**{**TEST, "learner": "protonet", "options": options, "episodes": "5"})
    tried = try_config(config)
    assert (tried.episodes, tried.mean is None) == (5, False)
    assert drawn == {"glyphs/train", "glyphs/validation"}
    drawn.clear()
    run_config(config.changed(output=Path("elsewhere")), tried=config.output.output)
    assert drawn == {"glyphs/validation", "glyphs/test"}


def test_the_chosen_run_is_that_of_its_setting_alone_and_trained_once(place: Path) -> None:
    (run,) = runs_of(**OF_RATES)
    listed = describe_plan([run], Store(Path("runs")), Limits()).splitlines()
    assert [line.split("  ")[-1] for line in listed[:-1]] == [
        *(f"try protonet on glyphs, learning_rate {rate}" for rate in RATES["learning_rate"]),
        "protonet on glyphs, chosen from 3",
    ]
    assert listed[-1].startswith("1 run, 0 done, 1 and 3 of 3 tries to make; about ")
    assert made([run], workers=2).tries == 3
    (record,) = records()
    assert record.selection
    assert [each.options["learning_rate"] for each in record.selection.tries] == [1e-3, 1e-2, 1e30]
    assert record.selection.tries[2].mean is None  # it diverged
    best = int((record.selection.tries[1].mean or 0) > (record.selection.tries[0].mean or 0))
    assert record.config.options["learning_rate"] == [1e-3, 1e-2][best]
    folder = Path("runs") / record.id
    with torch.random.fork_rng():
        alone = run_config(
            make_config(
                **{
                    **TEST,
                    "learner": "protonet",
                    "seed": 1,
                    "output": "alone",
                    "threads": 1,
                    "episodes": 6,
                    "options": {**RATES, "learning_rate": [1e-3, 1e-2][best]},
                }
            )
        )
    assert (folder / "scores.csv").read_bytes() == (Path("alone") / alone.id / "scores.csv").read_bytes()
    assert (alone.training.curve, alone.training.best) == (record.training.curve, record.training.best)
    weights = [
        torch.load(each / "learner.pt", weights_only=True)["learner"] for each in (folder, Path("alone") / alone.id)
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert record.training.seconds <= record.selection.tries[best].seconds  # it took up the try's training
    assert not list(Path("runs").rglob("checkpoint.pt"))
    again = made([run])
    assert (again.there, again.done, again.tries) == (1, (), 0)
    assert describe_status(Path("runs")) == "study: 1 run, 0 running, 0 failed, 0 waiting, 1 done"


@pytest.mark.slow
def test_a_longer_list_has_one_more_try_and_the_run_is_verified_and_repeated(place: Path) -> None:
    made(runs_of(**OF_RATES))
    (record,) = records()
    longer = {**RATES, "learning_rate": [*RATES["learning_rate"], "2e-3"]}
    found = made(runs_of(**{**OF_RATES, "learner": {"protonet": longer}}))
    assert (found.there, found.tries, len(found.done)) == (0, 1, 1)
    folder = Path("runs") / record.id
    assert verify(folder).problems == ()
    with torch.random.fork_rng():
        repeated = reproduce(folder, output="again", threads=1)
    assert repeated.agrees
    assert not repeated.differing
    assert repeated.repeated.selection == record.selection
    assert row_of(repeated.repeated) == row_of(record)


def tries(**changes: Any) -> list[Point]:
    return points({"learner": "protonet", "select": "validation", **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"select": "test"},
            "select: what is chosen by its test tasks has no honest score on them; give validation or ensemble",
        ),
        (
            {"select": "validations"},
            "select: give validation or ensemble; found 'validations'; did you mean 'validation'?",
        ),
        ({"select": ["validation"]}, "select: give validation or ensemble; found ['validation']"),
        ({"selects": "validation", "select": None}, "the study has no setting 'selects'; did you mean 'select'?"),
        ({"select": None, "tries": "4"}, "tries: it is how many settings `select: validation` tries; give that too"),
        ({"tries": "1"}, "tries: give a whole number of at least 2; found '1'"),
        ({"tries": "few"}, "tries: give a whole number of at least 2; found 'few'"),
        ({"options": {"weights": ["a.pt", "b.pt"]}}, "weights: a file of weights is not chosen; give one"),
        (
            {"tries": "3", "options": {"steps": ["1", "2"]}},
            "tries: protonet on glyphs has 2 settings to try, and 3 were asked for; give longer lists, or fewer tries",
        ),
    ],
)
def test_mistakes_in_the_file_are_said_in_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        tries(**changes)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learner": "simpleshot", "options": {}}, "select: no run has two settings to try; give an option a list"),
        ({"learner": {"nearest": {}}, "options": {}}, "select: no run has two settings to try; give an option a list"),
        (
            {"learner": {"simpleshot": {"steps": "0", "transform": TRANSFORMS}, "nearest": {}}},
            "select: simpleshot has 2 settings to try and nearest has 1, and every learner gets the same number",
        ),
        (
            {"options": {"transform": ["un", "l2"]}},
            "learner 'simpleshot': --set transform: give 'cl2n', 'l2n' or 'un'; found 'l2'",
        ),
        ({"ways": "100"}, "'glyphs/validation' has 63 classes; --ways 100 needs at least 100"),
    ],
)
def test_what_cannot_be_chosen_is_refused_before_anything_runs(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((UsageError, DataError)) as raised:
        runs_of(**{"learner": "simpleshot", **changes})
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_lists_of_options_are_tries_and_lists_of_settings_are_runs() -> None:
    learners = {"simpleshot": {"transform": TRANSFORMS}, "tim": {"solver": ["adm", "gd"]}}
    runs = runs_of(learner=learners, options={"steps": "0", "backbone": "conv4:4"}, shots=["1", "5"])
    assert [run.title for run in runs] == [
        f"{name} on glyphs, shots {shots}, chosen from 2" for name in learners for shots in (1, 5)
    ]
    assert [run.options for run in runs[::2]] == [
        ({"transform": "un"}, {"transform": "l2n"}),
        ({"solver": "adm"}, {"solver": "gd"}),
    ]
    assert len({cell.digest for run in runs for cell in run.tries} | {run.digest for run in runs}) == 12


def test_a_run_whose_data_are_missing_is_left_out_once() -> None:
    datasets = ["glyphs", "folder:/no/such"]
    found = points(study(dataset=datasets, shots=["1", "5"]))
    runs, left = choices(found, threads=1)
    assert [run.title for run in runs] == [f"simpleshot on glyphs, shots {shots}, chosen from 2" for shots in (1, 5)]
    assert [each.point.title for each in left] == [f"simpleshot on folder:/no/such, shots {shots}" for shots in (1, 5)]


def test_values_that_come_to_the_same_are_one_try() -> None:
    own = {"steps": "2", "backbone": "conv4:4", "learning_rate": ["1e-3", "0.001"], "transform": TRANSFORMS}
    (run,) = runs_of(learner={"simpleshot": own})
    assert [len(run.tries), run.grid] == [2, 2]


def test_so_many_tries_are_a_part_of_the_grid_and_of_every_larger_part() -> None:
    grid = {"meta_batch": ["1", "2", "3"], "train_queries": ["1", "2", "3"]}
    whole = [point.options for point in tries(learner={"protonet": grid})]
    assert len(whole) == 9
    parts = [tries(learner={"protonet": grid}, tries=str(count), seed=["0", "1"]) for count in (3, 5)]
    for count, part in zip((3, 5), parts, strict=True):
        chosen = [point.options for point in part]
        assert chosen[:count] == chosen[count:]  # of each seed the same
        assert [each for each in whole if each in chosen] == chosen[:count]
        assert {point.grid for point in part} == {9}
    fewer, more = ([point.options for point in part] for part in parts)
    assert all(options in more for options in fewer)


def test_what_is_excluded_is_not_tried() -> None:
    found = tries(options={"steps": ["1", "2", "3"]}, shots=["1", "5"], exclude=[{"steps": "2", "shots": "5"}])
    assert [(point.settings["shots"], point.common["steps"], point.of) for point in found] == [
        *(("1", steps, 0) for steps in ("1", "2", "3")),
        *(("5", steps, 1) for steps in ("1", "3")),
    ]


def test_a_try_that_fails_is_no_choice(place: Path) -> None:
    (run,) = runs_of()
    store = Store(Path("runs"))
    with pytest.raises(UsageError, match="nothing is chosen, since 2 of its 2 tries failed"):
        run.chosen(store)
    costs = {"episodes": 60, "seconds": 1.0, "processor_seconds": 1.0}
    for each in run.tries:
        store.keep_try(each.digest, Tried(digest="ab", mean=None, **costs))
    with pytest.raises(UsageError, match="nothing is chosen, since none of its 2 tries gave finite values"):
        run.chosen(store)
    store.keep_try(run.tries[1].digest, Tried(digest="ab", mean=0.25, **costs))
    cell = run.chosen(store)
    assert (cell.digest, cell.tried, cell.config.options["transform"]) == (run.digest, run.tries[1].digest, "l2n")


def test_an_ensemble_is_a_run_with_all_settings_as_members() -> None:
    learner = {"protonet": {"train_queries": ["1", "2"]}}
    found = ensembles(tries(learner=learner, options={"steps": "3"}, seed=["0", "1"]))
    assert [point.title for point in found] == [
        f"ensemble:protonet on glyphs, seed {seed}, members train_queries=1|train_queries=2" for seed in (0, 1)
    ]
    (cell, _), _ = resolve(found, threads=1)
    assert cell.config.options == {"steps": "3", "members": "train_queries=1|train_queries=2"}
    refuse_imports(found)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "select: no run has two settings to try"),
        ({"options": {"backbone": ["hf:a,b", "hf:c"]}}, "select: backbone hf:a,b cannot be of a member of an ensemble"),
        ({"options": {"inner_steps": ["1", "2"]}}, "no learner of the study has a use for 'inner_steps'"),
        (
            {"learner": {"protonet": {"steps": ["1", "2", "3"]}, "maml": {"steps": ["1", "2"]}}},
            "select: protonet has 3 settings to try and maml has 2, and every learner gets the same number",
        ),
    ],
)
def test_what_is_no_ensemble_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        ensembles(tries(**changes))
    assert message in str(raised.value)
