import copy
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from episodes import DataError
from episodes.banks.vocabulary import PARTS, TextShape, Vocabulary

TEXTS = ["the cat sat on the mat", "a dog sat there", "cats and dogs, 2 of each!", "thé Straße naïve", "猫 和 狗"] * 3


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.trained(TEXTS, 120)


def test_it_is_berts_form_of_texts_and_pairs(vocabulary: Vocabulary) -> None:
    first, separator = vocabulary.number("first"), vocabulary.number("separator")
    ids, ends, cut = vocabulary.encode(["the cat", f"the cat{PARTS}a dog", ""], 32)
    one, pair, empty = np.split(ids, ends[:-1])
    assert cut == 0
    assert (one[0], one[-1], len(one)) == (first, separator, 4)
    assert np.flatnonzero(pair == separator).tolist() == [3, len(pair) - 1]
    assert empty.tolist() == [first, separator]
    assert vocabulary.decode(pair) == "the cat a dog"


def test_the_same_texts_give_the_same_vocabulary_in_another_process(vocabulary: Vocabulary) -> None:
    """The trainer alone gives another one in each process, since equal counts are many."""
    program = f"from episodes.banks.vocabulary import Vocabulary; print(Vocabulary.trained({TEXTS!r}, 120).digest)"
    digests = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(3)
    }
    assert digests == {vocabulary.digest}
    assert Vocabulary.trained(TEXTS[:4], 120).digest != vocabulary.digest


def test_it_has_as_many_tokens_as_asked_and_every_letter(vocabulary: Vocabulary) -> None:
    assert len(vocabulary) <= 120
    unknown = vocabulary.number("unknown")
    ids, _, _ = vocabulary.encode(["tactic", "dog猫"], 32)
    assert unknown not in ids
    assert unknown in vocabulary.encode(["§"], 32)[0]


def test_long_texts_lose_their_end_and_pairs_that_of_the_longer_part(vocabulary: Vocabulary) -> None:
    whole, _, _ = vocabulary.encode(["the cat sat on the mat"], 64)
    ids, _, cut = vocabulary.encode(["the cat sat on the mat", "a dog"], 5)
    assert cut == 1
    assert ids[:4].tolist() == whole[:4].tolist()
    assert ids[4] == vocabulary.number("separator")
    pair, _, cut = vocabulary.encode([f"a dog{PARTS}the cat sat on the mat"], 8)
    assert cut == 1
    assert len(pair) == 8
    assert vocabulary.decode(pair).startswith("a dog the")


@given(st.lists(st.text(max_size=40), max_size=8))
@settings(max_examples=60, deadline=None)
def test_texts_of_any_kind_are_encoded_each_on_its_own(vocabulary: Vocabulary, texts: list[str]) -> None:
    texts = [text.replace(PARTS, " ") for text in texts]
    ids, ends, _ = vocabulary.encode(texts, 16)
    assert len(ends) == len(texts)
    together = np.split(ids, ends[:-1]) if texts else []
    for text, found in zip(texts, together, strict=True):
        assert found.tolist() == vocabulary.encode([text], 16)[0].tolist()
        assert 2 <= len(found) <= 16


def test_pieces_that_go_on_with_a_word_are_known(vocabulary: Vocabulary) -> None:
    for number in range(len(vocabulary)):
        assert vocabulary.continues[number] == vocabulary.token(number).startswith("##")
    assert vocabulary.continues.any()


def test_what_is_no_tokenizer_is_refused() -> None:
    with pytest.raises(DataError, match="the tokenizer cannot be read"):
        Vocabulary("{}")
    with pytest.raises(DataError, match="has no '<mask>' to use as its mask token"):
        Vocabulary(Vocabulary.trained(TEXTS, 120).content, {"mask": "<mask>"})


def test_a_shape_is_a_tuple_of_the_most_tokens(vocabulary: Vocabulary) -> None:
    shape = TextShape(32, vocabulary)
    assert shape == (32,)
    assert shape.frequencies.shape == (len(vocabulary),)


def test_a_copied_shape_is_the_same_with_its_vocabulary(vocabulary: Vocabulary) -> None:
    """A learner's copy, as after other gradient steps, has it too."""
    shape = TextShape(8, vocabulary, 3)
    copied = copy.deepcopy({"shape": shape})["shape"]
    assert copied == (8,)
    assert copied.vocabulary is vocabulary
    assert copied.documents == 3
