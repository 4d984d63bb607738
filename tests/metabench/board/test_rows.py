from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy import stats

from metabench.board.columns import COLUMNS
from metabench.board.filter import Filter
from metabench.board.rows import entries, frame
from metabench.board.text import printable
from metabench.errors import UsageError
from metabench.records.record import Floor, RunRecord, Score
from metabench.records.runs import Run, read_runs
from metabench.stats.intervals import mean_interval, seed_interval
from metabench.stats.ranking import Entrant, places
from tests.made_records import UNTRAINED, make_record

DIGITS = np.arange(10) / 1000


def table(*records: tuple[RunRecord, np.ndarray]) -> pd.DataFrame:
    return frame(entries(Run(*record) for record in records))


def scored(accuracies: object, **changes: object) -> tuple[RunRecord, np.ndarray]:
    array = np.asarray(accuracies, dtype=float)
    return make_record(array, **changes), array


def untrained(accuracies: object, **changes: object) -> tuple[RunRecord, np.ndarray]:
    """Of a learner whose scores depend on no training seed: it is ranked by tasks alone."""
    return scored(accuracies, **UNTRAINED, **changes)


def ranks(rows: pd.DataFrame) -> dict[str, str | None]:
    """By learner, as `1`, `2-3`, or None."""
    pairs = zip(rows["rank_low"].astype(object), rows["rank_high"].astype(object), strict=True)
    texts = [None if low is pd.NA else str(low) if low == high else f"{low}-{high}" for low, high in pairs]
    return dict(zip(rows["learner"], texts, strict=True))


def test_seeds_are_pooled_task_by_task() -> None:
    """Two seeds on the same four tasks are four values, not eight."""
    first, second = [0.2, 0.4, 0.6, 0.8], [0.4, 0.4, 0.8, 1.0]
    row = table(scored(first, seed=0), scored(second, seed=1)).iloc[0]
    pooled = np.mean([first, second], axis=0)
    assert row["mean"] == pytest.approx(100 * pooled.mean())
    assert row["tasks_half_width"] == pytest.approx(100 * mean_interval(pooled, bounded=True).half_width, abs=0.01)
    over_seeds = seed_interval([first, second], bounded=True).estimate
    assert (row["low"], row["high"]) == pytest.approx((100 * over_seeds.low, 100 * over_seeds.high), abs=0.01)
    assert row["interval_over"] == "seeds and tasks"
    assert row["seed_variance"] == "own"
    assert row["seeds"] == 2
    assert row["episodes"] == 4
    assert row["seed_deviation"] == pytest.approx(100 * np.std([0.5, 0.65], ddof=1), abs=0.01)


def test_other_test_tasks_are_more_tasks() -> None:
    row = table(scored([0.2, 0.4], test_seed=0), scored([0.6, 0.8], test_seed=1)).iloc[0]
    assert row["episodes"] == 4
    assert row["mean"] == pytest.approx(50)


def test_a_repeated_run_counts_once_and_the_newest_holds() -> None:
    old = scored([0.1, 0.2], created="2026-01-01T00:00:00+00:00")
    new = scored([0.5, 0.6], created="2026-01-02T00:00:00+00:00")
    row = table(new, old).iloc[0]
    assert row["mean"] == pytest.approx(55)
    assert row["seeds"] == 1
    assert np.isnan(row["seed_deviation"])


def test_a_run_of_fewer_tasks_counts_for_those_it_has() -> None:
    row = table(scored([0.2, 0.4, 0.9], seed=0), scored([0.4, 0.4], seed=1)).iloc[0]
    assert row["mean"] == pytest.approx(100 * np.mean([0.3, 0.4, 0.9]), abs=0.01)


@pytest.mark.parametrize(
    "change",
    [
        {"learner": "maml"},
        {"ways": 3},
        {"shots": 5},
        {"queries": 10},
        {"changed_options": {"steps": 7}},
        {"precision": "bfloat16"},
        {"validation_episodes": 7},
    ],
)
def test_what_differs_in_more_than_the_seed_is_another_row(change: dict[str, object]) -> None:
    assert len(table(scored([0.5, 0.6]), scored([0.5, 0.7], seed=1, **change))) == 2


@pytest.mark.parametrize(
    "change", [{"test_images": "cd" * 16}, {"train_images": "cd" * 16}, {"class_split": "another"}]
)
def test_other_data_are_another_row(change: dict[str, str]) -> None:
    assert len(table(scored([0.5, 0.6]), scored([0.5, 0.6], seed=1, **change))) == 2


