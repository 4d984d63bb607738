"""The page's plots in a real Chromium: positions are read back through the ticks of their axes."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from metabench.board.rows import Entry
from tests.made_rows import COSTS, costly, curve, make_row, opened
from tests.read_plots import legend, numbers, of_learner, place, reader, ticks

UNEVEN = {"a": (97.0, 96.0, 97.5), "b": (92.5, 90.0, 94.0), "c": (88.0, 87.5, 88.25)}


def uneven(floor: float, **changes: Any) -> list[Entry]:
    return [make_row(name, *values, floor, **changes) for name, values in UNEVEN.items()]


def test_intervals_reach_from_low_to_high(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, uneven(85.0)) as shown:
        drawing = shown.locator("#intervals svg[role=group]")
        read = reader(drawing, "x")
        for learner, (mean, low, high) in UNEVEN.items():
            row = of_learner(drawing, learner)
            ((x1, x2),) = numbers(row.locator(".band"), "x1", "x2")
            assert (read(x1), read(x2)) == pytest.approx((low, high), abs=0.05)
            ((at, again),) = numbers(row.locator(".mean"), "x1", "x2")
            assert at == again
            assert read(at) == pytest.approx(mean, abs=0.05)
            ((floor,),) = numbers(row.locator("line.floor"), "x1")
            assert read(floor) == pytest.approx(85, abs=0.05)


@pytest.mark.parametrize(("floor", "dataset", "text"), [(20.0, "glyphs", "◂ 20.00"), (140.0, "sinusoid", "140.0000 ▸")])
def test_a_floor_that_would_squeeze_the_intervals_stands_at_the_edge(
    browser: Browser, tmp_path: Path, floor: float, dataset: str, text: str
) -> None:
    with opened(browser, tmp_path, uneven(floor, dataset=dataset)) as shown:
        drawing = shown.locator("#intervals svg[role=group]")
        assert drawing.locator("text.beyond").all_text_contents() == [text] * 3
        assert drawing.locator("line.floor").count() == 0
        read = reader(drawing, "x")
        ((x1, x2),) = numbers(of_learner(drawing, "b").locator(".band"), "x1", "x2")
        assert (read(x1), read(x2)) == pytest.approx((90, 94), abs=0.05)
        edges = drawing.locator("text.beyond").evaluate_all(
            "all => all.map(t => t.getBBox()).map(b => [b.x, b.x + b.width])"
        )
        bands = numbers(drawing.locator(".band"), "x1", "x2")
        apart = [edge[1] < band[0] or band[1] < edge[0] for edge in edges for band in bands]
        assert all(apart)
        assert "beyond the scale" in shown.locator("#against-cost figcaption").inner_text()


def test_a_board_without_floors_has_no_tick_of_one(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, uneven(float("nan"))) as shown:
        assert shown.locator("#intervals .floor, #against-cost .floor, #table .floor").count() == 0


def test_the_tables_bars_have_a_scale_for_each_board(browser: Browser, tmp_path: Path) -> None:
    """A narrow interval shows, and the mean beside it, though another board's scores are far away."""
    narrow = {"a": (99.5, 99.4, 99.6), "b": (99.0, 98.8, 99.1)}
    rows = [make_row(name, *values, shots=5) for name, values in narrow.items()]
    rows += [make_row("a", 25, 20, 32, shots=1), make_row("b", 24, 19, 31, shots=1)]
    values = [*narrow.values(), (25, 20, 32), (24, 19, 31)]
    with opened(browser, tmp_path, rows) as shown:
        bars = shown.locator("#table td.bar svg")
        ends: list[float] = []
        for number, (mean, low, high) in enumerate(values):
            bar = bars.nth(number)
            written = [float(text) for text in bar.locator("text").all_text_contents()]
            assert len(written) == (0 if number % 2 else 2)  # once a board
            ends = written or ends
            ((x1, x2),) = numbers(bar.locator(".band"), "x1", "x2")
            ((at,),) = numbers(bar.locator(".mean"), "x1")
            found = [float(np.interp(x, (6, 144), ends)) for x in (x1, at, x2)]
            assert found == pytest.approx([low, mean, high], abs=0.01 * (ends[1] - ends[0]))
            assert x2 - x1 >= 10  # pixels
            assert bar.locator("line").last.get_attribute("class") == bar.locator(".band").get_attribute(
                "class"
            )  # on top
            width = bar.locator(".mean").evaluate("line => parseFloat(getComputedStyle(line).strokeWidth)")
            assert width <= 2


