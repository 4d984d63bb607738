"""Values read back from the page's plots, as one reads them from the ticks of their axes."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Locator, Page

Scale = Callable[[float], float]


def numbers(found: Locator, *names: str) -> list[list[float]]:
    """These attributes of each."""
    read = "(all, names) => all.map(one => names.map(name => Number(one.getAttribute(name))))"
    values: list[list[float]] = found.evaluate_all(read, list(names))
    return values


def ticks(drawing: Locator, axis: str) -> tuple[list[float], list[float]]:
    """The values at the axis's ticks, and their pixels: of y those of its grid, as text stands a little lower."""
    values = [float(text.replace(",", "")) for text in drawing.locator(f"text.{axis}.tick").all_text_contents()]
    if axis == "x":
        return values, [x for (x,) in numbers(drawing.locator("text.x.tick"), "x")]
    return values, [y for (y,) in numbers(drawing.locator("line.grid"), "y1")]


def reader(drawing: Locator, axis: str, logarithmic: bool = False) -> Scale:
    """From pixels to values, as one reads an axis; its ticks must agree with each other, and rise right or up."""
    values, pixels = ticks(drawing, axis)
    if logarithmic and values[0] == 0:
        values, pixels = values[1:], pixels[1:]
    known = np.log10(values) if logarithmic else np.array(values)
    assert len(known) >= 2
    slope, start = np.polyfit(pixels, known, 1)
    assert slope * np.array(pixels) + start == pytest.approx(known, abs=1e-3 * np.ptp(known))
    assert slope > 0 if axis == "x" else slope < 0
    return lambda pixel: float(10 ** (slope * pixel + start) if logarithmic else slope * pixel + start)


def place(mark: Locator) -> tuple[float, float]:
    found = re.fullmatch(r"translate\(([\d.-]+),([\d.-]+)\)", mark.get_attribute("transform") or "")
    assert found
    return float(found[1]), float(found[2])


def of_learner(drawing: Locator, learner: str) -> Locator:
    """What says that it is of the learner, when it is pointed at."""
    return drawing.locator(f'.tipped[data-tip^="{learner}\\a "]')


def legend(shown: Page, holder: str) -> list[str]:
    """The names in it, without the letters of their marks."""
    names: list[str] = shown.locator(f"{holder} .legend li").evaluate_all("all => all.map(item => item.lastChild.data)")
    return names
