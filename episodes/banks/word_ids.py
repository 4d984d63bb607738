"""From sentences to the token ids of their windows, whose signs say where words begin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from episodes.banks.spans import Sentence
from episodes.banks.vocabulary import Vocabulary
from episodes.banks.windows import windows

MOST_OF_QUESTION = 64  # tokens, as in Devlin et al.'s code for SQuAD; the end of a longer question is cut
STRIDE = 3  # windows begin a third of the most tokens apart: 128 of 384, as there

Ids = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class WordIds:
    """Token ids as a `SpanBank` has them.

    Attributes:
        ids: `[tokens]` int32.
        ends: `[windows]` int64, where each window ends in `ids`.
        window_ends: `[M]` int64, where each sentence's windows end.
        cut: how many questions lost their end.
    """

    ids: Ids
    ends: NDArray[np.int64]
    window_ends: NDArray[np.int64]
    cut: int


def word_ids(sentences: Sequence[Sentence], vocabulary: Vocabulary, most: int) -> WordIds:
    """The token ids of sentences in windows of at most `most` tokens, special ones included."""
    spelled = {_key(each): [each.text[first:last] for first, last in each.words] for each in sentences}
    pieces = dict(zip(spelled, vocabulary.pieces(list(spelled.values())), strict=True))
    questions = list(dict.fromkeys(each.question for each in sentences if each.question))
    asked = {text: ids for text, (ids, _) in zip(questions, vocabulary.pieces([[q] for q in questions]), strict=True)}
    around = {parts: vocabulary.around(parts) for parts in ((2,) if questions else ()) + (1,)}
    longest = min(MOST_OF_QUESTION, most // 2)
    parts: list[Ids] = []
    window_ends, cut = [], 0
    for sentence in sentences:
        before, *between, after = around[2 if sentence.question else 1]
        question = asked.get(sentence.question, np.zeros(0, np.int32))
        cut += len(question) > longest
        head = np.asarray([*before, *question[:longest], *(between[0] if between else ())], dtype=np.int32)
        parts += _windows(*pieces[_key(sentence)], head, np.asarray(after, dtype=np.int32), most)
        window_ends.append(len(parts))
    ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
    return WordIds(np.concatenate(parts), ends, np.asarray(window_ends, dtype=np.int64), cut)


def _key(sentence: Sentence) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Alike for the same words, as of a text of many questions, so that it is read once."""
    return sentence.text, tuple(sentence.words)


def _windows(ids: Ids, places: NDArray[np.int64], head: Ids, tail: Ids, most: int) -> Iterator[Ids]:
    """The ids of each window, plus 1, below 0 where they begin no word of its own.

    Args:
        ids: of all words' pieces.
        places: the word of each piece, `[pieces]`.
        head, tail: what is before and after the pieces in every window.
        most: tokens in a window.
    """
    room = most - len(head) - len(tail)
    begins = np.searchsorted(places, np.arange(places[-1] + 2))  # where each word's pieces begin
    for window in windows(np.diff(begins), room, max(1, most // STRIDE)):
        inner = -(ids[begins[window.first] : begins[window.last]][:room] + 1)
        own = begins[window.own_first : window.own_last] - begins[window.first]
        inner[own] *= -1
        yield np.concatenate([-(head + 1), inner, -(tail + 1)])
