"""XQuAD: the published numbers, and no answer that its labels or windows lose."""

from pathlib import Path

import numpy as np
import pytest

from episodes import DataError, DataOptions, load
from episodes.banks.spans import QuestionBank
from episodes.banks.word_ids import word_ids
from episodes.dataset import Dataset
from episodes.datasets.text.spans import all_way_spans
from episodes.sampling.sampler import sampler
from episodes.tasks.spans import AllWaySpans, QuestionTask
from metabench.backbone import vocabulary_of


@pytest.fixture(scope="module")
def xquad(data_root: Path) -> Dataset[QuestionBank]:
    return all_way_spans("xquad", DataOptions(data_root))


def test_it_has_the_published_numbers(data_root: Path) -> None:
    """1,190 questions about 240 paragraphs: Artetxe et al. 2020, section 4."""
    dataset = load("xquad", DataOptions(data_root))
    banks = (dataset.train, dataset.validation, dataset.test)
    assert [len(bank) for bank in banks] == [584, 202, 404]
    assert [len(set(bank.documents)) for bank in banks] == [120, 40, 80]
    assert len({text for bank in banks for text in bank.texts()}) == 240


def test_labels_give_every_answer_to_the_letter_but_where_it_ends_in_a_word(xquad: Dataset[QuestionBank]) -> None:
    other = []
    for each in xquad.test.sentences:
        ((first, last, _),) = each.mentions
        found = each.text[each.words[first][0] : each.words[last - 1][1]]
        if found != each.answers[0]:
            other.append((found, each.answers[0]))
    assert other == [("7,000,000 square kilometres (2,700", "7,000,000 square kilometres (2,70")]


def test_windows_of_real_texts_have_each_word_once(xquad: Dataset[QuestionBank]) -> None:
    minilm = vocabulary_of("minilm")
    assert minilm is not None
    bank = xquad.test
    for most, least in ((384, 1), (128, 2)):
        made = word_ids(bank.sentences, minilm, most)
        marked = np.add.reduceat(made.ids > 0, np.concatenate([[0], made.ends[made.window_ends - 1][:-1]]))
        assert np.array_equal(marked, bank.lengths)
        assert np.diff(made.ends, prepend=0).max() <= most
        assert np.diff(made.window_ends, prepend=0).max() >= least
        assert made.cut == 0


def test_tasks_have_k_questions_and_share_no_text(xquad: Dataset[QuestionBank]) -> None:
    bank = xquad.test
    source = sampler(bank, AllWaySpans(16), 0)
    for number in range(3):
        drawn = source.drawn([number])  # type: ignore[attr-defined]
        assert drawn.support.shape == (1, 16)
        assert drawn.query.shape == (1, 404)
        assert not set(bank.documents[drawn.support[0]]) & set(bank.documents[drawn.query[0]])
    drawn = sampler(xquad.train, QuestionTask(2, 4, 8), 0).drawn([0])  # type: ignore[attr-defined]
    assert (drawn.support.shape, drawn.query.shape) == ((1, 4), (1, 8))
    assert not set(xquad.train.documents[drawn.support[0]]) & set(xquad.train.documents[drawn.query[0]])


def test_requests_that_cannot_be_met(tmp_path: Path, data_root: Path) -> None:
    with pytest.raises(DataError, match=r"xquad needs xquad.en.json of https"):
        load("xquad", DataOptions(tmp_path))
    with pytest.raises(DataError, match="xquad has no split 'seed=1'"):
        load("xquad", DataOptions(data_root, "seed=1"))
