import io
from pathlib import Path

import numpy as np
import pandas as pd
from markdown_it import MarkdownIt

from metabench.board.columns import COLUMNS
from metabench.board.latex import latex
from metabench.board.rows import entries
from metabench.board.text import csv, markdown, printable
from metabench.records.record import Floor
from metabench.records.runs import Run, read_runs
from tests.conftest import PROJECT
from tests.made_records import UNTRAINED, make_record, selection

FORMULA = '=HYPERLINK("http://example.org","x")'
SCRIPT = "<script>alert(1)</script> | [a](javascript:b)"


def run(accuracies: list[float], **changes: object) -> Run:
    array = np.array(accuracies)
    return Run(make_record(array, **changes), array)


def test_the_csv_is_read_back_as_the_entries() -> None:
    rows = entries(read_runs(PROJECT / "results" / "reference")[0])
    table = pd.read_csv(io.StringIO(csv(rows)), keep_default_na=False)
    assert list(table.columns) == list(COLUMNS)
    assert set(table["schema_version"]) == {4}
    lows = [str(entry.rank.low) if entry.rank else "" for entry in rows]
    assert table["rank_low"].astype(str).tolist() == lows
    assert table["task"].tolist() == [entry.values.task for entry in rows]


def test_text_of_records_computes_nothing_in_a_spreadsheet() -> None:
    rows = entries([run([0.5, 0.75], learner=FORMULA, class_split="@x", changed_options={"+a": "\t=b"})])
    table = pd.read_csv(io.StringIO(csv(rows)))
    assert table["learner"].tolist() == ["'" + FORMULA]
    assert table["split"].tolist() == ["'@x"]
    for cell in table.select_dtypes(exclude="number").iloc[0].astype(str):
        assert not cell.startswith(("=", "+", "-", "@"))


TASKS = np.tile([0.0, 0.1, 0.2], 4)


def test_markdown_has_a_table_a_board_with_ranks_and_what_was_given() -> None:
    floors = {name: Floor(mean=mean, half_width=0, episodes=12) for name, mean in (("chance", 0.2), ("pixels", 0.31))}
    text = markdown(
        entries(
            [
                run(0.5 + TASKS, learner="good", transductive=True, floors=floors, **UNTRAINED),
                run(0.1 + TASKS, learner="bad", **UNTRAINED),
                run([0.5, 0.25], dataset="sinusoid", shots=10),
            ]
        )
    )
    assert text.count("\n## ") + text.startswith("## ") == 2
    assert "## glyphs, 5-way 1-shot (split scripts, test data abababab)" in text
    assert "## sinusoid, 10-shot" in text
    # Student's t of twelve: 2.201 x 8.528 / sqrt(12) = 5.42; w = 5.42^2 / (60 x 40) = 0.01224, and Wilson's longer arm
    # is 60 - ((60 + w / 2 x 100) - 100 sqrt(w (0.24 + w / 4))) / (1 + w) = 5.51; for 20% likewise 5.94.
    assert (
        "| 1 | good |  | 60.00 ± 5.51 |  | 5.51 | 31.00 | 1 | 12 | 10 | 0 | 2.0 | transductive, outside data |" in text
    )
    assert "| 2 | bad |  | 20.00 ± 5.94 |  | 5.94 |  | 1 | 12 | 10 | 0 | 2.0 | outside data |" in text
    assert "| Accuracy, % |" in text
    assert "| Mean squared error |" in text
    assert "0.3750 ± 1.5883" in text


def test_text_of_records_is_no_markup_in_markdown() -> None:
    hostile = {"learner": SCRIPT, "class_split": SCRIPT, "dataset": SCRIPT, "changed_options": {SCRIPT: SCRIPT}}
    tokens = MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(
        markdown(entries([run([0.5, 1], **hostile)]))
    )
    assert "html_block" not in {token.type for token in tokens}
    kinds = {child.type for token in tokens for child in token.children or []}
    assert kinds <= {"text", "text_special"}
    cells = ["".join(child.content for child in token.children or []) for token in tokens if token.type == "inline"]
    assert SCRIPT in cells
    assert len(cells) == 1 + 13 + 13


def test_the_reference_table_is_up_to_date() -> None:
    folder = PROJECT / "results" / "reference"
    assert Path(folder, "leaderboard.csv").read_text(encoding="utf-8") == csv(entries(read_runs(folder)[0]))


def test_a_run_says_from_how_many_settings_its_own_were_chosen() -> None:
    chosen = {"options": {"inner_steps": 3}, "changed_options": {"inner_steps": 3}}
    rows = entries(
        [
            run(0.5 + TASKS, selection=selection(s1=0.5, s3=0.75), **chosen, **UNTRAINED),
            run(0.1 + TASKS, **UNTRAINED),
        ]
    )
    note = "chosen from 2 on validation, 60 s"
    table = pd.read_csv(io.StringIO(csv(rows)), keep_default_na=False)
    assert table["tries"].tolist() == [2, 1]
    assert table["search_seconds"].astype(str).tolist() == ["60.0", ""]
    assert table["settings"].tolist() == ["inner_steps=1|3 tries=2", ""]
    assert [text.count(note) for text in (markdown(rows), latex(rows))] == [1, 1]
    assert printable(rows, 200).count(f"[outside data, {note}]") == 1