@pytest.mark.parametrize("cost", COSTS)
def test_costs_stand_where_the_logarithmic_axis_says(browser: Browser, tmp_path: Path, cost: str) -> None:
    rows = [("a", 20.0, 60.0), ("b", 400.0, 80.0), ("c", 5000.0, 70.0)]
    with opened(browser, tmp_path, costly(*rows)) as shown:
        shown.locator("#cost").select_option(cost)
        drawing = shown.locator("#against-cost svg[role=group]")
        read_x, read_y = reader(drawing, "x", logarithmic=True), reader(drawing, "y")
        for learner, value, mean in rows:
            x, y = place(of_learner(drawing, learner).locator(".mark"))
            assert read_x(x) == pytest.approx(value, rel=0.01)
            assert read_y(y) == pytest.approx(mean, abs=0.1)
            ((x1, x2, y1, y2),) = numbers(of_learner(drawing, learner).locator(".whisker"), "x1", "x2", "y1", "y2")
            assert x1 == pytest.approx(x, abs=0.01)
            assert x2 == pytest.approx(x, abs=0.01)
            assert (read_y(y1), read_y(y2)) == pytest.approx((mean - 2, mean + 3), abs=0.1)


@pytest.mark.parametrize(
    ("dataset", "best"),
    [("glyphs", [(10, 60), (100, 80), (900, 81)]), ("sinusoid", [(10, 60), (20, 55)])],
)
def test_the_frontier_is_the_best_that_each_cost_buys(
    browser: Browser, tmp_path: Path, dataset: str, best: list[tuple[float, float]]
) -> None:
    rows = costly(("e", 900, 81), ("c", 100, 80), ("d", 500, 70), ("a", 10, 60), ("b", 20, 55), dataset=dataset)
    with opened(browser, tmp_path, rows) as shown:
        drawing = shown.locator("#against-cost svg[role=group]")
        read_x, read_y = reader(drawing, "x", logarithmic=True), reader(drawing, "y")
        path = drawing.locator(".frontier").get_attribute("d") or ""
        start = re.match(r"M([\d.]+),([\d.]+)", path)
        assert start
        corners = [start.groups(), *re.findall(r"H([\d.]+)V([\d.]+)", path)]
        found = [(read_x(float(x)), read_y(float(y))) for x, y in corners]
        assert np.array(found) == pytest.approx(np.array(best), rel=0.01)


def test_who_costs_nothing_stands_at_zero(browser: Browser, tmp_path: Path) -> None:
    rows = costly(("free", 0, 50), ("a", 10, 60), ("b", 200, 70))
    with opened(browser, tmp_path, rows) as shown:
        drawing = shown.locator("#against-cost svg[role=group]")
        values, pixels = ticks(drawing, "x")
        assert values[0] == 0
        x, _ = place(of_learner(drawing, "free").locator(".mark"))
        assert x == pytest.approx(pixels[0], abs=0.01)
        others = [place(of_learner(drawing, name).locator(".mark"))[0] for name in "ab"]
        assert x + 20 < min([*others, *pixels[1:]])
        assert "who costs nothing stands at 0" in shown.locator("#against-cost figcaption").inner_text()
        assert (drawing.locator(".frontier").get_attribute("d") or "").startswith(f"M{x:.2f},")
    with opened(browser, tmp_path, costly(("free", 0, 50), ("gift", 0, 60))) as shown:
        assert shown.locator("#against-cost .mark").count() == 4  # two, and two in the legend
        assert ticks(shown.locator("#against-cost svg[role=group]"), "x")[0] == [0]


