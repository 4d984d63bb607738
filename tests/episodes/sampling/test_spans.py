import numpy as np
import pytest
import torch

from episodes import DataError, FixedTask
from episodes.banks.vocabulary import Vocabulary
from episodes.dataset import Dataset
from episodes.episode import item_counts
from episodes.files.token_cache import with_word_ids
from episodes.sampling.batches import BatchSampler
from episodes.sampling.spans import SpanSampler
from episodes.tasks.spans import EntityTask
from tests.made_sentences import WORDS, random_bank


@pytest.fixture(scope="module")
def source() -> SpanSampler:
    bank = random_bank(120)
    vocabulary = Vocabulary.trained([" ".join(WORDS)] * 3, 200)
    return SpanSampler(with_word_ids(Dataset("x", "y", bank, bank, bank), vocabulary, 32).test, EntityTask(3, 1, 5), 0)


def test_an_episode_is_the_same_whatever_was_drawn_before(source: SpanSampler) -> None:
    again = SpanSampler(source.bank, EntityTask(3, 1, 5), 0)
    first = [source.batch([number]) for number in range(5)]
    for number in (4, 0, 2):
        other = again.batch([number])
        assert torch.equal(other.query, first[number].query)
        assert torch.equal(other.query_labels, first[number].query_labels)
        assert torch.equal(other.support, first[number].support)
    assert not torch.equal(SpanSampler(source.bank, EntityTask(3, 1, 5), 1).batch([0]).support, first[0].support)


def test_there_is_a_label_for_each_word(source: SpanSampler) -> None:
    batch = source.batch([3])
    assert batch.ways == 3
    assert sum(item_counts(batch.support[0])) == batch.support_labels.shape[1]
    assert sum(item_counts(batch.query[0])) == batch.query_labels.shape[1]
    assert len(item_counts(batch.query[0])) == batch.query.shape[1]


def test_queries_come_in_random_order_with_their_labels(source: SpanSampler) -> None:
    drawn, shown = source.drawn([0]), source.indices([0])
    assert sorted(drawn.query[0]) == sorted(shown.query[0])
    assert drawn.query[0].tolist() != shown.query[0].tolist()
    truth = source.truth([0])
    assert np.array_equal(truth.labels, shown.query_labels[0])
    assert truth.lengths.sum() == len(truth.labels)
    assert (truth.labels[truth.begins] > 0).all()
    assert truth.begins.sum() == source.bank.mention_counts[shown.query[0]][:, shown.classes[0, 1:]].sum()


def test_each_gives_the_same_as_batch(source: SpanSampler) -> None:
    for number, one in enumerate(source.each(range(3))):
        assert torch.equal(one.query, source.batch([number]).query)


def test_several_do_not_make_a_batch(source: SpanSampler) -> None:
    assert not source.one_shape
    with pytest.raises(DataError, match="one at a time"):
        source.batch([0, 1])


def test_a_plain_task_has_labels_as_ways(source: SpanSampler) -> None:
    assert SpanSampler(source.bank, FixedTask(3, 1, 5), 0).task == EntityTask(3, 1, 5)


def test_a_batch_of_sentences_has_the_labels_of_their_words(source: SpanSampler) -> None:
    batch = BatchSampler(source.bank, 7, 0).batch(1)
    assert len(batch.images) >= 7  # windows, of which a long sentence has several
    assert sum(item_counts(batch.images)) == len(batch.labels)
    assert int(batch.labels.max()) <= 3
