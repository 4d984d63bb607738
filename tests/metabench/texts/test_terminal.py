import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabench.escape import cells
from metabench.records.shown import Piece, ShownClass, ShownQuery, ShownTask
from metabench.texts.mistakes import Mistake, mistakes_text
from metabench.texts.spans import Span, marked, pieces
from metabench.texts.terminal import WRONG, Terminal, task_text, wrapped
from tests.hostile_texts import HOSTILE, harmless

STYLE = re.compile(r"\x1b\[[0-9;]+m")


def made_task(texts: list[str] = HOSTILE, predicted: bool = True) -> ShownTask:
    names = [f"class {text}" for text in texts[:3]]

    def query(place: int, text: str, name: str) -> ShownQuery:
        if not predicted:
            return ShownQuery(text=pieces(text))
        right = place % 2 == 0
        other = next(each for each in names if each != name)
        return ShownQuery(text=pieces(text), prediction=name if right else other, confidence=place / 10, right=right)

    classes = [
        ShownClass(
            name=name,
            support=tuple(pieces(text) for text in texts),
            queries=tuple(query(place, text, name) for place, text in enumerate(texts)),
            more_queries=7,
        )
        for name in names
    ]
    return ShownTask(title="made, task 3: accuracy 50.00%", classes=tuple(classes), unlabelled=(pieces("unknown"),))


@pytest.mark.parametrize("columns", [40, 57, 80, 200])
@pytest.mark.parametrize("predicted", [True, False])
def test_hostile_texts_are_harmless_and_keep_to_the_width(columns: int, predicted: bool) -> None:
    plain = task_text(made_task(predicted=predicted), Terminal(columns))
    assert harmless(plain)
    assert max(cells(line) for line in plain.splitlines()) <= columns
    coloured = task_text(made_task(predicted=predicted), Terminal(columns, colour=True))
    assert STYLE.sub("", coloured) == plain
    assert plain.count("\n") < 400  # the longest texts are shortened
    assert "…" in plain


def test_predictions_stand_before_their_queries_and_wrong_ones_are_marked() -> None:
    texts = ["where is it", "when does it come", "who has it", "what is it"]
    lines = task_text(made_task(texts), Terminal(80)).splitlines()
    first = lines.index("class where is it")
    assert lines[first + 1 : first + 12] == [
        "  support",
        "    where is it",
        "    when does it come",
        "    who has it",
        "    what is it",
        "  queries",
        "    class where is it      0.0%  where is it",
        f"  {WRONG} class when does it…   10.0%  when does it come",
        "    class where is it     20.0%  who has it",
        f"  {WRONG} class when does it…   30.0%  what is it",
        "    and 7 more",
    ]
    assert lines[-1].startswith(f"{WRONG} is wrong")
    coloured = task_text(made_task(texts), Terminal(80, colour=True))
    assert coloured.count(f"\x1b[31m{WRONG} ") == 6
    assert coloured.count("\x1b[32m  ") == 6


def test_a_class_without_queries_says_so() -> None:
    task = made_task(["where is it"], predicted=False)
    bare = task.model_copy(update={"classes": (ShownClass(name="a", support=(), queries=()), *task.classes)})
    assert task_text(bare, Terminal(80)).splitlines()[2:5] == ["a", "  support", "  no queries"]


def test_spans_are_in_brackets_and_underlined() -> None:
    text = marked("Ada was born in London", [Span(0, 3, "person"), Span(16, 22, "place")])
    assert Terminal(80).indented(text, "", 0) == "[person: Ada] was born in [place: London]"
    assert Terminal(80, colour=True).indented(text, "", 0) == (
        "\x1b[4m[person: Ada]\x1b[0m was born in \x1b[4m[place: London]\x1b[0m"
    )
    narrow = Terminal(40).indented(text, "> ", 2)
    assert narrow == "> [person: Ada] was born in [place:\n  London]"


def test_a_long_text_ends_in_an_ellipsis_unless_all_lines_are_asked_for() -> None:
    text = (Piece(text="word " * 60),)
    short = Terminal(40).indented(text, "", 0).splitlines()
    assert len(short) == 3
    assert short[-1].endswith("word…")
    whole = Terminal(40, lines=None).indented(text, "", 0)
    assert whole.split() == ["word"] * 60


@given(st.text(alphabet=st.sampled_from("ab日\u0301 "), max_size=80), st.integers(2, 20))
def test_lines_fit_and_lose_nothing_but_spaces(text: str, columns: int) -> None:
    parts = [text[start:end] for start, end in wrapped(text, columns)]
    assert all(cells(part) <= columns for part in parts)
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")
    if all(cells(word) <= columns for word in text.split()):
        assert [word for part in parts for word in part.split()] == text.split()
    assert not any(part.startswith(" ") for part in parts)


def test_mistakes_say_what_was_predicted_and_what_is_true() -> None:
    mistakes = [Mistake(pieces(text), HOSTILE[0], HOSTILE[2], 0.987) for text in HOSTILE]
    shown = mistakes_text(mistakes, Terminal(60))
    assert harmless(shown)
    assert shown.count("98.7%, true class </script>") == len(HOSTILE)
