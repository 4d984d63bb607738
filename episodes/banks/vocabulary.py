"""Vocabulary: from texts to token ids, by a tokenizer of the package `tokenizers` (extra `text`)."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from episodes.errors import DataError
from episodes.extras import need

SPECIAL = {"pad": "[PAD]", "unknown": "[UNK]", "first": "[CLS]", "separator": "[SEP]", "mask": "[MASK]"}
PARTS = "\x1f"  # between the two parts of an item that is a pair of texts: ASCII's unit separator
AT_ONCE = 10_000  # texts that are encoded together, which bounds the memory of their Python objects
ALPHABET = 1000  # letters of a vocabulary that is trained, the most frequent
SIZE = 8192  # tokens of a vocabulary that is trained


class Vocabulary:
    """A tokenizer and the numbers of its special tokens.

    Args:
        content: the JSON text of a `tokenizers.Tokenizer` (what Hugging Face's `tokenizer.json` has).
        special: the special tokens' texts, by their use: `SPECIAL` with other values; BERT's by default.

    Raises:
        DataError: the package is missing, or the content is not a tokenizer with these tokens.
    """

    def __init__(self, content: str, special: dict[str, str] | None = None) -> None:
        tokenizers = need("tokenizers", "text", "text")
        self.content = content
        self.special = {**SPECIAL, **(special or {})}
        try:
            self._tokenizer = tokenizers.Tokenizer.from_str(content)
        except Exception as error:  # tokenizers raises Exception itself
            raise DataError(f"the tokenizer cannot be read: {str(error)[:200]}") from None
        self._tokenizer.no_padding()
        for use, token in self.special.items():
            if self._tokenizer.token_to_id(token) is None:
                raise DataError(f"the tokenizer has no '{token}' to use as its {use} token")

    @classmethod
    def trained(cls, texts: Iterable[str], size: int = SIZE) -> Vocabulary:
        """A WordPiece vocabulary of at most `size` tokens, as BERT's: lower case, without accents.

        Wu et al. 2016 (section 4.1); Devlin et al. 2019 (section 3.2). The same texts give the same vocabulary.
        """
        tokenizers = need("tokenizers", "text", "a vocabulary")
        kept = [text.replace(PARTS, " ") for text in texts]
        made = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token=SPECIAL["unknown"]))
        made.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
        made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
        letters = Counter(letter for text in kept for letter in made.normalizer.normalize_str(text) if letter.strip())
        alphabet = sorted(sorted(letters), key=letters.__getitem__, reverse=True)[:ALPHABET]
        # The trainer decides between pairs of equal count by their letters' numbers, which it would give at random.
        first = [*SPECIAL.values(), *sorted(alphabet), *(f"##{letter}" for letter in sorted(alphabet))]
        trainer = tokenizers.trainers.WordPieceTrainer(
            vocab_size=max(size, len(first)), special_tokens=first, show_progress=False
        )
        made.train_from_iterator(kept, trainer)
        return cls(_with_template(made).to_str())

    def __len__(self) -> int:
        """The number of tokens."""
        return int(self._tokenizer.get_vocab_size())

    @cached_property
    def digest(self) -> str:
        """32 hexadecimal digits over the tokenizer."""
        content = json.dumps([json.loads(self.content), self.special], sort_keys=True)
        return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()

    def number(self, use: str) -> int:
        """The id of the special token of that use, a key of `SPECIAL`."""
        return int(self._tokenizer.token_to_id(self.special[use]))

    @cached_property
    def special_numbers(self) -> tuple[int, ...]:
        """The ids of all special tokens, which stand for no text."""
        added = self._tokenizer.get_added_tokens_decoder()
        return tuple(sorted({*map(self.number, SPECIAL), *(i for i, token in added.items() if token.special)}))

    @cached_property
    def continues(self) -> NDArray[np.bool_]:
        """Whether each token goes on with the word of the token before (WordPiece's `##`), `[tokens]`."""
        found = np.zeros(len(self), dtype=bool)
        for token, number in self._tokenizer.get_vocab().items():
            found[number] = token.startswith("##")
        return found

    def encode(self, texts: Sequence[str], most: int) -> tuple[NDArray[np.int32], NDArray[np.int64], int]:
        """Token ids of texts, one after another.

        Of a text of more than `most` tokens, special ones included, the end is cut; of a pair (`PARTS` between its
        two texts) the end of the longer part, token by token.

        Returns:
            The ids, where each text's end, and how many texts were cut.
        """
        self._tokenizer.enable_truncation(most, strategy="longest_first")
        parts: list[NDArray[np.int32]] = []
        lengths: list[int] = []
        cut = 0
        for first in range(0, len(texts), AT_ONCE):
            block = [_parts(text) for text in texts[first : first + AT_ONCE]]
            encoded = self._tokenizer.encode_batch_fast(block)
            parts += [np.asarray(each.ids, dtype=np.int32) for each in encoded]
            lengths += [len(each.ids) for each in encoded]
            cut += sum(bool(each.overflowing) for each in encoded)
        ids = np.concatenate(parts) if parts else np.zeros(0, np.int32)
        return ids, np.cumsum(lengths, dtype=np.int64), cut

    def words(self, text: str) -> list[Any]:
        """The tokens of one text with their places in it, none cut: `tokenizers.Encoding`, for labels of words."""
        self._tokenizer.no_truncation()
        return self._tokenizer.encode(*([text] if PARTS not in text else text.split(PARTS, 1)))  # type: ignore[no-any-return]

    def pieces(self, sentences: Sequence[Sequence[str]]) -> list[tuple[NDArray[np.int32], NDArray[np.int64]]]:
        """The token ids of sentences that are given word by word, none cut and without special tokens.

        Returns:
            Of each sentence its ids, and to which word each belongs. A word without any, such as a control character,
            gets the unknown token.
        """
        self._tokenizer.no_truncation()
        found = []
        for first in range(0, len(sentences), AT_ONCE):
            block = [list(words) for words in sentences[first : first + AT_ONCE]]
            encoded = self._tokenizer.encode_batch(block, is_pretokenized=True, add_special_tokens=False)
            for words, each in zip(block, encoded, strict=True):
                places = np.asarray(each.word_ids, dtype=np.int64)
                lost = np.setdiff1d(np.arange(len(words)), places)
                places = np.concatenate([places, lost])
                ids = np.concatenate([each.ids, np.full(len(lost), self.number("unknown"))]).astype(np.int32)
                order = np.argsort(places, kind="stable")
                found.append((ids[order], places[order]))
        return found

    def around(self, parts: int) -> list[list[int]]:
        """The special tokens before, between and after the texts of an item of one part or two: `parts` + 1 lists."""
        self._tokenizer.no_truncation()
        encoded = self._tokenizer.encode(*[["a"]] * parts, is_pretokenized=True)
        lists: list[list[int]] = [[] for _ in range(parts + 1)]
        seen = 0
        for number, part in zip(encoded.ids, encoded.sequence_ids, strict=True):
            if part is None:
                lists[seen].append(number)
            else:
                seen = part + 1
        return lists

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids, without special ones; in the spelling of the vocabulary."""
        return str(self._tokenizer.decode(list(ids)))

    def token(self, number: int) -> str:
        """The text of one token, e.g. `##ing`."""
        return str(self._tokenizer.id_to_token(number))


class TextShape(tuple[int, ...]):
    """The shape of a text for a network: `(most,)`, the most tokens that it has; and what the ids mean.

    Attributes:
        vocabulary: of the ids. Token t of it is t + 1 in a batch, where 0 is padding.
        documents: of how many training texts.
        frequencies: in how many of them each token occurs, `[tokens]` int64.
    """

    vocabulary: Vocabulary
    documents: int
    frequencies: NDArray[np.int64]

    def __new__(
        cls, most: int, vocabulary: Vocabulary, documents: int = 0, frequencies: NDArray[np.int64] | None = None
    ) -> TextShape:
        made = super().__new__(cls, (most,))
        made.vocabulary, made.documents = vocabulary, documents
        made.frequencies = np.zeros(len(vocabulary), np.int64) if frequencies is None else frequencies
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> TextShape:
        """Itself, since nothing in it changes: a copied learner reads by the same vocabulary."""
        return self


def _with_template(trained: Any) -> Any:
    """A tokenizer of the same vocabulary whose only added tokens are BERT's, with BERT's form of texts and pairs."""
    tokenizers = need("tokenizers", "text", "a vocabulary")
    model = tokenizers.models.WordPiece(trained.get_vocab(), unk_token=SPECIAL["unknown"])
    made = tokenizers.Tokenizer(model)
    made.normalizer, made.pre_tokenizer = trained.normalizer, trained.pre_tokenizer
    made.decoder = tokenizers.decoders.WordPiece()
    made.add_special_tokens(list(SPECIAL.values()))
    first, separator = SPECIAL["first"], SPECIAL["separator"]
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single=f"{first} $A {separator}",
        pair=f"{first} $A {separator} $B:1 {separator}:1",
        special_tokens=[(token, made.token_to_id(token)) for token in (first, separator)],
    )
    return made


def _parts(text: str) -> str | tuple[str, str]:
    first, found, second = text.partition(PARTS)
    return (first, second) if found else first


def warn_of_cut(name: str, cut: int, texts: int, most: int) -> None:
    """Say how many texts of a bank lost their end."""
    if cut:
        warnings.warn(
            f"the end of {cut:,} of the {texts:,} texts of '{name}' is cut, after {most} tokens; --max-tokens sets "
            "the limit",
            stacklevel=3,
        )
