"""The leaderboard as LaTeX: a table that compiles whatever is in a record, and marks what the ranks say."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser

from metabench.board.latex import latex
from metabench.board.rows import Entry, entries
from metabench.board.text import csv
from metabench.escape import latex_text
from metabench.records.runs import read_runs
from metabench.stats.ranking import Place
from tests.conftest import PROJECT
from tests.made_rows import make_row, opened

# Every control word that a table may hold; each of its symbols is `\` and one character.
WORDS = {"begin", "end", "centering", "caption", "toprule", "midrule", "bottomrule", "usepackage", "texttt", "mathbf"}
WORDS |= {"pm", "dagger", "textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar"}
WORDS |= {"textasciigrave", "ldots"}


def check(text: str) -> None:
    """Braces, mathematics and environments are closed in their order, and nothing but `WORDS` is a command."""
    bare = re.sub(r"\\[#$%&_{}\\]", "", "\n".join(line for line in text.split("\n") if not line.startswith("%")))
    assert set(re.findall(r"\\([a-zA-Z]+)", bare)) <= WORDS
    assert not re.search(r"\\(?![a-zA-Z])", bare)
    assert not re.search(r"[#%~\"]|\^(?!\{|\*)|_(?!\{)", bare), bare
    depth = 0
    for character in bare:
        depth += (character == "{") - (character == "}")
        assert depth >= 0
    assert depth == 0
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", bare):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []
    for line in bare.split("\n"):
        assert line.count("$") % 2 == 0
        assert not re.search(r"[_^]", "".join(line.split("$")[::2])), line


def columns(text: str) -> list[int]:
    """Of each line of a table's body its number of cells, less those that its `tabular` has."""
    found = []
    for declared, body in re.findall(r"\\begin\{tabular\}\{(\w+)\}\n(.*?)\\end\{tabular\}", text, re.S):
        lines = [line for line in body.split("\n") if line.endswith(r"\\")]
        found += [len(re.findall(r"(?<!\\)&", line)) + 1 - len(declared) for line in lines]
    return found


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_text(text: str) -> None:
    check(rf"\texttt{{{latex_text(text)}}}")


def test_what_latex_has_letters_for_stays() -> None:
    assert latex_text("Müller, Nguyễn, Łukasz 北\n100% --steps_x") == r"Müller, Nguy?n, Łukasz ? 100\% -{}-steps\_x"
    assert latex_text(r"\input{x} ^~") == r"\textbackslash{}input\{x\} \textasciicircum{}\textasciitilde{}"


def test_the_reference_is_a_table_for_each_task() -> None:
    rows = entries(read_runs(PROJECT / "results" / "reference")[0])
    text = latex(rows)
    check(text)
    assert set(columns(text)) == {0}
    assert text.count(r"\begin{tabular}") == len({row.board for row in rows})
    for row in rows:
        assert re.search(rf"(?<![\d.]){row.values.mean:.{row.metric.digits}f}(?!\d)", text)


def ranked(learner: str, mean: float, place: Place | None, **changes: object) -> Entry:
    made = make_row(learner, mean, mean - 1, mean + 1, rank=None, **changes)  # type: ignore[arg-type]
    made.__dict__["rank"] = place
    return made


HOSTILE = r"\end{tabular}%$&_#{}^~|<x>"
ROWS = [
    ranked("best", 90, Place(1, 2)),
    ranked("equal", 89.5, Place(1, 2, borrowed=True)),
    ranked(HOSTILE, 80, Place(3, 3), changed_options={HOSTILE: HOSTILE}),
    ranked("edge", 99.5, None, contract=("broken",)),
]


def test_bold_is_the_best_and_marked_who_is_not_worse() -> None:
    text = latex(ROWS)
    check(text)
    assert set(columns(text)) == {0}
    lines = [line.strip() for line in text.split("\n") if r"\texttt" in line]
    assert [line.split(" & ")[0] for line in lines] == ["1--2", "1--2$^*$", "3", "--"]
    assert [r"\mathbf{90.00}" in lines[0], text.count(r"\mathbf")] == [True, 1]  # not who broke the contract
    assert r"$89.50 \pm 1.00{}^{\dagger,t}$" in lines[1]
    assert text.count(r"\dagger,t") == 1
    assert r"99.50_{-1.00}^{+0.50}" in lines[3]
    least = latex([ranked(name, error, None, dataset="sinusoid") for name, error in (("a", 2), ("b", 3))])
    assert r"\mathbf{2.0000}" in least


@pytest.mark.parametrize("search", ["", "equal"])
def test_the_page_downloads_what_it_shows(browser: Browser, tmp_path: Path, search: str) -> None:
    rows = [*ROWS, ranked("equal", 70, None, shots=5)]
    with opened(browser, tmp_path, rows, f"#search={search}") as shown:
        kept = [row for row in rows if search in row.values.learner]
        for kind, made, name in (("csv", csv(kept), "leaderboard.csv"), ("latex", latex(kept), "leaderboard.tex")):
            with shown.expect_download() as download:
                shown.locator(f"#download-{kind}").click()
            assert download.value.suggested_filename == name
            text = Path(download.value.path()).read_text()
            if kind == "latex" and search:  # columns and marks are the whole board's
                check(text)
                assert set(columns(text)) == {0}
                assert text.count(r"\texttt{equal}") == text.count(r"\begin{table}") == 2
                assert r"\mathbf{90.00}" not in text
            else:
                assert text == made
        assert json.loads(shown.locator("#files").text_content() or "")["csv"][0] == csv(rows).split("\n")[0]
