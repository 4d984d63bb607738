import warnings
from pathlib import Path

import numpy as np
import pytest

from episodes import Dataset
from episodes.banks.text import TextBank
from episodes.banks.vocabulary import Vocabulary
from episodes.files.cache import made_files
from episodes.files.token_cache import tokenised

TEXTS = ["the cat", "the the dog", "a cat and a dog and a very long tail of words"]


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset[TextBank]:
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path))
    banks = [TextBank.from_labels(f"x/{part}", TEXTS, [0, 0, 1], ["a", "b"], ["a", "b"]) for part in "tvs"]
    return Dataset("x", "s", *banks)


def test_texts_are_tokenised_once(texts: Dataset[TextBank], monkeypatch: pytest.MonkeyPatch) -> None:
    vocabulary = Vocabulary.trained(TEXTS, 80)
    first = tokenised(texts, vocabulary, 64)
    assert len(made_files()) == 1
    monkeypatch.setattr(Vocabulary, "encode", lambda *_: pytest.fail("tokenised again"))
    again = tokenised(texts, vocabulary, 64)
    assert again.test.ids is not None
    assert first.test.ids is not None
    assert again.test.ids.tolist() == first.test.ids.tolist()
    assert again.train.fingerprint == texts.train.fingerprint


def test_another_vocabulary_length_or_text_is_another_file(texts: Dataset[TextBank]) -> None:
    small, large = (Vocabulary.trained(TEXTS, size) for size in (40, 80))
    for vocabulary, most in ((small, 64), (large, 64), (large, 48)):
        tokenised(texts, vocabulary, most)
    assert len(made_files()) == 3


def test_a_damaged_file_is_made_anew(texts: Dataset[TextBank]) -> None:
    vocabulary = Vocabulary.trained(TEXTS, 80)
    ids = tokenised(texts, vocabulary, 64).train.ids
    assert ids is not None
    expected = ids.tolist()
    (path,) = made_files()
    path.write_bytes(path.read_bytes()[:100])
    found = tokenised(texts, vocabulary, 64).train.ids
    assert found is not None
    assert found.tolist() == expected


def test_texts_that_lose_their_end_are_counted_each_time(texts: Dataset[TextBank]) -> None:
    vocabulary = Vocabulary.trained(TEXTS, 80)
    for _ in range(2):  # from the file too
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            tokenised(texts, vocabulary, 8)
        says = "the end of 1 of the 3 texts of 'x/{}' is cut, after 8 tokens; --max-tokens sets the limit"
        assert [str(each.message) for each in seen] == [says.format(part) for part in "tvs"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenised(texts, vocabulary, 64)


def test_in_how_many_training_texts_a_token_occurs(texts: Dataset[TextBank]) -> None:
    vocabulary = Vocabulary.trained(TEXTS, 80)
    shape = tokenised(texts, vocabulary, 64).train.shape
    assert shape is not None
    assert shape.documents == 3
    _, the, _ = vocabulary.encode(["the"], 8)[0]
    assert shape.frequencies[the] == 2  # "the the dog" once
    assert shape.frequencies[vocabulary.number("first")] == 3
    hidden = tokenised(texts, vocabulary, 64, counted=False).train.shape
    assert hidden is not None
    assert hidden.documents == 0
    assert not np.any(hidden.frequencies)
