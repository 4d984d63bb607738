"""Text files in all encodings that are read, and one line about those that are not."""

import codecs
import csv
import gzip
from pathlib import Path

import pytest

from episodes import DataError
from episodes.datasets.text.reading import BLOCK, clean, clean_label, decoded, opened, read_json, read_rows


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "encode",
    [
        str.encode,
        lambda text: text.encode("utf-8-sig"),
        lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    ],
)
def test_utf_8_and_utf_16_are_read_packed_or_not(encode: object, packed: bool, tmp_path: Path) -> None:
    text, file = "zwölf 🙂 猫\nzwei", tmp_path / "a.txt"
    content = encode(text)  # type: ignore[operator]
    file.write_bytes(gzip.compress(content) if packed else content)
    with opened(file) as found:
        assert found.read() == text
    assert decoded(content, "a") == text


@pytest.mark.parametrize("before", [0, 5, BLOCK - 1, 2 * BLOCK + 3])
@pytest.mark.parametrize("packed", [False, True])
def test_the_first_byte_that_does_not_fit_is_named(before: int, packed: bool, tmp_path: Path) -> None:
    content = b"a" * before + "é".encode("cp1252") + b" is cp1252"
    (tmp_path / "a.txt").write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(
        DataError, match=rf"a.txt' is not UTF-8: its byte {before + 1:,} \(0xE9\) does not fit .*; save"
    ):
        list_lines(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (codecs.BOM_UTF8 + b"ab\xff", "UTF-8: its byte 6 "),
        ("ab猫".encode()[:-1], "UTF-8: its byte 3 "),  # in the middle of a character
        (codecs.BOM_UTF16_LE + b"a\x00b", "UTF-16: its byte 5 "),
        (codecs.BOM_UTF16_LE + b"a\x00\x00\xdc", "UTF-16: its byte 5 "),  # half a pair of surrogates
    ],
)
def test_places_count_from_the_first_byte_of_the_file(content: bytes, place: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError, match=place):
        list_lines(tmp_path / "a.txt")
    with pytest.raises(DataError, match=place):
        decoded(content, "a")


def list_lines(path: Path) -> list[str]:
    with opened(path) as file:
        return list(file)


def test_a_gzip_file_that_was_cut_or_changed_is_told_of(tmp_path: Path) -> None:
    whole = gzip.compress(bytes(range(48, 58)) * 10_000)
    (tmp_path / "a.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"a.gz' ends too early for a gzip file; download it again"):
        list_lines(tmp_path / "a.gz")
    (tmp_path / "a.gz").write_bytes(whole[:20] + b"\xff" * 20 + whole[40:])
    with pytest.raises(DataError, match=r"cannot read '.*a.gz': .*; repair the file or download it again"):
        list_lines(tmp_path / "a.gz")
    with pytest.raises(DataError, match=r"cannot read '.*none': No such file or directory"):
        list_lines(tmp_path / "none")


def test_text_without_a_byte_order_mark_but_with_nul_is_no_text() -> None:
    with pytest.raises(DataError, match=r"a has a NUL character in line 2, .* UTF-16 without a byte order mark"):
        decoded(b"a\n\0b", "a")


def test_control_characters_and_line_ends() -> None:
    assert clean("a\r\nb\rc\nd\te") == "a\nb\nc\nd\te"
    assert clean("a\x1fb\x00c\x7fd\x85e") == "a b c d e"
    assert clean("🙂 \u200d é") == "🙂 \u200d é"
    assert clean("\ud83d!") == "?!"
    assert clean_label("  cafe\u0301 \n noir ") == "café noir"


def table(path: Path, content: str, *possible: str, tabs: bool = False) -> list[list[str | None]]:
    path.write_text(content, encoding="utf-8", newline="")
    return [row.fields for row in read_rows(path, ("a", "b"), possible, tabs=tabs, advice="do this")]


def test_tables_have_quoted_commas_line_ends_and_long_fields(tmp_path: Path) -> None:
    file, limit = tmp_path / "a.csv", csv.field_size_limit()
    assert table(file, 'x,b, a \r\n1,"2,\r\n""3""",4\r\n\r\n5,6,7\r\n') == [["4", '2,\r\n"3"'], ["7", "6"]]
    assert table(file, f"a,b\n{'x' * 300_000},y\n") == [["x" * 300_000, "y"]]
    assert csv.field_size_limit() == limit
    assert table(file, 'a\tb\n"1\t2"\n', tabs=True) == [['"1', '2"']]
    assert table(file, "a,b\n1,2\n", "c") == [["1", "2", None]]
    assert table(file, "b,c,a\n1,2,3\n", "c") == [["3", "1", "2"]]
    assert [row.line for row in read_rows(file, ("a",), advice="")] == [2]
    file.write_text('a,b\n"1\n1",2\n3,4\n')
    assert [row.line for row in read_rows(file, ("a",), advice="")] == [2, 4]


FAULTS = {
    "": "has no column 'a': found an empty first line; do this",
    "text;label\n1;2\n": "has no column 'a': found columns 'text;label'; do this",
    "aa,c\n": "has no column 'a': found columns 'aa', 'c'; rename 'aa' to 'a'",
    "a,b,a\n1,2,3\n": "has column 'a' 2 times; leave it once",
    "a,b\n1,2\n\n3\n": "line 4: 1 field, and the header has 2",
    "a,b\n1,2,3\n": "line 2: 3 fields, and the header has 2; put fields that have a separator",
    'a,b\n1,2\n"3,4\n5,6\n': "the row of line 3: unexpected end of data",
    'a,b\n"1"x,2\n': "the row of line 2: ',' expected after '\"'",
    "a,b\n1,2\n3,\0\n": "has a NUL character in line 3",
}


@pytest.mark.parametrize("content", FAULTS)
def test_what_is_wrong_with_a_table_is_said_with_its_line(content: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        table(tmp_path / "a.csv", content)
    assert FAULTS[content] in str(caught.value)


def test_json_is_read_or_its_fault_said(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(gzip.compress(b"\xef\xbb\xbf[1]"))
    assert read_json(tmp_path / "a.json") == [1]
    for content in (b"[1", b"[" * 100_000):
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(DataError, match=r"a.json' is not valid JSON: .*; download it again"):
            read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_bytes(b'"\xff"')
    with pytest.raises(DataError, match=r"a.json' is not UTF-8: its byte 2"):
        read_json(tmp_path / "a.json")
