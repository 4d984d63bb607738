"""Texts without labels: every text once an epoch, in batches of like length."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from episodes import DataError
from episodes.banks.text import TextBank
from episodes.banks.vocabulary import Vocabulary
from episodes.sampling.texts import TextBatch, TextSampler

NUMBERS = [" ".join(["x"] * (1 + number % 20)) + f" {number}" for number in range(103)]


@pytest.fixture(scope="module")
def bank() -> TextBank:
    vocabulary = Vocabulary.trained(NUMBERS, 400)
    ids, ends, _ = vocabulary.encode(NUMBERS, 64)
    made = TextBank.from_labels("x", NUMBERS, [0] * len(NUMBERS), ["a"], ["a"])
    return replace(made, ids=torch.from_numpy(ids + 1), id_ends=torch.from_numpy(ends))


def texts_of(batch: TextBatch) -> list[tuple[int, ...]]:
    return [tuple(row[row != 0].tolist()) for row in batch.ids]


def test_an_epoch_has_every_text_at_most_once_and_the_next_another_order(bank: TextBank) -> None:
    sampler = TextSampler(bank, 10, seed=0)
    first, second = ([text for i in range(10) for text in texts_of(sampler.batch(e * 10 + i))] for e in (0, 1))
    assert len(set(first)) == len(first) == 100
    assert len(set(second)) == 100
    assert first != second


def test_a_batch_is_a_pure_function_of_seed_and_number(bank: TextBank) -> None:
    sampler, again, other = TextSampler(bank, 10, 0), TextSampler(bank, 10, 0), TextSampler(bank, 10, 1)
    order = [3, 25, 4, 3, 11]
    drawn = [sampler.batch(number) for number in order]
    for number, batch in zip(order, drawn, strict=True):
        assert torch.equal(again.batch(number).ids, batch.ids)
        assert again.batch(number).key == batch.key
    assert drawn[0].key == drawn[3].key
    assert len({batch.key for batch in drawn}) == 4
    assert texts_of(other.batch(3)) != texts_of(drawn[0])
    assert other.batch(3).key != drawn[0].key


def test_little_of_a_batch_is_padding(bank: TextBank) -> None:
    """At random the longest of 10 texts of 3 to 22 tokens would leave nearly half empty."""
    sampler = TextSampler(bank, 10, seed=0)
    padding = np.mean([float((sampler.batch(number).ids == 0).float().mean()) for number in range(10)])
    assert padding < 0.1


def test_more_than_there_are_is_refused(bank: TextBank) -> None:
    with pytest.raises(DataError, match="a batch of 104 texts is not possible: 'x' has 103"):
        TextSampler(bank, 104, seed=0)