def test_lines_against_shots_go_through_their_means(browser: Browser, tmp_path: Path) -> None:
    means = {1: 50.0, 5: 70.0, 20: 85.0}
    rows = [make_row("a", mean, mean - 3, mean + 1, 40.0, shots=shots) for shots, mean in means.items()]
    with opened(browser, tmp_path, rows) as shown:
        drawing = shown.locator("#against-shots svg[role=group]")
        read_x, read_y = reader(drawing, "x", logarithmic=True), reader(drawing, "y")
        points = [
            point.split(",") for point in (drawing.locator("polyline.line").get_attribute("points") or "").split()
        ]
        found = [(read_x(float(x)), read_y(float(y))) for x, y in points]
        assert np.array(found) == pytest.approx(np.array([*means.items()]), rel=0.01)
        whiskers = numbers(drawing.locator(".whisker"), "y1", "y2")
        assert np.array([[read_y(y) for y in ends] for ends in whiskers]) == pytest.approx(
            np.array([(mean - 3, mean + 1) for mean in means.values()]), abs=0.2
        )
        assert [read_y(y) for (y,) in numbers(drawing.locator("line.floor"), "y1")] == pytest.approx([40] * 3, abs=0.2)


def test_rows_of_one_name_and_other_training_images_are_lines_of_their_own(browser: Browser, tmp_path: Path) -> None:
    rows = [
        make_row("a", mean + shots, mean - 1, mean + 9, shots=shots, train_images=images * 16)
        for shots in (1, 5)
        for images, mean in (("0f", 50), ("0e", 40))
    ]
    with opened(browser, tmp_path, rows) as shown:
        lines = shown.locator("#against-shots polyline.line").evaluate_all(
            "all => all.map(l => l.getAttribute('points'))"
        )
        assert [len(points.split()) for points in lines] == [2, 2]
        names = [f"a training data {images * 4}" for images in ("0f", "0e")]
        assert legend(shown, "#against-shots") == names
        assert shown.locator("#table .settings:not(.where)").filter(has_text="training data").count() == 4


@pytest.mark.parametrize(
    ("field", "title", "values"), [("a", "validation accuracy, %", [50, 80, 75]), ("b", "loss", [2, 1, 0.5])]
)
def test_learning_curves_pass_through_their_values(
    browser: Browser, tmp_path: Path, field: str, title: str, values: list[float]
) -> None:
    training = curve((100, 2, 0.5), (200, 1, 0.8), (400, 0.5, 0.75))
    with opened(browser, tmp_path, [make_row("a", 50, 49, 51, training=training)]) as shown:
        shown.locator("#table .opener").click()
        drawing = shown.locator(".details svg", has=shown.locator("text.title", has_text=title))
        read_x, read_y = reader(drawing, "x"), reader(drawing, "y")
        dots = numbers(drawing.locator("circle.dot"), "cx", "cy")
        found = [(read_x(x), read_y(y)) for x, y in dots]
        assert np.array(found) == pytest.approx(np.array([*zip((100, 200, 400), values, strict=True)]), rel=0.01)


def test_the_plots_follow_the_choice_of_cost(shown: Page) -> None:
    shown.locator("#cost").select_option("images")
    assert shown.locator("#against-cost svg text.title", has_text="images seen in training").count()
    shown.locator("#datasets button", has_text="sinusoid").click()
    shown.locator("#cost").select_option("processor_seconds")  # which records had not before version 3
    assert shown.locator("#against-cost .note", has_text="No record here says what this cost").count()
    shown.locator("#datasets button", has_text="All datasets").click()
    shown.locator("#cost").select_option("parameters")
    assert shown.locator("#against-cost svg text.title", has_text="parameters").count()
    assert shown.locator("#against-cost svg .frontier").count() == shown.locator("#against-cost figure").count()
    coordinates = shown.locator("#intervals .mark").evaluate_all("marks => marks.map(m => m.getAttribute('transform'))")
    assert not any("NaN" in place for place in coordinates)
