"""Sentences with mentions, made at random and with the same result each time."""

from collections.abc import Sequence

import numpy as np

from episodes.banks.spans import Sentence, SpanBank

TYPES = ("animal", "place", "thing")
TEXT = "the cat sat on a mat in london near some old trees and then it ran home again with no fear"
WORDS = tuple(TEXT.split())


def sentence(words: Sequence[str], mentions: Sequence[tuple[int, int, str]] = (), document: int = -1) -> Sentence:
    """Words with a space between them."""
    ends = np.cumsum([len(word) + 1 for word in words]) - 1
    edges = tuple((int(end) - len(word), int(end)) for word, end in zip(words, ends, strict=True))
    return Sentence(" ".join(words), edges, tuple(mentions), document)


def random_bank(count: int = 60, types: Sequence[str] = TYPES, seed: int = 0, name: str = "made/test") -> SpanBank:
    """Each sentence has 4 to 12 words and up to 3 mentions of 1 to 3 words, whose words tell their type."""
    random = np.random.default_rng(seed)
    sentences = []
    for number in range(count):
        words = [str(word) for word in random.choice(WORDS, int(random.integers(4, 13)))]
        mentions, place = [], 0
        for _ in range(int(random.integers(4))):
            first = place + int(random.integers(3))
            last = first + int(random.integers(1, 4))
            if last > len(words):
                break
            kind = types[int(random.integers(len(types)))]
            words[first:last] = [f"{kind}s"] * (last - first)
            mentions.append((first, last, kind))
            place = last
        sentences.append(sentence([*words, str(number)], mentions))
    return SpanBank(name, tuple(sentences), tuple(types))
