import numpy as np
import pytest
import torch

from episodes import DataError
from episodes.banks.spans import SpanBank
from episodes.banks.vocabulary import Vocabulary
from episodes.dataset import Dataset
from episodes.files.token_cache import with_word_ids
from tests.made_sentences import TYPES, WORDS, random_bank, sentence


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.trained([" ".join([*WORDS, *TYPES])] * 3, 200)


def with_ids(bank: SpanBank, vocabulary: Vocabulary, most: int = 32) -> SpanBank:
    return with_word_ids(Dataset("made", "x", bank, bank, bank), vocabulary, most).test


def test_labels_and_begins_are_those_of_the_mentions() -> None:
    one = sentence(["a", "b", "c", "d"], [(0, 2, "y"), (2, 3, "y")])
    bank = SpanBank("x", (one, sentence(["e"]), sentence(["f", "g"], [(1, 2, "z")])), ("y", "z"))
    assert bank.labels.tolist() == [1, 1, 1, 0, 0, 0, 2]
    assert bank.begins.tolist() == [True, False, True, False, False, False, True]
    assert bank.class_sizes == (2, 1)
    assert bank.words_of(np.asarray([2, 0])).tolist() == [5, 6, 0, 1, 2, 3]
    assert bank.items_of(torch.tensor([[2, 1]])).tolist() == [[5, 6, 4]]


@pytest.mark.parametrize("most", [8, 13, 32])
def test_every_word_is_marked_once_and_nothing_else(vocabulary: Vocabulary, most: int) -> None:
    bank = with_ids(random_bank(), vocabulary, most)
    rows = torch.tensor([[5, 0, 31]])
    ids = bank.gather(rows)
    assert ids.shape[0] == 1
    assert ids.shape[2] <= most
    marked = ids[ids > 0] - 1
    words = [word for row in rows[0] for word in bank.text(int(row)).split()]
    assert len(marked) == len(words) == bank.items_of(rows).shape[1]
    first_pieces = [int(vocabulary.pieces([[word]])[0][0][0]) for word in words]
    assert marked.tolist() == first_pieces
    first, separator = (vocabulary.number(use) + 1 for use in ("first", "separator"))
    for window in ids[0]:
        used = window[window != 0]
        assert (used[0], used[-1]) == (-first, -separator)


def test_a_bank_of_one_row_at_a_time_gives_what_all_give(vocabulary: Vocabulary) -> None:
    bank = with_ids(random_bank(), vocabulary, 10)
    rows = torch.arange(len(bank))
    together = [row[row != 0].tolist() for row in bank.gather(rows)]
    assert together == [row[row != 0].tolist() for number in rows for row in bank.gather(number[None])]
    lengths = [int((bank.gather(row[None]) != 0).sum()) for row in bank.by_length(rows)]
    assert lengths == sorted(lengths)


def test_parts_are_padded_alike(vocabulary: Vocabulary) -> None:
    bank = with_ids(random_bank(), vocabulary)
    support, query = bank.gather_alike([torch.tensor([[0]]), torch.arange(20)[None]])
    assert support.shape[2] == query.shape[2]


def test_selected_types_share_no_sentence() -> None:
    bank = random_bank()
    parts = [bank.select(f"x/{number}", [number]) for number in range(3)]
    texts = [set(part.texts()) for part in parts]
    assert all(part.mention_counts.any(1).all() for part in parts)
    assert sum(map(len, texts)) == len(set.union(*texts))
    for number, part in enumerate(parts):
        found = {name for each in part.sentences for _, _, name in each.mentions}
        assert found == {TYPES[number]} == set(part.class_names)


def test_a_type_that_only_stands_with_types_of_other_parts_is_said() -> None:
    bank = SpanBank(
        "made", (sentence(["a", "b"], [(0, 1, "y"), (1, 2, "z")]), sentence(["a"], [(0, 1, "z")])), ("y", "z")
    )
    assert len(bank.select("z", [1])) == 1
    with pytest.raises(DataError, match=r"'y' has no sentence with a mention of 'y' and none of .* another --split"):
        bank.select("y", [0])


def test_the_fingerprint_is_of_the_content() -> None:
    bank = random_bank()
    assert bank.fingerprint == random_bank(name="other").fingerprint
    assert bank.fingerprint != random_bank(seed=1).fingerprint
    assert bank.fingerprint != SpanBank("made", bank.sentences, TYPES, held=3).fingerprint


def test_a_type_without_mention_and_a_bank_without_ids_are_refused() -> None:
    with pytest.raises(DataError, match=r"'x' has no mention of 'z' in its 1 sentence$"):
        SpanBank("x", (sentence(["a"], [(0, 1, "y")]),), ("y", "z"))
    with pytest.raises(DataError, match=r"'x' has no mention of any type in its 1 sentence$"):
        SpanBank("x", (sentence(["a"]),), ())
    with pytest.raises(DataError, match="have no token ids"):
        random_bank().gather(torch.tensor([0]))
