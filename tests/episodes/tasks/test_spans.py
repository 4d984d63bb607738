import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from episodes import DataError, FixedTask
from episodes.banks.spans import SpanBank
from episodes.sampling.sampler import sampler
from episodes.tasks.spans import OUTSIDE, AllWaySpans, EntityTask, QuestionTask, greedy, labels_of, with_words
from tests.made_sentences import TYPES, random_bank, sentence


def counts_in(bank: SpanBank, rows: np.ndarray, types: np.ndarray) -> np.ndarray:
    return bank.mention_counts[rows][:, types].sum(0)


@pytest.mark.parametrize(("types", "shots", "queries"), [(1, 1, 3), (2, 1, 5), (3, 3, 4)])
def test_support_and_queries_have_k_to_2k_mentions_of_each_type(types: int, shots: int, queries: int) -> None:
    bank = random_bank(200)
    source = sampler(bank, EntityTask(types + 1, shots, queries), 0)
    seen = set()
    for number in range(30):
        drawn = source.drawn([number])  # type: ignore[attr-defined]
        (chosen,), (support,), (query,) = drawn.classes, drawn.support, drawn.query
        assert chosen[0] == OUTSIDE
        assert len(set(chosen[1:])) == types
        for rows, least in ((support, shots), (query, queries)):
            found = counts_in(bank, rows, chosen[1:])
            assert (found >= least).all()
            assert (found <= 2 * least).all()
            assert len(set(rows)) == len(rows)
        assert not set(support) & set(query)
        seen.add(tuple(chosen))
    assert len(seen) > 1 or types == 3


def test_mentions_of_other_types_are_outside() -> None:
    bank = random_bank(200)
    drawn = sampler(bank, EntityTask(2, 2, 3), 0).drawn([4])  # type: ignore[attr-defined]
    number = drawn.classes[0, 1]
    words = bank.words_of(drawn.support[0])
    assert np.array_equal(drawn.support_labels[0] == 1, bank.labels.numpy()[words] == number + 1)
    assert set(drawn.support_labels[0]) == {0, 1}


def test_labels_follow_the_order_of_the_types() -> None:
    bank = SpanBank("x", (sentence(["a", "b", "c"], [(0, 1, "y"), (2, 3, "z")]),), ("y", "z"))
    assert labels_of(bank, np.asarray([0]), np.asarray([1, 0])).tolist() == [2, 0, 1]
    assert labels_of(bank, np.asarray([0]), np.asarray([1])).tolist() == [0, 0, 1]


def test_no_document_is_in_support_and_queries() -> None:
    sentences = tuple(sentence([f"w{i}"], [(0, 1, "y")], document=i // 5) for i in range(40))
    bank = SpanBank("x", sentences, ("y",))
    for number in range(20):
        drawn = sampler(bank, EntityTask(2, 2, 6), 0).drawn([number])  # type: ignore[attr-defined]
        assert not set(bank.documents[drawn.support[0]]) & set(bank.documents[drawn.query[0]])


def test_all_way_tasks_ask_about_all_that_is_held_out_and_draw_from_the_rest() -> None:
    bank = SpanBank("x", random_bank(200).sentences, TYPES, held=50)
    source = sampler(bank, AllWaySpans(4), 0)
    drawn = [source.drawn([number]) for number in range(5)]  # type: ignore[attr-defined]
    for each in drawn:
        assert each.query[0].tolist() == list(range(150, 200))
        assert each.support.max() < 150
        found = bank.mention_counts[each.support[0]].sum(0)
        assert (found >= 4).all()
        assert (found <= 8).all()
    assert len({tuple(each.support[0]) for each in drawn}) == 5
    few = sampler(bank, AllWaySpans(4, 2), 0).drawn([0])  # type: ignore[attr-defined]
    assert few.query[0].tolist() == list(range(150, 156))


@given(
    st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=2), min_size=1, max_size=30),
    st.integers(1, 4),
    st.randoms(use_true_random=False),
)
def test_greedy_choices_keep_the_bounds_or_are_none(counts: list[list[int]], least: int, random: object) -> None:
    table, order = np.asarray(counts), np.arange(len(counts))
    random.shuffle(order)  # type: ignore[attr-defined]
    chosen = greedy(table, order, least)
    assert len(set(chosen)) == len(chosen)
    if chosen:
        total = table[chosen].sum(0)
        assert (total >= least).all()
        assert (total <= 2 * least).all()
        assert table[chosen].any(1).all()


def test_a_plain_task_becomes_one_of_words() -> None:
    assert with_words(FixedTask(3, 2, 4), "entities") == EntityTask(3, 2, 4)
    assert with_words(FixedTask(2, 2, 4), "questions") == QuestionTask(2, 2, 4)
    assert type(with_words(FixedTask(3, 2, 4), "text")) is FixedTask
    assert repr(EntityTask(3, 2, 4)) == "EntityTask(ways=3, shots=2, queries=4)"


def test_what_cannot_be_drawn_is_refused() -> None:
    bank = random_bank(60)
    with pytest.raises(DataError, match="'made/test' has 3 types; --ways 4 needs as many"):
        EntityTask(5, 1, 1).check(bank)
    with pytest.raises(DataError, match=r"mentions of '\w+' to draw from, of at least 1015 for --shots and --queries"):
        EntityTask(2, 1000, 15).check(bank)
    with pytest.raises(DataError, match="holds nothing out for queries"):
        AllWaySpans(1).check(bank)
    with pytest.raises(DataError, match="--ways 0 is too small; give at least 1"):
        EntityTask(1, 1, 1)
    with pytest.raises(DataError, match="--shots 0 is too small"):
        AllWaySpans(0)
    crowded = SpanBank("x", tuple(sentence(["a"] * 6, [(i, i + 1, "y") for i in range(6)]) for _ in range(9)), ("y",))
    with pytest.raises(DataError, match="gave no task in 8 attempts at 1 to 2 mentions of each of 1 types"):
        sampler(crowded, EntityTask(2, 1, 3), 0).drawn([0])  # type: ignore[attr-defined]
