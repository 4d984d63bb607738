"""Words and their pieces, on real messages with links, emoji and names."""

from pathlib import Path

import numpy as np
import pytest

from episodes import DataOptions, load
from episodes.banks.spans import Sentence
from episodes.banks.vocabulary import Vocabulary
from episodes.banks.word_ids import word_ids
from metabench.backbone import vocabulary_of
from tests.made_sentences import sentence


@pytest.fixture(scope="module")
def minilm() -> Vocabulary:
    found = vocabulary_of("minilm")
    assert found is not None
    return found


def test_each_real_word_begins_where_its_letters_do(data_root: Path, minilm: Vocabulary) -> None:
    bank = load("wnut17", DataOptions(data_root)).test
    made = word_ids(bank.sentences, minilm, 128)
    assert len(made.window_ends) == len(bank)
    start = 0
    for each, end in zip(bank.sentences, made.ends[made.window_ends - 1], strict=True):
        ids = made.ids[start:end]
        places = np.flatnonzero(ids > 0)
        assert len(places) == len(each.words)
        for (first, last), place, after in zip(each.words, places, [*places[1:], len(ids) - 1], strict=True):
            word = each.text[first:last]
            pieces = (np.abs(ids[place:after]) - 1).tolist()
            alone = minilm.encode([word], 128)[0].tolist()[1:-1]
            assert pieces == (alone or [minilm.number("unknown")])
        start = end


@pytest.mark.parametrize("word", ["\N{ZERO WIDTH JOINER}", "\N{VARIATION SELECTOR-16}", "\u0301", "\x07"])
def test_a_word_that_the_vocabulary_drops_is_unknown(minilm: Vocabulary, word: str) -> None:
    made = word_ids([sentence(["so", word, "\N{GRINNING FACE}", "it"])], minilm, 32)
    assert (made.ids > 0).sum() == 4
    assert made.ids[2] - 1 == minilm.number("unknown")


def test_a_long_sentence_becomes_windows_of_the_size_asked_for(minilm: Vocabulary) -> None:
    made = word_ids([sentence(["word"] * 1000), sentence(["x" * 500])], minilm, 64)
    sizes = np.diff(made.ends, prepend=0)
    assert sizes.max() == 64
    assert (made.ids > 0).sum() == 1001
    assert made.window_ends[-1] == len(sizes)


def test_a_question_is_read_with_every_window_and_is_no_word(minilm: Vocabulary) -> None:
    text = "one two three " * 60
    words = [(place, place + len(word)) for place, word in _places(text)]
    asked = Sentence(text, words, [(0, 1, "answer")], question="What is it?", answers=("one",))
    made = word_ids([asked], minilm, 64)
    question = minilm.encode(["What is it?"], 64)[0]
    windows = np.split(made.ids, made.ends[:-1])
    assert len(windows) > 2
    for window in windows:
        assert np.array_equal(window[: len(question)], -(question + 1))
        assert window[-1] == -(minilm.number("separator") + 1)
    assert (made.ids > 0).sum() == len(words)
    assert made.cut == 0


def test_a_long_question_loses_its_end_and_is_counted(minilm: Vocabulary) -> None:
    asked = Sentence("it", [(0, 2)], [(0, 1, "answer")], question="why " * 200, answers=("it",))
    made = word_ids([asked], minilm, 384)
    assert made.cut == 1
    assert len(made.ids) == 64 + 3 + 1


def _places(text: str) -> list[tuple[int, str]]:
    found, place = [], 0
    for word in text.split():
        place = text.index(word, place)
        found.append((place, word))
        place += len(word)
    return found
