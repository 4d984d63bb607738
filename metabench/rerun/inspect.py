"""`metabench inspect`: what a run's predictions say, and of a run of texts its most confident mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from episodes.banks.bank import SPANS
from episodes.errors import DataError
from episodes.files.atomic import write_bytes
from metabench.errors import UsageError
from metabench.pictures.charts import draw_predictions
from metabench.records.reader import read_record
from metabench.records.record import RECORD_FILE, RunRecord
from metabench.reports.inspect import Report
from metabench.reports.inspect import inspect as report
from metabench.stats.diagnostics import right
from metabench.texts.html import PAGES, Page, html
from metabench.texts.mistakes import Mistake, mistakes_text
from metabench.texts.terminal import PRINTED, Terminal


def inspect(folder: Path, output: Path | None = None, terminal: Terminal = PRINTED, **settings: Any) -> str:
    """What a run predicts, as text.

    Calibration, worst classes, groups and most confused pairs; of a run of texts, whose data are loaded again, also the
    wrong queries of the highest confidence. The predictions of a run of words are not kept: its learner is asked again,
    for the types of entities, or kinds of answers, and the most confident mistakes.

    Args:
        folder: of the run.
        output: a file for the same: a picture, whose ending chooses the format, or of a run of texts a `.html` page.
        terminal: how it is returned: its width, and whether in colour.
        settings: where the data are: `data_root`; `tasks`, the file of frozen tasks if it was tested on such; and
            `weights`, the file that a run of words began with, if it did.

    Raises:
        UsageError: the folder has no record or no predictions that can be used, or the file cannot be written.
        episodes.DataError: the data of a run of words are not here.
        RunError: the learner of a run of words fails.
    """
    record, _ = read_record(folder / RECORD_FILE)
    ending = output.suffix.lower() if output else ""
    if record.dataset.kind in SPANS:
        if output and ending not in PAGES:
            raise UsageError(f"-o {output}: what is found in texts is not drawn; name a file that ends in .html")
        found, mistakes = _words_found(folder, record, settings)
        what = {"entities": "wrong entities", "questions": "wrong answers"}[record.dataset.kind]
        title = f"{what.capitalize()}, the most confident first, each text once" if mistakes else f"No {what}"
        return _shown(found, mistakes, title, "", output, terminal)
    if settings.pop("weights", None):
        raise UsageError(f"--weights: '{folder}' kept its predictions, and needs none; leave it out")
    found, of_texts = report(folder), record.dataset.kind == "text"
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
    page = output if ending in PAGES else None
    return _shown(found, mistakes, _title(found, mistakes), why, page, terminal)


def _words_found(folder: Path, record: RunRecord, settings: dict[str, Any]) -> tuple[Report, list[Mistake]]:
    from metabench.rerun import found as of_words  # imports torch, too

    asked = list(of_words.queries(folder, **settings))
    if record.dataset.kind == "entities":
        tables = {"Types, lowest F1 first, all tasks together": of_words.by_type(asked)}
    else:
        tables = {"Answers": of_words.by_kind(asked)}
    return Report(record, pd.DataFrame(), tables), of_words.mistakes(asked)


def _shown(found: Report, mistakes: list[Mistake], title: str, why: str, page: Path | None, terminal: Terminal) -> str:
    """The report with the mistakes below it, or why there are none; written to a page, too."""
    if page:
        notes = (found.lines[1], *([why] if why else []))
        made = Page(found.lines[0], notes, found.for_page(), mistakes, mistakes_title="" if why else title)
        write_bytes(page, html(made).encode())
    below = why or f"{title}{':' if mistakes else ''}\n{mistakes_text(mistakes, terminal)}".rstrip()
    return f"{found}\n\n{below}"


def _title(found: Report, mistakes: list[Mistake]) -> str:
    wrong = int((~right(found.predictions)).sum())
    if not mistakes:
        return "No query was predicted wrong"
    return f"Wrong queries, the most confident first, each text once ({len(mistakes)} of {wrong:,})"
