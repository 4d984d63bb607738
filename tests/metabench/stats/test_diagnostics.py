import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix

from metabench.metrics.metric import ACCURACY, SQUARED_ERROR
from metabench.stats.diagnostics import (
    LOW_CLASSES,
    by_class,
    by_group,
    calibration_error,
    confusions,
    reliability,
    worst_tasks,
)

NAMES = ["ant", "bee", "cat", "dog"]


def predictions(rows: list[tuple[int, str, str, float]]) -> pd.DataFrame:
    """From (task, class, answer, confidence); ant and bee are insects, cat and dog mammals."""
    tasks, classes, given, confidences = zip(*rows, strict=True)
    groups = ["insects" if name in ("ant", "bee") else "mammals" for name in classes]
    return pd.DataFrame(
        {
            "task": np.asarray(tasks, dtype=np.int32),
            "class": pd.Categorical(classes, NAMES),
            "group": pd.Categorical(groups),
            "prediction": pd.Categorical(given, NAMES),
            "confidence": confidences,
        }
    )


def random_predictions(seed: int = 0, tasks: int = 30) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    rows = []
    for task in range(tasks):
        chosen = list(random.choice(NAMES, 3, replace=False))
        for name in chosen:
            rows += [(task, name, str(random.choice([name, *chosen])), round(random.uniform(1 / 3, 1), 3))] * 2
    return predictions(rows)


def test_calibration_error_by_hand() -> None:
    """Five bins: 0.5 and 0.55 fall into (0.4, 0.6] with one of two right, |0.5 - 0.525|; 0.8 lies in (0.6, 0.8] with
    0.7, both wrong, |0 - 0.75|; 0.95 is alone and right, |1 - 0.95|. By queries (2 * 0.025 + 2 * 0.75 + 0.05) / 5.
    """
    table = predictions(
        [
            (0, "ant", "ant", 0.5),
            (0, "ant", "bee", 0.55),
            (0, "bee", "ant", 0.8),
            (0, "bee", "ant", 0.7),
            (0, "bee", "bee", 0.95),
        ]
    )
    assert calibration_error(table, bins=5) == pytest.approx((2 * 0.025 + 2 * 0.75 + 0.05) / 5)
    bins = reliability(table, bins=5)
    assert bins["queries"].tolist() == [0, 0, 2, 2, 1]
    assert bins["accuracy"].tolist()[2:] == [0.5, 0.0, 1.0]
    assert bins["confidence"].tolist()[2:] == pytest.approx([0.525, 0.75, 0.95])
    assert bins[["accuracy", "confidence"]].iloc[:2].isna().all(axis=None)


@pytest.mark.parametrize(("confidence", "number"), [(0.0, 0), (0.2, 2), (0.201, 3), (0.6, 8), (0.8, 11), (1.0, 14)])
def test_an_edge_belongs_to_the_bin_below(confidence: float, number: int) -> None:
    """Guo et al. 2017: I_m = ((m - 1) / M, m / M]; 0.2 is 3/15, the end of the third."""
    bins = reliability(predictions([(0, "ant", "ant", confidence)]))
    assert bins["queries"].to_numpy().nonzero()[0].tolist() == [number]


def test_calibration_error_as_a_loop_over_queries_has_it() -> None:
    table = random_predictions()
    correct = (table["class"].astype(str) == table["prediction"].astype(str)).to_numpy()
    confidences, error = table["confidence"].to_numpy(), 0.0
    for number in range(15):
        inside = [i for i, value in enumerate(confidences) if number / 15 < value <= (number + 1) / 15]
        if inside:
            error += abs(sum(correct[inside]) - sum(confidences[inside])) / len(confidences)
    assert calibration_error(table) == pytest.approx(error)


def test_one_who_is_as_often_right_as_sure_is_calibrated_and_one_who_is_too_sure_is_not() -> None:
    random = np.random.default_rng(0)
    sure = np.round(random.uniform(0.5, 1, 20_000), 3)
    right = random.uniform(size=20_000) < sure
    honest = predictions([(0, "ant", "ant" if hit else "bee", value) for hit, value in zip(right, sure, strict=True)])
    assert calibration_error(honest) < 0.015
    assert calibration_error(honest.assign(confidence=1.0)) == pytest.approx(0.25, abs=0.01)


def test_the_worst_tasks_are_the_lowest_twentieth_rounded_up() -> None:
    scores = np.linspace(1, 0, 41)  # 5% of 41 are 2.05, so three: 0, 0.025, 0.05
    assert worst_tasks(scores, ACCURACY) == pytest.approx(0.025)
    assert worst_tasks(scores, SQUARED_ERROR) == pytest.approx(0.975)
    assert worst_tasks([0.3, 0.9], ACCURACY) == 0.3


def test_accuracy_by_class_and_group_is_the_diagonal_of_scikit_learns_confusion_matrix() -> None:
    table = random_predictions(1)
    matrix = confusion_matrix(table["class"].astype(str), table["prediction"].astype(str), labels=NAMES)
    classes = by_class(table).set_index("class")
    assert classes["accuracy"].is_monotonic_increasing
    assert classes.loc[NAMES, "accuracy"].tolist() == pytest.approx(matrix.diagonal() / matrix.sum(1))
    assert classes.loc[NAMES, "queries"].tolist() == matrix.sum(1).tolist()
    assert classes.loc[NAMES, "group"].tolist() == ["insects", "insects", "mammals", "mammals"]
    groups = by_group(table).set_index("group")
    assert groups.loc["insects", "accuracy"] == pytest.approx(matrix.diagonal()[:2].sum() / matrix[:2].sum())
    assert groups["queries"].sum() == len(table)


