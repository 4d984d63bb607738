"""Ranges of options are searched by Optuna's TPE sampler: what is tried follows from the study and results alone."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import pytest

from metabench.cli.main import main
from metabench.errors import InterruptionError, UsageError
from metabench.records.keys import record_digest, row_of, settings
from metabench.records.reader import read_record
from metabench.records.selection import Range, Selection, Tried
from metabench.sweep.cells import Cell, refuse_imports
from metabench.sweep.choice import Choice, choices
from metabench.sweep.engine import Event, Limits
from metabench.sweep.proposals import Proposals
from metabench.sweep.store import Store
from metabench.sweep.study import points
from metabench.sweep.sweep import Made, describe_plan, sweep

OWN: dict[str, Any] = {
    "backbone": "conv4:4",
    "learning_rate": {"log": ["1e-5", "1"]},
    "train_queries": {"range": ["1", "8"]},
    "schedule": ["cosine", "constant"],
}
STUDY: dict[str, Any] = {"device": "cpu", "output": "runs", "select": "validation", "tries": "14"}


def runs_of(own: dict[str, Any] | None = None, **changes: Any) -> list[Choice]:
    learner = {"protonet": OWN if own is None else own}
    return choices(points({**STUDY, "learner": learner, **changes}), threads=1)[0]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def score(options: dict[str, Any]) -> float | None:
    """The best is at a learning rate of 0.01, 5 queries and the cosine; where nothing learns any more, nothing."""
    rate = float(options["learning_rate"])
    if rate > 0.5:
        return None
    near = 0.7 * math.exp(-((math.log10(rate) + 2) ** 2))
    return near + 0.02 * (8 - abs(options.get("train_queries", 5) - 5)) + 0.1 * (options.get("schedule") == "cosine")


@dataclass
class Scoring:
    """An engine that gives each try its score, in place of training; and is stopped, or fails, after some."""

    score: Callable[[dict[str, Any]], float | None] = score
    most: int = 1000
    fails: bool = False
    made: list[str] = field(default_factory=list)  # digests

    def __call__(self, cells: Sequence[Cell], store: Store, limits: Limits) -> Iterator[Event]:
        for cell in cells if limits.workers == 1 else reversed(cells):  # as they may end
            if not cell.is_try:
                yield Event("failed", cell, "is not made here")
            elif len(self.made) < self.most:
                self.made.append(cell.digest)
                mean = self.score(cell.config.options)
                costs = {"episodes": 60, "seconds": 1.0, "processor_seconds": 2.0}
                store.keep_try(cell.digest, Tried(digest="ab", mean=mean, **costs))
                yield Event("done", cell)
            elif self.fails:
                yield Event("failed", cell, "out of luck")
            else:
                raise KeyboardInterrupt


def made(runs: Sequence[Choice], engine: Scoring, results: str = "runs", workers: int = 1) -> Made:
    return sweep("study", runs, Store(Path(results)), Limits(workers=workers), engine)


def selection(run: Choice, results: str = "runs") -> Selection:
    found = run.chosen(Store(Path(results))).selection
    assert found
    return found


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_proposals_are_those_of_optuna_used_by_hand(direction: str) -> None:
    space = {
        "queries": Range(low=1, high=8, log=False),
        "rate": Range(low=1e-5, high=1.0, log=True),
        "kind": ("a", "b"),
    }
    ours = Proposals(space, 7, direction == "maximize")
    sampler = optuna.samplers.TPESampler(seed=7)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction=direction, sampler=sampler)
    optuna.logging.set_verbosity(verbosity)
    for number in range(30):
        proposed = ours.ask()
        trial = study.ask()
        by_hand = {
            "kind": trial.suggest_categorical("kind", ["a", "b"]),
            "queries": trial.suggest_int("queries", 1, 8),
            "rate": trial.suggest_float("rate", 1e-5, 1.0, log=True),
        }
        assert proposed == by_hand
        assert isinstance(proposed["queries"], int)
        if number % 6 == 2:  # diverged
            ours.tell(None)
            study.tell(trial, -math.inf if direction == "maximize" else math.inf)
        elif number % 6 == 4:  # not tried
            ours.skip()
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            value = by_hand["queries"] + math.log(by_hand["rate"]) + (by_hand["kind"] == "a")
            ours.tell(value)
            study.tell(trial, value)
    assert optuna.logging.get_verbosity() == verbosity


def test_a_search_comes_near_the_best_quietly(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (run,) = runs_of(tries="24")
    engine = Scoring()
    found = made([run], engine)
    assert (found.tries, len(set(engine.made))) == (24, 24)
    said = "".join(capfd.readouterr()).lower()
    assert not [word for word in ("optuna", "trial", "warning") if word in said]
    chosen = selection(run)
    assert len({json.dumps(each.options) for each in chosen.tries}) == 24
    assert any(each.mean is None for each in chosen.tries)
    options = run.chosen(Store(Path("runs"))).config.options
    assert options["schedule"] == "cosine"
    assert abs(math.log10(options["learning_rate"]) + 2) < 0.35
    assert abs(options["train_queries"] - 5) <= 2
    random, proposed = ([each.mean or 0 for each in chosen.tries[part]] for part in (slice(10), slice(10, None)))
    assert sum(proposed) / len(proposed) > sum(random) / len(random) + 0.1
    assert Selection.model_validate_json(chosen.model_dump_json()) == chosen
    assert (chosen.grid, chosen.names) == (None, ("learning_rate", "schedule", "train_queries"))


def test_what_is_tried_depends_on_no_interruption_and_no_workers(place: Path) -> None:
    whole, first = runs_of(seed=["0", "1"], tries="12"), Scoring()
    made(whole, first, "whole", workers=2)
    assert len(first.made) == 24
    before, after = Scoring(most=11), Scoring()
    with pytest.raises(InterruptionError, match="interrupted with 11 of 12 tries made; the same command makes"):
        made(runs_of(tries="12"), before, "parts")
    (parts,) = runs_of(tries="12")
    made([parts], after, "parts")
    tried = [[cell.digest for cell in run.tries] for run in whole]
    assert before.made + after.made == tried[0]
    assert selection(parts, "parts") == selection(whole[0], "whole")
    assert tried[0] != tried[1]
    assert selection(whole[0], "whole").tries[0] != selection(whole[1], "whole").tries[0]  # each has its own search


def test_more_tries_go_on_from_fewer(place: Path) -> None:
    own = {"backbone": "conv4:4", "learning_rate": OWN["learning_rate"]}
    fewer, more = runs_of(own, tries="3"), runs_of(own, tries="5")
    made(fewer, Scoring())
    engine = Scoring()
    assert made(more, engine).tries == len(engine.made) == 2
    assert selection(more[0]).tries[:3] == selection(fewer[0]).tries
    assert more[0].digest != fewer[0].digest


def test_a_small_space_is_tried_to_its_end_and_nothing_twice(place: Path) -> None:
    (run,) = runs_of({"backbone": "conv4:4", "train_queries": {"log": ["1", "6"]}}, tries="6")
    engine = Scoring(lambda options: 1 / int(options["train_queries"]))
    made([run], engine)
    assert sorted(each.options["train_queries"] for each in selection(run).tries) == [1, 2, 3, 4, 5, 6]
    with pytest.raises(UsageError, match="protonet on glyphs has 6 settings to try, and 7 were asked for; give wider"):
        runs_of({"backbone": "conv4:4", "train_queries": {"range": ["1", "6"]}}, tries="7")


def test_a_try_that_fails_ends_its_search_until_the_next_command(place: Path) -> None:
    own = {"backbone": "conv4:4", "learning_rate": OWN["learning_rate"]}
    found = made(runs_of(own, tries="4"), Scoring(most=2, fails=True))
    assert [reason for _, reason in found.failed] == ["out of luck", "nothing is chosen, since try 3 of its 4 failed"]
    (run,) = runs_of(own, tries="4")
    engine = Scoring()
    made([run], engine)
    assert len(engine.made) == 2
    assert len(selection(run).tries) == 4


def test_a_plan_has_the_number_of_tries_and_no_settings(place: Path) -> None:
    (run,) = runs_of()
    lines = describe_plan([run], Store(Path("runs")), Limits()).splitlines()
    assert [line.split("  ")[-1] for line in lines[:-1]] == [
        "14 tries of protonet on glyphs: learning_rate log[1e-05,1.0], schedule cosine|constant, "
        "train_queries range[1,8]",
        "protonet on glyphs, chosen from 14",
    ]
    assert lines[-1].startswith("1 run, 0 done, 1 and 14 of 14 tries to make; about ")
    with pytest.raises(InterruptionError):
        made([run], Scoring(most=5))
    assert "1 and 9 of 14 tries to make" in describe_plan(runs_of(), Store(Path("runs")), Limits())


def test_a_range_for_all_is_searched_by_those_who_have_the_option() -> None:
    learners = {"protonet": {"steps": "3"}, "maml": {"steps": "3", "inner_steps": {"range": ["1", "3"]}}}
    options = {"backbone": "conv4:4", "learning_rate": OWN["learning_rate"]}
    runs, _ = choices(points({**STUDY, "learner": learners, "options": options, "seed": ["0", "1"]}), threads=1)
    assert [run.title for run in runs] == [
        f"{name} on glyphs, seed {seed}, chosen from 14" for name in learners for seed in (0, 1)
    ]
    assert [sorted(run.searched or {}) for run in runs[::2]] == [["learning_rate"], ["inner_steps", "learning_rate"]]


def test_code_in_a_list_beside_a_range_is_not_imported() -> None:
    own = {"backbone": ["conv4:4", "my.module:Network"], "learning_rate": OWN["learning_rate"]}
    with pytest.raises(UsageError, match=r"'my.module:Network' names code outside"):
        refuse_imports(points({**STUDY, "learner": {"protonet": own}}))


LOG = {"log": ["1e-4", "0.1"]}


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        ({"learning_rate": LOG}, {"select": None, "tries": None}, "a range is searched with `select: validation`"),
        ({"learning_rate": LOG}, {"tries": None}, "learning_rate: a range has no number of settings; say how many"),
        ({"learning_rate": LOG}, {"select": "ensemble"}, "learning_rate: an ensemble has a member for each value"),
        ({"learning_rate": {"lgo": ["1", "2"]}}, {}, "found 'lgo'; did you mean 'log'?"),
        ({"learning_rate": {"log": ["1"]}}, {}, "learning_rate: give both ends of the range, as {log: [1e-4, 0.1]}"),
        ({"learning_rate": {"log": "1"}}, {}, "learning_rate: give both ends of the range"),
        ({"learning_rate": {"log": ["a", "b"]}}, {}, "learning_rate: give both ends of the range"),
        ({"learning_rate": {"log": ["1", "inf"]}}, {}, "learning_rate: give both ends of the range"),
        ({"learning_rate": {"log": ["1", "2"], "range": ["1", "2"]}}, {}, "learning_rate: give a range as {log:"),
        ({"learning_rate": {"log": ["0.1", "1e-4"]}}, {}, "the range has to end above where it begins; found ['0.1'"),
        ({"learning_rate": {"range": ["1", "1"]}}, {}, "the range has to end above where it begins"),
        ({"learning_rate": {"log": ["0", "1"]}}, {}, "learning_rate: a logarithmic range begins above 0; found ['0'"),
        ({"learning_rate": [LOG, "1"]}, {}, "learning_rate: give one value, or a list of values; found"),
        ({"weights": ["a.pt", "b.pt"], "learning_rate": LOG}, {}, "weights: a file of weights is not chosen"),
        ({"learning_rate": LOG}, {"exclude": [{"learning_rate": "0.1"}]}, "exclude: no run of the study has"),
    ],
)
def test_mistakes_in_a_range_are_said_in_one_line(
    options: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as raised:
        points({**STUDY, "learner": {"protonet": options}, **changes})
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": {"range": ["1", "2"]}}, "protonet on glyphs: optimizer is no number; give a list in place of"),
        ({"backbone": {"range": ["1", "2"]}}, "protonet on glyphs: backbone is no number"),
        ({"learning_rat": LOG}, "learner 'protonet' has no option 'learning_rat'; did you mean 'learning_rate'?"),
        ({"learning_rate": {"range": ["-1", "1"]}}, "--set learning_rate: give more than 0.0; found -1"),
        ({"train_queries": {"range": ["1", "2.5"]}}, "--set train_queries: give a whole number; found 2.5"),
        ({"schedule": ["cosine", "sine"], "learning_rate": LOG}, "--set schedule: give"),
    ],
)
def test_what_the_learner_cannot_have_is_refused_before_anything_runs(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        runs_of({"backbone": "conv4:4", **options})
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_without_optuna_one_line_names_the_extra(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    (place / "study.yaml").write_text(
        "learner: {protonet: {learning_rate: {log: [1e-4, 0.1]}}}\nselect: validation\ntries: 3\nbackbone: conv4:4\n"
    )
    with pytest.raises(SystemExit, match="2"):
        main(["sweep", "study.yaml", "--dry-run"])
    assert "a range of an option needs the package optuna" in capsys.readouterr().err


def test_a_search_with_real_runs_makes_a_record_that_says_the_range_and_the_number(place: Path) -> None:
    own = {"backbone": "conv4:4", "steps": "0", "sharpness": {"range": ["1", "50"]}, "confident": {"range": ["1", "8"]}}
    changes = {"tries": "3", "episodes": "5"}

    def run_of() -> Choice:
        (run,), _ = choices(points({**STUDY, **changes, "learner": {"bd_cspn": own}}), threads=1)
        return run

    found = sweep("study", [run_of()], Store(Path("runs")), Limits(workers=2))
    assert (len(found.done), found.failed, found.tries) == (1, (), 3)
    (path,) = Path("runs").glob("*/record.json")
    record, _ = read_record(path)
    chosen = record.selection
    assert chosen
    assert chosen.searched == {
        "confident": Range(low=1, high=8, log=False),
        "sharpness": Range(low=1.0, high=50.0, log=False),
    }
    best = max(each.mean or 0 for each in chosen.tries)
    first = next(each for each in chosen.tries if each.mean == best)
    assert {name: record.config.options[name] for name in first.options} == first.options
    assert settings(record) == "backbone=conv4:4 confident=range[1,8] sharpness=range[1.0,50.0] steps=0 tries=3"
    assert record_digest(record) == run_of().digest
    others = tuple(each.model_copy(update={"options": {**each.options, "confident": 8}}) for each in chosen.tries)
    assert row_of(record.model_copy(update={"selection": chosen.model_copy(update={"tries": others})})) == row_of(
        record
    )
    again = sweep("study", [run_of()], Store(Path("runs")), Limits())
    assert (again.there, again.done, again.tries) == (1, (), 0)
