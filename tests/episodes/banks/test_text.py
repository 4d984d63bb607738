from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from episodes import DataError, Dataset, EpisodeSampler, FixedTask
from episodes.banks.text import TextBank, hash_text
from episodes.banks.vocabulary import Vocabulary
from episodes.files.token_cache import tokenised

TEXTS = ["b1", "a1 with some more words", "c1", "a2", "😀 b2 é", "c2 c2 c2"]
LABELS = [1, 0, 2, 0, 1, 2]


@pytest.fixture
def bank() -> TextBank:
    return TextBank.from_labels("x/train", TEXTS, LABELS, ["a", "b", "c", "none"], ["g", "g", "h", "h"])


@pytest.fixture
def known(bank: TextBank) -> TextBank:
    return tokenised(Dataset("x", "s", bank, bank, bank), Vocabulary.trained(TEXTS, 60), 16).train


def test_texts_lie_class_by_class(bank: TextBank) -> None:
    assert list(bank.texts()) == ["a1 with some more words", "a2", "b1", "😀 b2 é", "c1", "c2 c2 c2"]
    assert [bank.text(row) for row in range(6)] == list(bank.texts())
    assert (bank.class_names, bank.class_sizes, bank.groups) == (("a", "b", "c"), (2, 2, 2), ("g", "g", "h"))
    assert len(bank) == 6
    assert bank.labels.tolist() == [0, 0, 1, 1, 2, 2]


@given(st.lists(st.tuples(st.text(max_size=20), st.integers(0, 2)), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_any_texts_come_back(rows: list[tuple[str, int]]) -> None:
    texts, labels = zip(*rows, strict=True)
    bank = TextBank.from_labels("x", texts, labels, ["a", "b", "c"], ["a", "b", "c"])
    order = sorted(range(len(rows)), key=lambda row: labels[row])
    assert list(bank.texts()) == [texts[row] for row in order]


def test_half_a_character_becomes_a_question_mark() -> None:
    assert TextBank.from_labels("x", ["a\ud800b"], [0], ["a"], ["a"]).text(0) == "a?b"


def test_a_fingerprint_is_of_texts_and_names_alone(bank: TextBank, known: TextBank) -> None:
    assert known.fingerprint == bank.fingerprint == replace(bank, name="y").fingerprint
    others = [
        TextBank.from_labels("x", ["b1!", *TEXTS[1:]], LABELS, ["a", "b", "c"], ["g", "g", "h"]),
        TextBank.from_labels("x", TEXTS, LABELS, ["A", "b", "c"], ["g", "g", "h"]),
        replace(bank, held_out=(1, 1, 1)),
        # the same letters in a row, cut at another place
        TextBank.from_labels(
            "x", ["b", "a1 with some more words", "c1", "a2", "1😀 b2 é", "c2 c2 c2"], LABELS, "abc", "ggh"
        ),
    ]
    assert len({bank.fingerprint, *(other.fingerprint for other in others)}) == 5


def test_gathered_ids_end_in_zeros_and_are_those_of_each_text(known: TextBank) -> None:
    rows = torch.tensor([[0, 3], [5, 0]])
    ids = known.gather(rows)
    assert ids.dtype == torch.int32
    assert ids.shape[:2] == (2, 2)
    assert known.shape is not None
    for place, row in zip(ids.flatten(0, 1), rows.flatten().tolist(), strict=True):
        expected, _, _ = known.shape.vocabulary.encode([known.text(row)], 16)
        assert place[: len(expected)].tolist() == (expected + 1).tolist()
        assert not place[len(expected) :].any()
    assert int((ids != 0).sum(-1).max()) == ids.shape[-1]
    support, query = known.gather_alike([torch.tensor([[0]]), torch.tensor([[1, 2]])])
    assert support.shape[-1] == query.shape[-1]
    assert known.gather(torch.zeros(0, dtype=torch.int64)).shape == (0, 0)


def test_texts_without_ids_cannot_be_gathered(bank: TextBank) -> None:
    with pytest.raises(DataError, match="the texts of 'x/train' have no token ids"):
        bank.gather(torch.tensor([0]))


def test_neighbours_by_length_are_of_one_length(known: TextBank) -> None:
    rows = known.by_length(torch.arange(6))
    lengths = (known.gather(rows) != 0).sum(1)
    assert lengths.tolist() == sorted(lengths.tolist())
    assert sorted(rows.tolist()) == list(range(6))


def test_classes_are_selected_and_joined(bank: TextBank) -> None:
    part = bank.select("x/part", [2, 0])
    assert list(part.texts()) == ["c1", "c2 c2 c2", "a1 with some more words", "a2"]
    assert part.groups == ("h", "g")
    both = TextBank.joined("both", [part.renamed("", "p:"), bank])
    assert list(both.texts()) == [*part.texts(), *bank.texts()]
    assert both.class_names == ("p:c", "p:a", "a", "b", "c")
    with pytest.raises(DataError, match="one unique name"):
        TextBank.joined("both", [bank, bank])


def test_parts_that_do_not_fit_are_refused(bank: TextBank) -> None:
    with pytest.raises(DataError, match="3 class sizes that add up to 5 do not fit 6 texts"):
        replace(bank, class_sizes=(1, 2, 2))
    with pytest.raises(DataError, match="its texts end at"):
        replace(bank, content=bank.content[:-1])
    for held in ((1, 1), (2, 1, 1), (0, 1, 1)):
        with pytest.raises(DataError, match="a number of held-out texts per class"):
            replace(bank, held_out=held)


def test_copies_are_known_whatever_their_case_and_white_space(bank: TextBank) -> None:
    assert hash_text("Book  a FLIGHT\n") == hash_text("book a flight")
    assert hash_text("book a flight") != hash_text("book a night")
    assert bank.item_digests() == [hash_text(text) for text in bank.texts()]
    assert all(0 <= number < 2**63 for number in bank.item_digests())


def test_episodes_of_texts_are_those_of_any_bank_of_these_sizes(known: TextBank) -> None:
    """Rows follow from sizes, groups and the fingerprint alone; tensors hold the texts of the rows."""
    sampler = EpisodeSampler(known, FixedTask(2, 1, 1), seed=0)
    drawn, batch = sampler.indices(range(4)), sampler.batch(range(4))
    assert torch.equal(
        batch.support, known.gather_alike([torch.from_numpy(drawn.support), torch.from_numpy(drawn.query)])[0]
    )
    assert (
        known.labels[torch.from_numpy(drawn.query)].numpy() == drawn.classes[[[0], [1], [2], [3]], drawn.query_labels]
    ).all()
    assert batch.to_float().support.dtype == torch.int32