def test_order_is_by_task_then_best_first_whatever_the_order_of_records() -> None:
    records = [
        scored([0.5, 0.6], learner="maml", shots=5),
        scored([0.7, 0.8], learner="protonet", shots=5),
        scored([0.1, 0.2], learner="finetune"),
    ]
    forward, backward = table(*records), table(*records[::-1])
    assert list(forward["learner"]) == ["finetune", "protonet", "maml"]
    assert forward.to_csv() == backward.to_csv()
    assert list(forward.columns) == list(COLUMNS)


def test_errors_have_a_column_of_their_own_and_the_lowest_comes_first() -> None:
    classification = scored([0.5, 0.6])
    bad, good = scored([2.0, 4.0], dataset="sinusoid"), scored([0.5, 0.75], dataset="sinusoid", learner="maml")
    rows = table(bad, classification, good)
    assert list(rows["learner"]) == ["protonet", "maml", "protonet"]
    assert rows["metric"].tolist() == ["accuracy", "squared_error", "squared_error"]
    assert rows["mean"].tolist() == [55, 0.625, 3.0]
    assert rows["half_width"][2] == pytest.approx(stats.sem([2, 4]) * stats.t.ppf(0.975, 1), abs=1e-4)
    made = entries(Run(*each) for each in (bad, classification, good))
    printed = printable(made, 80)
    assert "3.0000 ± 12.7062" in printed
    assert 0 < rows["low"][0] < 55 < rows["high"][0] < 100  # of two tasks, where Student's t goes beyond 0 and 100%
    assert (rows["low"][2], rows["high"][2]) == pytest.approx((3 - 12.7062, 3 + 12.7062), abs=1e-4)
    assert "squared error" not in printable(entries([Run(*classification)]), 80)
    assert "accuracy" not in printable(entries([Run(*good)]), 80)


def test_seeds_of_a_regression_are_pooled_task_by_task() -> None:
    row = table(scored([1.0, 2.0], dataset="sinusoid", seed=0), scored([2.0, 5.0], dataset="sinusoid", seed=1)).iloc[0]
    assert row["mean"] == 2.5
    assert row["seed_deviation"] == pytest.approx(np.std([1.5, 3.5], ddof=1), abs=1e-4)


def test_what_the_mean_does_not_say_is_averaged_over_seeds_and_empty_where_unknown() -> None:
    """Of 40 tasks the worst 5% are two; a record of version 1 has neither floors nor calibration."""
    tasks = np.linspace(0.4, 1.0, 40)
    floors = {name: Floor(mean=mean, half_width=0, episodes=40) for name, mean in (("chance", 0.2), ("pixels", 0.61))}
    about = {"metric": "accuracy", "mean": tasks.mean(), "half_width": 0.01, "parameters": 10, "task_milliseconds": 2.0}
    first, second = (
        scored(tasks, seed=seed, floors=floors, score=Score(**about, **more))
        for seed, more in enumerate(
            [
                {"worst_class": 0.3, "calibration_error": 0.02, "task_megabytes": 3},
                {"worst_class": 0.4, "calibration_error": 0.05, "task_megabytes": 4},
            ]
        )
    )
    old = scored(tasks, seed=2)
    row = table(first, second, old).iloc[0]
    assert (row["floor"], row["worst_class"], row["calibration_error"], row["task_megabytes"]) == (61, 35, 3.5, 3.5)
    assert row["worst_tasks"] == pytest.approx(100 * tasks[:2].mean(), abs=0.01)
    assert "61.00" in printable(entries([Run(*first)]), 80)
    alone = table(old).iloc[0]
    assert np.isnan(alone[["floor", "worst_class", "calibration_error", "task_megabytes"]].to_numpy(dtype=float)).all()
    assert alone["worst_tasks"] == row["worst_tasks"]
    assert "nan" not in printable(entries([Run(*old)]), 80)


def test_the_floor_of_a_regression_is_the_lowest_error_and_its_worst_tasks_the_highest() -> None:
    floors = {name: Floor(mean=mean, half_width=0, episodes=3) for name, mean in (("zero", 4.0), ("support mean", 2.5))}
    row = table(scored([0.1, 0.2, 0.9], dataset="sinusoid", floors=floors)).iloc[0]
    assert (row["floor"], row["worst_tasks"]) == (2.5, 0.9)


def test_settings_say_what_was_changed() -> None:
    row = table(scored([0.5, 0.6], changed_options={"steps": 7, "backbone": "resnet12"}, precision="bfloat16")).iloc[0]
    assert row["settings"] == "backbone=resnet12 precision=bfloat16 steps=7"


def test_folders_without_records_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no folder '.*none'; `metabench run` makes records"):
        read_runs(tmp_path / "none")
    with pytest.raises(UsageError, match=r"there is no record \(record.json\) below"):
        read_runs(tmp_path)


