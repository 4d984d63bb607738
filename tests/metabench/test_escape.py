import csv
import io
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from metabench.escape import MOST_MARKS, cells, csv_cell, is_plain, markdown_cell, plain, readable, shortened

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


@given(st.text(max_size=60), st.integers(1, 40))
def test_whatever_people_wrote_is_readable_in_one_line(text: str, longest: int) -> None:
    shown = readable(text, longest)
    joiners = "\u200c\u200d"
    assert not any(
        unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp") for each in shown if each not in joiners
    )
    marks = "".join("^" if unicodedata.category(each) in ("Mn", "Me") else " " for each in shown)
    assert "^" * (MOST_MARKS + 1) not in marks
    assert len(shown) <= longest + 1
    assert readable(shown, len(shown)) == shown


def test_scripts_and_emoji_are_readable_and_floods_are_not() -> None:
    for text in (
        "\u0645\u06cc\u200c\u062e\u0648",
        "क्\u200dष",
        "👩\u200d👩\u200d👧 ❤\ufe0f",
        "Tiếng Việt",
        "שָׁלוֹם",
        "日本",
        "a\u0301\u0302b",
    ):
        assert readable(text) == text
    assert readable("a" + "\u0301" * 99 + "b") == "a" + "\u0301" * MOST_MARKS + "b"
    between = readable("a" + "\u0301\u200c" * 99 + "b")
    assert between.count("\u0301") == MOST_MARKS
    assert readable("pay\u200dpal pay\u200cpal") == "paypal paypal"
    assert readable("😀" + "\u200d" * 50 + "😀") == "😀😀"
    assert readable("a\u200bb\x1b[1mc\u202ed") == "a\ufffdb\ufffd[1mc\ufffdd"
    assert readable("a" + "\u200b\u202e" * 99 + "b\x00\x00") == "a\ufffdb\ufffd"
    assert readable("x" * 600) == "x" * 500 + "…"


def test_columns_of_a_terminal_are_counted_and_kept() -> None:
    assert (cells("abc"), cells("日本"), cells("a\u0301"), cells("é")) == (3, 4, 1, 1)
    assert shortened("abc", 3) == "abc"
    assert shortened("abcd", 3) == "ab…"
    assert shortened("日本語", 5) == "日本…"
    assert shortened("word after", 6) == "word…"


@given(st.text(max_size=40), st.integers(1, 30))
def test_what_is_shortened_fits(text: str, columns: int) -> None:
    assert cells(shortened(readable(text), columns)) <= columns


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
