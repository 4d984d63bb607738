"""`metabench inspect`: what a run's predictions say, and of a run of texts its most confident mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from episodes.errors import DataError
from episodes.files.atomic import write_bytes
from metabench.errors import UsageError
from metabench.pictures.charts import draw_predictions
from metabench.reports.inspect import Report
from metabench.reports.inspect import inspect as report
from metabench.stats.diagnostics import right
from metabench.texts.html import PAGES, Page, html
from metabench.texts.mistakes import Mistake, mistakes_text
from metabench.texts.terminal import PRINTED, Terminal


def inspect(folder: Path, output: Path | None = None, terminal: Terminal = PRINTED, **settings: Any) -> str:
    """Calibration, worst classes, groups and most confused pairs of a run, as text; and of a run of texts, whose data
    are loaded again, the wrong queries of the highest confidence.

    Args:
        folder: of the run.
        output: a file for the same: a picture, whose ending chooses the format, or of a run of texts a `.html` page.
        terminal: how it is returned: its width, and whether in colour.
        settings: where the data are: `data_root`, and `tasks`, the file of frozen tasks if it was tested on such.

    Raises:
        UsageError: the folder has no record or no predictions that can be used, or the file cannot be written.
    """
    found = report(folder)
    of_texts, ending = found.record.dataset.kind == "text", output.suffix.lower() if output else ""
    if ending in PAGES and not of_texts:
        raise UsageError(f"-o {output}: '{folder}' is a run of pictures, which is drawn to .png, .pdf or .svg")
    if output and ending not in PAGES:
        draw_predictions(found.predictions, output, found.lines[0])
    if not of_texts:
        return str(found)
    from metabench.rerun.mistakes import confident_mistakes  # imports torch, which other runs do not need

    try:
        mistakes, why = confident_mistakes(folder, found, **settings), ""
    except (DataError, UsageError) as error:
        mistakes, why = [], f"The texts of its queries are not here: {error}"
    title = _title(found, mistakes)
    if output and ending in PAGES:
        notes = (found.lines[1], *([why] if why else []))
        page = Page(found.lines[0], notes, found.for_page(), mistakes, mistakes_title="" if why else title)
        write_bytes(output, html(page).encode())
    below = why or f"{title}{':' if mistakes else ''}\n{mistakes_text(mistakes, terminal)}".rstrip()
    return f"{found}\n\n{below}"


def _title(found: Report, mistakes: list[Mistake]) -> str:
    wrong = int((~right(found.predictions)).sum())
    if not mistakes:
        return "No query was predicted wrong"
    return f"Wrong queries, the most confident first, each text once ({len(mistakes)} of {wrong:,})"