def test_rows_that_are_equal_are_in_the_order_of_their_names() -> None:
    """Whatever the order of the tasks and of the categories; and rows are numbered as they stand."""
    names = ["dog", "cat", "bee", "ant"]
    table = pd.DataFrame(
        {
            "task": [0, 0, 1, 1],
            "class": pd.Categorical(names, names),
            "group": pd.Categorical(["mammals", "mammals", "insects", "insects"], ["mammals", "insects"]),
            "prediction": pd.Categorical(["cat", "dog", "ant", "bee"], names),
        }
    )
    classes, groups, pairs = by_class(table), by_group(table), confusions(table)
    assert classes["class"].tolist() == ["ant", "bee", "cat", "dog"]
    assert groups["group"].tolist() == ["insects", "mammals"]
    assert pairs[["class", "prediction"]].agg(" ".join, axis=1).tolist() == ["ant bee", "bee ant", "cat dog", "dog cat"]
    assert [found.index.tolist() for found in (classes, groups, pairs)] == [[0, 1, 2, 3], [0, 1], [0, 1, 2, 3]]


def test_equal_accuracies_are_in_the_order_of_their_queries() -> None:
    """The class of most queries first, since its accuracy is known best."""
    table = predictions([(0, "ant", "ant", 1.0), *[(0, "bee", "bee", 1.0)] * 3, *[(0, "cat", "cat", 1.0)] * 2])
    assert by_class(table)["class"].tolist() == ["bee", "cat", "ant"]


def test_one_class_of_21_is_below_the_quantile_of_low_classes() -> None:
    """With 21 classes, right in 0, 1, ... 20 of 20 queries, 5% of the 20 steps from the lowest to the highest is 1."""
    names = [f"class {number:02}" for number in range(21)]
    given = [names[number if query < number else number - 1] for number in range(21) for query in range(20)]
    table = pd.DataFrame(
        {
            "class": pd.Categorical(np.repeat(names, 20), names),
            "group": pd.Categorical(["all"] * 420),
            "prediction": pd.Categorical(given, names),
        }
    )
    assert by_class(table)["accuracy"].quantile(LOW_CLASSES) == pytest.approx(1 / 20)


def test_confusions_are_the_rest_of_that_matrix() -> None:
    table = random_predictions(2)
    matrix = confusion_matrix(table["class"].astype(str), table["prediction"].astype(str), labels=NAMES)
    pairs = confusions(table)
    assert pairs["queries"].is_monotonic_decreasing
    found = {(row["class"], row["prediction"]): row["queries"] for _, row in pairs.iterrows()}
    expected = {
        (one, other): matrix[i, j]
        for i, one in enumerate(NAMES)
        for j, other in enumerate(NAMES)
        if i != j and matrix[i, j]
    }
    assert found == expected


def test_a_share_counts_only_tasks_in_which_both_classes_were() -> None:
    """Ant is taken for bee once; bee was there in task 0 alone, where two queries were ants: half."""
    table = predictions(
        [
            (0, "ant", "bee", 0.5),
            (0, "ant", "ant", 0.5),
            (0, "bee", "bee", 0.5),
            (1, "ant", "ant", 0.5),
            (1, "ant", "dog", 0.5),
            (1, "dog", "dog", 0.5),
        ]
    )
    pairs = confusions(table)
    assert pairs[["class", "prediction", "queries", "asked", "share"]].to_numpy().tolist() == [
        ["ant", "bee", 1, 2, 0.5],
        ["ant", "dog", 1, 2, 0.5],
    ]


def test_shares_as_a_loop_over_tasks_has_them() -> None:
    table = random_predictions(3)
    for _, pair in confusions(table).iterrows():
        asked = 0
        for _, task in table.groupby("task"):
            if pair["prediction"] in set(task["class"]):
                asked += int((task["class"] == pair["class"]).sum())
        assert pair["asked"] == asked
        assert pair["share"] == pytest.approx(pair["queries"] / asked)


def test_a_learner_that_errs_nowhere_confuses_nothing() -> None:
    table = predictions([(0, "ant", "ant", 1.0), (0, "bee", "bee", 1.0)])
    assert confusions(table).empty
    assert calibration_error(table) == 0


def test_a_class_without_queries_may_be_what_another_is_taken_for() -> None:
    """In task 0 ant has no query, in task 1 it has; bee is taken for ant in one of three, and in one of one."""
    table = predictions(
        [
            *[(0, "bee", "ant", 0.5), (0, "bee", "bee", 0.5), (0, "bee", "bee", 0.5)],
            *[(1, "bee", "ant", 0.5), (1, "ant", "ant", 0.5)],
            *[(2, "bee", "bee", 0.5), (2, "cat", "dog", 0.5)],
        ]
    )
    pairs = confusions(table).set_index(["class", "prediction"])
    assert pairs.loc[("bee", "ant"), ["queries", "asked", "share"]].tolist() == [2, 4, 0.5]
    assert pairs.loc[("cat", "dog"), ["queries", "asked", "share"]].tolist() == [1, 1, 1.0]
    assert by_class(table)["class"].tolist() == ["cat", "bee", "ant"]  # dog, of no query, has no accuracy
