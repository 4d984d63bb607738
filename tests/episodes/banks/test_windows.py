import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from episodes.banks.windows import windows


@given(st.lists(st.integers(1, 12), min_size=1, max_size=80), st.integers(1, 20), st.integers(1, 20))
def test_every_word_is_some_windows_own_and_no_windows_has_too_much(pieces: list[int], room: int, stride: int) -> None:
    """So no answer is lost, wherever it lies and however long it is."""
    counts = np.minimum(pieces, room)
    made = windows(np.asarray(pieces), room, stride)
    own = [word for window in made for word in range(window.own_first, window.own_last)]
    assert own == list(range(len(pieces)))
    for window in made:
        assert window.first <= window.own_first < window.own_last <= window.last
        assert counts[window.first : window.last].sum() <= room


@given(st.integers(1, 300), st.integers(6, 40), st.integers(1, 40))
def test_each_word_is_read_where_its_poorer_side_has_most_context(words: int, room: int, stride: int) -> None:
    made = windows(np.ones(words, dtype=np.int64), room, stride)
    for window in made:
        for word in range(window.own_first, window.own_last):
            best = max(min(word - w.first, w.last - 1 - word) for w in made if w.first <= word < w.last)
            assert min(word - window.first, window.last - 1 - word) >= best - 1


def test_a_short_text_is_one_window() -> None:
    (only,) = windows(np.asarray([1, 2, 3]), 6, 2)
    assert (only.first, only.last, only.own_first, only.own_last) == (0, 3, 0, 3)


def test_windows_begin_a_stride_apart() -> None:
    made = windows(np.ones(20, dtype=np.int64), 9, 3)
    assert [window.first for window in made] == [0, 3, 6, 9, 12]
    assert [window.last for window in made] == [9, 12, 15, 18, 20]
    assert [window.own_first for window in made] == [0, 6, 9, 12, 15]


def test_a_word_longer_than_a_window_has_one_of_its_own() -> None:
    made = windows(np.asarray([5, 5, 30, 5]), 10, 3)
    assert [(window.first, window.last) for window in made] == [(0, 2), (2, 3), (3, 4)]
