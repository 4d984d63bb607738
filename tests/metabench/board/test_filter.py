import numpy as np
import pytest

from metabench.board.filter import Filter, make_filter
from metabench.errors import UsageError
from metabench.records.runs import Run
from tests.made_records import make_record

SCORES = np.array([0.5, 0.75])
RUNS = [
    Run(
        make_record(SCORES, id=f"{dataset}{ways}{transductive}", dataset=dataset, ways=ways, transductive=transductive),
        SCORES,
    )
    for dataset in ("glyphs", "omniglot")
    for ways in (3, 5)
    for transductive in (False, True)
]


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ({}, 8),
        ({"dataset": ("glyphs",)}, 4),
        ({"dataset": ("glyphs", "omniglot"), "ways": (3,)}, 4),
        ({"transductive": False}, 4),
        ({"transductive": True, "dataset": ("omniglot",), "ways": (5,)}, 1),
        ({"outside_data": False}, 8),
    ],
)
def test_each_field_that_is_given_must_fit(wanted: dict[str, object], kept: int) -> None:
    assert len(Filter(**wanted).keep(RUNS)) == kept  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "kept"), [(True, ["no"]), (False, ["yes", "unknown"]), (None, ["no", "yes", "unknown"])]
)
def test_only_test_classes_that_are_known_to_be_new_are_uncontaminated(wanted: bool | None, kept: list[str]) -> None:
    runs = [Run(make_record(SCORES, test_classes=seen), SCORES) for seen in ("no", "yes", "unknown")]
    assert [run.record.test_classes for run in Filter(uncontaminated=wanted).keep(runs)] == kept


def test_where_nothing_fits_it_says_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"no record has ways 7; the 8 records have ways 3, 5"):
        Filter(ways=(7,)).keep(RUNS)
    assert Filter(ways=(7,)).keep([]) == []


def test_one_value_or_several() -> None:
    assert make_filter(dataset="glyphs", ways=3, shots=[1, 5], transductive=False) == Filter(
        ("glyphs",), (3,), (1, 5), False
    )
