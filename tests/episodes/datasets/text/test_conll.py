import codecs
import gzip
import warnings
from pathlib import Path

import pytest

from episodes import DataError, DataOptions, load
from episodes.datasets.text.conll import read_conll
from episodes.datasets.text.spans import all_way_spans

PLAIN = "EU\tB-ORG\nrejects\tO\nGerman\tB-MISC\n\nPeter\tB-PER\nBlack\tI-PER\nruns\tO\n"


def write(folder: Path, content: str | bytes, name: str = "x.conll") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def found(path: Path) -> list[tuple[str, list[tuple[str, str]]]]:
    sentences, _ = read_conll(path)
    return [
        (each.text, [(" ".join(each.text.split()[first:last]), name) for first, last, name in each.mentions])
        for each in sentences
    ]


RIGHT = [("EU rejects German", [("EU", "ORG"), ("German", "MISC")]), ("Peter Black runs", [("Peter Black", "PER")])]


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.encode("utf-8-sig"),
        codecs.BOM_UTF16_LE + PLAIN.encode("utf-16-le"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.rstrip("\n"),
        "\n\n" + PLAIN.replace("\n\n", "\n \t\n\n\n") + "\n\n",
        PLAIN.replace("\t", " "),
        PLAIN.replace("\t", "\tNNP\tB-NP\t"),
        "-DOCSTART- -X- O\n\n" + PLAIN.replace("\t", " NNP B-NP "),
        gzip.compress(PLAIN.encode(), mtime=0),
        PLAIN.replace("B-ORG", "S-ORG").replace("I-PER", "E-PER"),
    ],
)
def test_forms_of_the_same_file(tmp_path: Path, content: str | bytes) -> None:
    assert found(write(tmp_path, content)) == RIGHT


def test_words_are_where_the_text_has_them(tmp_path: Path) -> None:
    text = "caf\u00e9\tO\n\N{GRINNING FACE}\tB-x\n:)\tO\n"
    (one,), types = read_conll(write(tmp_path, text))
    assert types == ("x",)
    assert [one.text[first:last] for first, last in one.words] == one.text.split()


def test_types_alone_make_a_mention_of_adjoining_words(tmp_path: Path) -> None:
    text = "Peter\tperson-actor\nBlack\tperson-actor\nParis\tlocation\nO\tO\n"
    ((whole, mentions),) = found(write(tmp_path, text))
    assert whole == "Peter Black Paris O"
    assert mentions == [("Peter Black", "person-actor"), ("Paris", "location")]


def test_adjoining_mentions_are_kept_apart(tmp_path: Path) -> None:
    ((_, mentions),) = found(write(tmp_path, "a\tB-x\nb\tB-x\nc\tI-x\nd\tB-y\ne\tB-y\n"))
    assert mentions == [("a", "x"), ("b c", "x"), ("d", "y"), ("e", "y")]


def test_an_inside_label_after_another_type_begins_a_mention_and_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, "a\tB-x\n\nb\tO\nc\tI-x\nd\tI-x\ne\tI-y\n")
    with pytest.warns(
        UserWarning, match="has 2 labels I-TYPE after a word of another type or none, 'I-x' of line 4 first"
    ):
        assert found(path)[1] == ("b c d e", [("c d", "x"), ("e", "y")])


