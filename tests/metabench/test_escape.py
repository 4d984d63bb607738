import csv
import io
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from metabench.escape import csv_cell, is_plain, markdown_cell, plain

HOSTILE = [
    "<script>alert(1)</script>",
    "a|b\\|c",
    "[link](javascript:alert) ![x](http://example.org/x.png) <http://example.org>",
    "# h *x* _y_ `code` ~~s~~ $m$ &amp; &#42; www.example.org @someone",
    "**", "\\", "---", "1. x", "- x", "`", "a`b``c",
]  # fmt: skip


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\x07", "a\u202eb", "\u2066x", "\x9b1m", "zero\u200bwidth", "\ud800"])
def test_plain_text_has_no_orders_for_a_terminal_and_is_read_from_left_to_right(text: str) -> None:
    shown = plain(text)
    assert "\ufffd" in shown
    assert all(unicodedata.category(character)[0] != "C" for character in shown)
    assert is_plain(shown)
    assert not is_plain(text)


def test_plain_text_is_one_line_and_not_too_long() -> None:
    assert plain("a\nb\t\r c") == "a b  c"
    assert plain("x" * 10_000) == "x" * 500 + "…"
    assert plain("mäml ✓ 日本") == "mäml ✓ 日本"


@pytest.mark.parametrize("start", list("=+-@＝＋－＠") + ["\t=", "\r=", " =", "\n@"])  # noqa: RUF001
def test_a_spreadsheet_sees_no_formula(start: str) -> None:
    cell = csv_cell(start + 'HYPERLINK("http://example.org")')
    assert cell.startswith("'")
    assert csv_cell("maml") == "maml"
    assert csv_cell("a; b") == "a; b"


@given(st.text())
def test_no_cell_of_a_csv_begins_as_a_formula_does(text: str) -> None:
    file = io.StringIO()
    csv.writer(file).writerow([csv_cell(text), "x"])
    (row,) = csv.reader(io.StringIO(file.getvalue()))
    assert row == [csv_cell(text), "x"]
    for place in row[0].split(";"):  # where many countries' spreadsheets begin a new cell
        assert not re.match(r"\s*[=+\-@]", place)


def rendered(cell: str) -> str:
    """What a reader sees in the first cell, by a renderer of GitHub's tables that makes links of addresses too."""
    page = MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(
        f"| a | b |\n| --- | --- |\n| {cell} | end |\n"
    )
    inline = [token for token in page if token.type == "inline"]
    assert [token.content for token in inline][-1] == "end"
    assert len(inline) == 4
    children = inline[2].children or []
    assert {child.type for child in children} <= {"text", "text_special"}, children
    return "".join(child.content for child in children)


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_the_text_and_nothing_else(text: str) -> None:
    assert rendered(markdown_cell(text)) == text


@given(st.text(alphabet=st.sampled_from("ab |\\`*_~<>[]()!#&;$@:/.-+=\"'0")))
def test_whatever_the_text_markdown_shows_it(text: str) -> None:
    assert rendered(markdown_cell(text)).strip() == text.strip()


def test_markdown_makes_no_link_of_an_address() -> None:
    cell = markdown_cell("http://example.org www.example.org @someone")
    assert "://" not in cell
    assert "www." not in cell
    assert "@" not in cell