def test_ranks_are_those_of_all_pairs_on_the_same_tasks() -> None:
    """As `metabench compare` has them, which is tested beside scipy and by simulation."""
    generator = np.random.default_rng(0)
    shared = generator.uniform(0.3, 0.8, 200)
    means = [0.08, 0.06, 0.0595, 0.05, 0.045, 0.0]
    scores = [shared + mean + generator.normal(0, 0.03, 200) for mean in means]
    scores = np.clip(sorted(scores, key=np.mean, reverse=True), 0, 1)
    rows = table(*(untrained(row, learner=name) for row, name in zip(scores, "abcdef", strict=True)))
    assert rows["learner"].tolist() == list("abcdef")
    expected = places([Entrant(row[None], seeded=False) for row in scores])
    assert list(ranks(rows).values()) == list(map(str, expected))
    assert 2 < len(set(expected)) < 6


def test_more_comparisons_ask_for_more_evidence() -> None:
    """A difference that is significant alone (p = 0.03) is not where it is one of three (Holm: 0.09)."""
    generator = np.random.default_rng(1)
    noise = generator.normal(0, 0.01, 50)
    noise -= noise.mean()
    difference = noise + stats.sem(noise) * stats.t.isf(0.015, 49)
    assert stats.ttest_1samp(difference, 0).pvalue == pytest.approx(0.03)
    learners = [untrained(0.5 - place * difference, learner=f"learner{place}") for place in range(3)]
    assert list(ranks(table(*learners[:2])).values()) == ["1", "2"]
    assert set(ranks(table(*learners)).values()) == {"1-3"}


def test_pairing_tells_apart_what_intervals_do_not() -> None:
    hard = np.tile([0.2, 0.5, 0.8], 20)
    one, other = untrained(np.clip(hard + 0.02 + 0.001 * (np.arange(60) % 2), 0, 1), learner="maml"), untrained(hard)
    rows = table(one, other)
    assert abs(rows["mean"][0] - rows["mean"][1]) < rows["half_width"].min()
    assert list(ranks(rows).values()) == ["1", "2"]


def test_only_common_tasks_are_compared() -> None:
    tasks, less = np.linspace(0.2, 0.9, 18), np.linspace(0.1, 0.15, 18)

    def of_two(first: dict[int, np.ndarray], second: dict[int, np.ndarray]) -> dict[str, str | None]:
        named = (("first", first), ("second", second))
        runs = [untrained(each, learner=name, test_seed=seed) for name, of in named for seed, each in of.items()]
        return ranks(table(*runs))

    assert of_two({0: tasks}, {1: tasks - less}) == {"first": None, "second": None}  # other tasks: nothing to compare
    assert of_two({0: tasks}, {0: tasks[:9] - less[:9]}) == {"first": None, "second": None}  # too few
    assert of_two({0: tasks, 1: tasks}, {1: tasks[:10] - less[:10]}) == {"first": "1", "second": "2"}
    # On the first ten the second is ahead, though its mean over all of its own is lower.
    assert of_two({0: tasks}, {0: tasks[:10] + less[:10] / 2}) == {"first": "2", "second": "1"}
    assert of_two({0: tasks, 1: tasks[::-1]}, {1: tasks[::-1]}) == {"first": "1-2", "second": "1-2"}


def test_who_shares_too_few_tasks_with_most_has_no_rank_and_costs_no_other_one() -> None:
    tasks = np.linspace(0.2, 0.9, 20)
    noise = np.linspace(-0.01, 0.01, 20)
    rows = table(
        untrained(tasks, learner="best"),
        untrained(tasks - 0.1 + noise, learner="second"),
        untrained(tasks + 0.1, learner="elsewhere", test_seed=9),
        untrained(tasks[:2] + 0.1, learner="two tasks"),
    )
    assert ranks(rows) == {"best": "1", "second": "2", "elsewhere": None, "two tasks": None}


def test_seeds_differ_on_the_tasks_that_all_of_them_have() -> None:
    easy, hard = np.full(10, 0.95), np.full(10, 0.55)
    row = table(scored(hard), scored(easy, test_seed=1), scored(hard, seed=1)).iloc[0]
    assert (row["seeds"], row["seed_deviation"]) == (2, 0)
    row = table(scored(np.concatenate([hard, easy])), scored(hard + 0.02, seed=1)).iloc[0]
    assert row["seed_deviation"] == pytest.approx(100 * np.std([0.55, 0.57], ddof=1), abs=0.01)
    assert np.isnan(table(scored(hard), scored(hard, seed=1, test_seed=1)).iloc[0]["seed_deviation"])


