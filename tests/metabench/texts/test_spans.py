import pytest
from hypothesis import given
from hypothesis import strategies as st

from episodes.banks.vocabulary import PARTS
from metabench.records.shown import Piece
from metabench.texts.spans import Span, from_marks, marked, pieces


def test_spans_are_marked_with_what_they_are() -> None:
    text = "Ada Lovelace was born in London"
    made = marked(text, [Span(0, 12, "person"), Span(25, 31, "place")])
    assert [(piece.text, piece.labels) for piece in made] == [
        ("Ada Lovelace", ("person",)),
        (" was born in ", ()),
        ("London", ("place",)),
    ]
    answer = marked("in 1815, in London", [Span(3, 7, "answer")])
    assert [piece.text for piece in answer if piece.labels] == ["1815"]


def test_spans_may_lie_in_each_other_and_overlap() -> None:
    made = marked("abcdef", [Span(0, 4, "one"), Span(2, 6, "two"), Span(3, 4, "three")])
    assert [(piece.text, piece.labels) for piece in made] == [
        ("ab", ("one",)),
        ("c", ("one", "two")),
        ("d", ("one", "two", "three")),
        ("ef", ("two",)),
    ]


@given(
    st.text(alphabet="abc d", min_size=1, max_size=20),
    st.lists(st.tuples(st.integers(-3, 25), st.integers(-3, 25), st.sampled_from("xyz")), max_size=5),
)
def test_whatever_the_spans_every_character_has_the_labels_of_its_own(
    text: str, spans: list[tuple[int, int, str]]
) -> None:
    made = marked(text, [Span(*span) for span in spans])
    assert "".join(piece.text for piece in made) == text
    labels = [label for piece in made for label in [sorted(piece.labels)] * len(piece.text)]
    for place, found in enumerate(labels):
        assert found == sorted(label for start, end, label in spans if start <= place < end)


def test_a_text_without_characters_has_no_pieces() -> None:
    assert marked("", [Span(0, 3, "a")]) == ()


@pytest.mark.parametrize(
    ("text", "kept", "spans"),
    [
        ("In [E1] May 87 [/E1] , the [E2] case [/E2]", "In May 87 , the case", [("May 87", "E1"), ("case", "E2")]),
        ("[E2]b[/E2], [E1]a[/E1].", "b, a.", [("b", "E2"), ("a", "E1")]),
        ("[E1] [E2] both [/E2] of [/E1]", "both of", [("both", "E2"), ("both of", "E1")]),
        ("[E1] open", "[E1] open", []),
        ("[/E1] turned [E1]", "[/E1] turned [E1]", []),
        ("[E1] a [E1] b [/E1]", "[E1] a [E1] b [/E1]", []),
        ("[E3] none [/E3]", "[E3] none [/E3]", []),
    ],
)  # fmt: skip
def test_marks_of_relations_become_spans(text: str, kept: str, spans: list[tuple[str, str]]) -> None:
    found, marks = from_marks(text)
    assert found == kept
    assert [(found[start:end], label) for start, end, label in marks] == spans


def test_a_pair_of_texts_stands_side_by_side() -> None:
    assert pieces(f"first{PARTS}second") == (Piece(text="first ‖ second"),)
