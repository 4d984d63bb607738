"""A run's interval over test classes, from its record or from its predictions."""

import numpy as np
import pytest

from metabench.board.classes import of_classes
from metabench.board.rows import Run, entries
from metabench.records.predictions import predictions_file, read_predictions
from metabench.records.reference import reference_runs
from metabench.stats.diagnostics import right
from metabench.stats.intervals import class_interval
from tests.made_records import make_record

SEEDS = [run for run in reference_runs() if run.record.id.startswith("glyphs-5way-1shot-protonet-seed")]


def test_of_an_old_record_they_are_computed_from_its_predictions() -> None:
    run = SEEDS[0]
    assert run.folder
    predictions = read_predictions(predictions_file(run.folder), run.of_tasks)
    predictions = predictions.assign(right=right(predictions))
    found = of_classes(run)
    assert found.half_width == class_interval(predictions, whole_groups=True).half_width
    by_hand = [predictions["right"][predictions["class"] == name].mean() for name in predictions["class"].unique()]
    assert found.quantile == pytest.approx(np.percentile(by_hand, 5))


def test_of_several_seeds_the_interval_is_their_root_mean_square() -> None:
    halves = [of_classes(run).half_width for run in SEEDS]
    (entry,) = entries(SEEDS)
    values = entry.values
    assert values.classes_half_width == pytest.approx(100 * np.sqrt(np.mean(np.square(halves))), abs=0.005)
    assert values.classes_low == pytest.approx(values.mean - values.classes_half_width, abs=0.011)
    assert values.classes_high == 100  # cut: no accuracy is higher


def test_without_predictions_there_is_none() -> None:
    of_tasks = np.array([0.5, 0.6])
    run = Run(make_record(of_tasks), of_tasks)
    assert np.isnan([of_classes(run).half_width, of_classes(run).quantile]).all()
    unknown = SEEDS[1].record.score.model_copy(update={"over_classes": None, "class_quantile": None})
    bare = Run(SEEDS[1].record.model_copy(update={"score": unknown, "predictions": None}), SEEDS[1].of_tasks)
    (entry,) = entries([SEEDS[0], bare])
    assert np.isnan(entry.values.classes_half_width)  # not of one seed alone
