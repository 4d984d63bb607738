"""What the pictures of a run's predictions and curves show, read back from what was drawn."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from metabench.metrics.metric import ACCURACY
from metabench.pictures import charts
from metabench.stats.diagnostics import by_class, confusions, reliability
from tests.metabench.stats.test_diagnostics import random_predictions


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    figures: list[Figure] = []
    monkeypatch.setattr(charts, "save_figure", lambda figure, path: figures.append(figure))
    return figures


def test_a_curve_has_the_tables_means_and_intervals(drawn: list[Figure]) -> None:
    table = pd.DataFrame(
        {
            "against": "shots",
            "ways": 5,
            "shots": [1, 5, 20, 1, 5, 20],
            "learner": ["maml"] * 3 + ["chance"] * 3,
            "floor": [False] * 3 + [True] * 3,
            "accuracy": [50.0, 70.0, 80.0, 20.0, 20.0, 20.0],
            "low": [49.0, 69.2, 79.5, 20.0, 20.0, 20.0],
            "high": [51.0, 72.0, 80.5, 20.0, 20.0, 20.0],
        }
    )
    charts.draw_curve(table, ACCURACY, Path("x.png"))
    (axes,) = drawn[0].axes
    learner, floor = axes.containers
    assert learner.get_label() == "maml"
    assert learner[0].get_xydata().tolist() == [[1, 50], [5, 70], [20, 80]]
    assert floor[0].get_xydata().tolist() == [[1, 20], [5, 20], [20, 20]]
    (bars,) = learner[2]
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [[49, 51], [69.2, 72], [79.5, 80.5]]
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["maml", "chance"]


@pytest.mark.parametrize("learner", ["finetune backbone=conv4:4 pretrain_steps=100 steps=2", "x=1 " * 60])
def test_all_of_the_legend_is_in_the_picture(learner: str, drawn: list[Figure]) -> None:
    names = ["protonet backbone=conv4:4 steps=2", learner, "pixels", "random network", "chance"]
    table = pd.DataFrame(
        {"against": "shots", "ways": 5, "shots": 1, "learner": names, "floor": [False] * 2 + [True] * 3}
    )
    charts.draw_curve(table.assign(accuracy=50.0, low=49.0, high=51.0), ACCURACY, Path("x.png"), "a title " * 20)
    (figure,) = drawn
    figure.draw_without_rendering()
    width, height = figure.bbox.width, figure.bbox.height
    for part in (figure.legends[0], figure.axes[0].xaxis.label, figure._suptitle):
        box = part.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= width
        assert box.y0 >= 0
        assert box.y1 <= height
    assert figure.axes[0].get_window_extent().height > 0.5 * 3.8 * figure.dpi


def test_answers_are_drawn_as_they_are_tabulated(drawn: list[Figure]) -> None:
    predictions = random_predictions()
    charts.draw_predictions(predictions, Path("x.png"))
    diagram, classes, pairs = drawn[0].axes
    bins = reliability(predictions)
    bins = bins[bins["queries"] > 0]
    assert [bar.get_height() for bar in diagram.patches] == pytest.approx(bins["accuracy"].tolist())
    assert [bar.get_x() for bar in diagram.patches] == pytest.approx(bins["low"].tolist())
    mean_confidence = next(line for line in diagram.lines if "mean confidence" in str(line.get_label()))
    assert np.asarray(mean_confidence.get_xdata()) == pytest.approx(bins["confidence"].to_numpy())
    assert np.asarray(mean_confidence.get_ydata()) == pytest.approx(bins["accuracy"].to_numpy())
    assert [bar.get_width() for bar in classes.patches] == pytest.approx(
        (100 * by_class(predictions)["accuracy"]).head(charts.BARS).tolist()
    )
    assert [bar.get_width() for bar in pairs.patches] == pytest.approx(
        (100 * confusions(predictions)["share"]).head(charts.BARS).tolist()
    )


@pytest.mark.parametrize("known", [True, False])
def test_networks_stand_at_their_size_and_score(known: bool, drawn: list[Figure]) -> None:
    table = pd.DataFrame(
        {
            "learner": "distill",
            "network": ["teacher", "student", "network alone"],
            "mean": [90.0, 80.0, 75.0],
            "low": [89.0, 79.0, 73.0],
            "high": [91.0, 82.0, 76.0],
            "parameters": [1000, 100, 100],
            "bytes_float32": [4000, 400, 400 if known else np.nan],
        }
    )
    charts.draw_sizes(table, ACCURACY, Path("x.png"))
    (axes,) = drawn[0].axes
    factor = 0.004 if known else 1.0
    places = [tuple(each[0].get_xydata()[0]) for each in axes.containers]
    expected = [(1000 * factor, 90), (100 * factor, 80), (103 * factor, 75)]
    assert places == [pytest.approx(place) for place in expected]
    ends = [each[2][0].get_segments()[0][:, 1].tolist() for each in axes.containers]
    assert ends == [[89, 91], [79, 82], [73, 76]]
    assert axes.get_xlabel().startswith("kB on disk" if known else "parameters")
    assert axes.get_xscale() == "log"
    labels = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert labels == ["distill: teacher", "distill: student", "distill: network alone"]