def test_a_file_of_inside_labels_alone_is_another_scheme_and_no_fault(tmp_path: Path) -> None:
    """CoNLL-2003's own: B-TYPE only where two mentions of a type adjoin."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert found(write(tmp_path, "a\tI-x\nb\tB-x\nc\tO\nd\tI-y\n"))[0][1] == [("a", "x"), ("b", "x"), ("d", "y")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tO\nb\n", "line 2: found 'b', and a line needs a word and its label"),
        ("a\t\n", "line 1: found 'a', and a line needs"),
        ("\tO\n", "line 1: found 'O', and a line needs"),
        (
            "a\tB-x\nb\tperson\n",
            "line 2: label 'person' is of another scheme than 'B-x' of line 1; give all lines B-TYPE",
        ),
        (
            "a\tperson\nb\tB-x\n",
            "line 2: label 'B-x' is of another scheme than 'person' of line 1; give all lines B-TYPE",
        ),
        ("a\tB\nb\tI\n", "has labels 'B' and 'I', which are not of the form B-TYPE and I-TYPE; write them so"),
        ("a\tb-x\nb\ti-x\n", "has labels 'b-x' and 'i-x', which are not of the form"),
        ("a\tB_x\nb\tI_x\n", "has labels 'B_x' and 'I_x', which are not of the form"),
        ("", "has no words"),
        ("\n\n-DOCSTART-\tO\n\n", "has no words"),
        (b"a\tO\n\xff\tO\n", r"is not UTF-8: its byte 5 \(0xFF\)"),
        (gzip.compress(PLAIN.encode(), mtime=0)[:-9], "ends too early for a gzip file"),
        ("a\tO\nb\0\tO\n", "NUL character in line 2"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=message) as error:
        read_conll(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_types_are_split_and_sentences_once_each(tmp_path: Path) -> None:
    lines = "".join(f"word{n}\tB-type{n % 6}\nand\tO\n\n" for n in range(60))
    path = write(tmp_path, lines + lines.upper().replace("B-TYPE", "B-type"))
    dataset = load(f"conll:{path}")
    assert dataset.name == "conll:x.conll"
    assert dataset.split == "small-seed=0"
    banks = (dataset.train, dataset.validation, dataset.test)
    assert [bank.classes for bank in banks] == [2, 2, 2]
    assert [len(bank) for bank in banks] == [20, 20, 20]
    assert len({text for bank in banks for text in bank.texts()}) == 60


def test_types_that_differ_in_case_alone_are_named(tmp_path: Path) -> None:
    said = "has types that differ in case alone, 'X' and 'x' first; each is a class of its own"
    with pytest.warns(UserWarning, match=said):
        assert read_conll(write(tmp_path, "a\tB-x\nb\tB-X\n"))[1] == ("X", "x")


def test_all_types_have_the_last_fifth_of_the_sentences_as_queries(tmp_path: Path) -> None:
    path = write(tmp_path, "".join(f"word{n}\tB-type{n % 2}\nand\tO\n\n" for n in range(52)))
    dataset = all_way_spans(f"conll:{path}", DataOptions())
    assert (len(dataset.test), dataset.test.held) == (52, 10)
    assert [dataset.test.text(row) for row in (42, 51)] == ["word42 and", "word51 and"]
    assert len(dataset.train) == 42
    assert dataset.validation.held == 8


def test_requests_that_cannot_be_met(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN)
    with pytest.raises(DataError, match=r"has 3 types \(MISC, ORG, PER\), too few to train on some .* --task all-way"):
        load(f"conll:{path}")
    swapped = write(tmp_path, "".join(f"B-type{n % 2}\tword{n}\n\n" for n in range(52)), "swapped.conll")
    with pytest.raises(DataError, match="has no word outside of mentions, with the label O; give each word in the"):
        all_way_spans(f"conll:{swapped}", DataOptions())
    one = write(tmp_path, "a\tB-x\n", "one.conll")
    with pytest.raises(DataError, match=r"has 1 type \(x\), too few"):
        load(f"conll:{one}")
    with pytest.raises(DataError, match=r"has too few sentences \(2\); --task all-way needs at least 5"):
        all_way_spans(f"conll:{path}", DataOptions())
    with pytest.raises(DataError, match="there is no file"):
        load(f"conll:{tmp_path / 'none'}")
    with pytest.raises(DataError, match="is not a file"):
        load(f"conll:{tmp_path}")
    with pytest.raises(DataError, match="--image-size does not go with"):
        load(f"conll:{path}", DataOptions(image_size=32))
    with pytest.raises(DataError, match="did you mean 'conll:FILE'"):
        load("conll")
