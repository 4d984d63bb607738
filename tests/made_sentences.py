"""Sentences with mentions, made at random and with the same result each time."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from episodes.banks.spans import Sentence, SpanBank

TYPES = ("animal", "place", "thing")
SIX_TYPES = ("animal", "fruit", "metal", "place", "river", "tool")
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


def conll_file(path: Path, sentences: int) -> Path:
    """A file of random sentences, in which a mention's words tell its type."""
    lines = []
    for each in random_bank(sentences, SIX_TYPES).sentences:
        words = each.text.split()
        labels = ["O"] * len(words)
        for first, last, name in each.mentions:
            labels[first:last] = [f"B-{name}", *[f"I-{name}"] * (last - first - 1)]
        lines += [f"{word}\t{label}\n" for word, label in zip(words, labels, strict=True)] + ["\n"]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def squad_file(path: Path, articles: int, decoys: bool = False) -> Path:
    """A SQuAD file: each text has one word that answers, the same kind of word everywhere, in a place of its own.

    With `decoys` every second article has more words of that kind, which do not answer.
    """
    data = []
    for number in range(articles):
        paragraphs = []
        for part in range(2):
            words = ["some", "plain", "words", "of", "text", str(number), str(part), "follow", "here"]
            place = (3 * number + part) % len(words)
            words.insert(place, f"gold{number % 5}")
            if decoys and number % 2:
                words += ["gold8", "gold9"]
            text = " ".join(words)
            answer = {"text": words[place], "answer_start": text.index("gold")}
            paragraphs.append({"context": text, "qas": [{"id": "q", "question": "What shines?", "answers": [answer]}]})
        data.append({"paragraphs": paragraphs})
    path.write_text(json.dumps({"data": data}), encoding="utf-8")
    return path