def test_an_error_is_no_seed_of_an_accuracy() -> None:
    error = Score(metric="squared_error", mean=5, half_width=1, parameters=1, task_milliseconds=1)
    with pytest.raises(ValidationError, match="a score is not of what its configuration asks for"):
        make_record(np.array([0.5, 0.6]), score=error)


def test_tasks_that_vary_have_a_board_of_their_own() -> None:
    rows = table(
        untrained(DIGITS + 0.5, task="variable"),
        untrained(DIGITS + 0.2, task="variable", learner="maml"),
        untrained(DIGITS),
    )
    assert rows["ways"].isna().tolist() == [False, True, True]
    assert rows["rank_low"].tolist() == [1, 1, 2]


def test_ranks_are_within_a_board() -> None:
    rows = table(
        untrained(0.9 + DIGITS, learner="maml"),
        untrained(0.1 + DIGITS),
        untrained(0.5 + DIGITS, shots=5),
        untrained(2.0 + DIGITS, dataset="sinusoid"),
        untrained(1.0 + DIGITS, dataset="sinusoid", learner="maml"),
    )
    assert rows["rank_low"].tolist() == rows["rank_high"].tolist() == [1, 2, 1, 1, 2]
    assert rows["learner"].tolist() == ["maml", "protonet", "protonet", "maml", "protonet"]


def test_one_seed_has_no_rank_unless_another_learner_has_several() -> None:
    tasks, noise = np.linspace(0.2, 0.7, 20), np.linspace(-0.01, 0.01, 20)
    one, other = scored(tasks, learner="maml"), scored(tasks - 0.1 + noise)
    rows = table(one, other)
    assert ranks(rows) == {"maml": None, "protonet": None}
    assert rows["seed_variance"].tolist() == ["unknown", "unknown"]
    assert rows["interval_over"].tolist() == ["tasks", "tasks"]
    rows = table(one, other, scored(tasks - 0.1 - noise, seed=1), scored(tasks - 0.1, seed=2))
    assert ranks(rows) == {"maml": "1", "protonet": "2"}
    assert rows["seed_variance"].tolist() == ["borrowed", "own"]
    rows = table(untrained(tasks, learner="nearest"), untrained(tasks - 0.1 + noise))
    assert (rows["seed_variance"].tolist(), rows["rank_low"].tolist()) == (["none", "none"], [1, 2])


def test_an_interval_of_a_given_width_is_the_records() -> None:
    accuracies = np.tile([0.4, 0.6], 300)
    record, _ = scored(accuracies, until_interval=2.0)
    score = record.score.model_copy(update={"half_width": 0.02, "low": 0.48, "high": 0.52})
    row = table((record.model_copy(update={"score": score}), accuracies)).iloc[0]
    assert (row["half_width"], row["low"], row["high"], row["tasks_half_width"]) == (2.0, 48.0, 52.0, 2.0)


def runs() -> list[Run]:
    made = [
        scored([0.5, 0.6], learner="maml", transductive=True),
        scored([0.5, 0.6], dataset="cub", ways=3, shots=5, outside_data=True),
        scored([0.5, 0.6], dataset="cub", ways=20),
    ]
    return [Run(*each) for each in made]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({}, [0, 1, 2]),
        ({"dataset": ("cub",)}, [1, 2]),
        ({"dataset": ("cub", "glyphs"), "ways": (3, 5)}, [0, 1]),
        ({"shots": (5,)}, [1]),
        ({"transductive": True}, [0]),
        ({"transductive": False}, [1, 2]),
        ({"outside_data": False, "shots": (1,)}, [0, 2]),
    ],
)
def test_filters(asked: dict[str, object], kept: list[int]) -> None:
    made = runs()
    assert Filter(**asked).keep(made) == [made[place] for place in kept]  # type: ignore[arg-type]


def test_a_filter_that_leaves_nothing_says_what_there_is() -> None:
    with pytest.raises(UsageError) as error:
        Filter(dataset=("omniglot",), ways=(5, 7), transductive=False).keep(runs())
    assert str(error.value) == (
        "no record has dataset omniglot; ways 5, 7; transductive no; "
        "the 3 records have dataset cub, glyphs; ways 3, 5, 20; transductive no, yes"
    )


def test_a_copied_record_counts_once() -> None:
    record, of_tasks = scored([0.5, 0.6])
    (entry,) = entries([Run(record, of_tasks), Run(record, of_tasks)])  # type: ignore[arg-type]
    assert entry.values.seeds == 1
    assert len(entry.runs) == 1


def test_orders_for_the_terminal_are_not_printed() -> None:
    rows = entries([Run(*scored([0.5, 0.6], learner="maml\x1b[31m", class_split="a\u202eb"))])
    printed = printable(rows, 80)
    assert printed.replace("\n", "").isprintable()
