"""The best of several tries, and records that say another."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from metabench.metrics.metric import METRICS
from metabench.records.record import RunRecord
from metabench.records.selection import Selection
from tests.made_records import make_record, selection

SCORES = np.array([0.5, 0.75])


@pytest.mark.parametrize(
    ("means", "metric", "best"),
    [
        ({"s1": 0.5, "s3": 0.75, "s5": 0.6}, "accuracy", 3),
        ({"s1": 0.5, "s3": 0.75, "s5": 0.6}, "squared_error", 1),
        ({"s1": 0.5, "s5": 0.75, "s3": 0.75}, "accuracy", 5),  # of equal ones the first
        ({"s1": None, "s3": 0.25, "s5": 0.25}, "squared_error", 3),
        ({"s1": 0.5, "s3": None}, "accuracy", 1),
    ],
)
def test_the_first_of_the_best_is_chosen(means: dict[str, float | None], metric: str, best: int) -> None:
    found = selection(**means).best(METRICS[metric])
    assert found
    assert found.options == {"inner_steps": best}


def test_tries_that_all_diverged_have_no_best() -> None:
    assert selection(s1=None, s3=None).best(METRICS["accuracy"]) is None


def test_a_record_keeps_how_it_was_chosen() -> None:
    record = make_record(SCORES, options={"inner_steps": 3}, selection=selection(s1=0.5, s3=0.75))
    assert RunRecord.model_validate_json(record.model_dump_json()) == record
    assert record.selection
    assert (record.selection.seconds, record.selection.processor_seconds) == (60, 40)


def test_a_record_of_another_option_than_the_best_is_refused() -> None:
    for options, tries in (
        ({"inner_steps": 1}, selection(s1=0.5, s3=0.75)),
        ({}, selection(s1=0.5, s3=0.75)),
        ({"inner_steps": 1}, selection(s1=None, s3=None)),
    ):
        with pytest.raises(ValidationError, match="the options of config are not those of its best try"):
            make_record(SCORES, options=options, selection=tries)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tries": []}, "at least 2"),
        ({"grid": 1}, "more tries than there were settings"),
        ({"other": 1}, "Extra inputs"),
    ],
)
def test_a_choice_that_cannot_have_been_is_refused(changes: dict[str, object], message: str) -> None:
    values = json.loads(selection(s1=0.5, s3=0.75).model_dump_json())
    with pytest.raises(ValidationError, match=message):
        Selection.model_validate({**values, **changes})
    values["tries"][1]["options"] = {"steps": 3}
    with pytest.raises(ValidationError, match="not of the same options"):
        Selection.model_validate(values)
