"""Which vocabulary turns a run's texts into token ids: that of its network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any

from episodes.banks.bank import SPANS
from episodes.banks.vocabulary import Vocabulary
from episodes.dataset import Dataset
from episodes.files.token_cache import MOST_TOKENS, MOST_TOKENS_OF_QUESTION, tokenised, with_word_ids
from metabench.backbone import takes_text, vocabulary_of
from metabench.config import RunConfig
from metabench.errors import UsageError
from metabench.learner import TrainingOptions
from metabench.weights.encoder_file import Weights, short_backbone

GENERAL = "minilm"  # whose vocabulary, of general English, serves learners that have no network for text


def with_tokens(
    config: RunConfig, dataset: Dataset[Any], options: TrainingOptions, weights: Weights | None = None
) -> Dataset[Any]:
    """The dataset with the token ids of its texts.

    Args:
        config: says how many tokens a text may have, and which tasks there are.
        dataset: of texts.
        options: of the learner, with its networks' names.
        weights: that networks begin with, which were trained with a vocabulary.

    Raises:
        UsageError: two networks of the learner have different vocabularies, or a network and its weights.
        episodes.DataError: a package is missing.
    """
    # Of all-way tasks only the support is known, and not in how many training texts a token occurs.
    counted = config.task.task != "all-way"
    vocabulary = vocabulary_for(options, dataset.train.texts, weights, trained=counted)
    if dataset.kind in SPANS:
        usual = MOST_TOKENS_OF_QUESTION if dataset.kind == "questions" else MOST_TOKENS
        return with_word_ids(dataset, vocabulary, config.data.max_tokens or usual)
    return tokenised(dataset, vocabulary, config.data.max_tokens or MOST_TOKENS, counted=counted)


def vocabulary_for(
    options: TrainingOptions, training_texts: Callable[[], Iterable[str]], weights: Weights | None, *, trained: bool
) -> Vocabulary:
    """The vocabulary of a learner's networks: their own; or, of networks that take any, one for the training texts.

    Args:
        options: of the learner, with its networks' names.
        training_texts: gives them, and is called only where a vocabulary is trained.
        weights: that networks begin with.
        trained: whether one may be.

    Raises:
        UsageError, episodes.DataError: as `with_tokens`.
    """
    networks = text_networks(options)
    found = {name: vocabulary for name in networks if (vocabulary := _own(name, weights))}
    if len({vocabulary.digest for vocabulary in found.values()}) > 1:
        raise UsageError(
            f"backbones {' and '.join(found)} have different vocabularies, and a learner's networks read the same "
            "token ids; choose bert-small or bert-tiny for one of them, which take any vocabulary"
        )
    if found:
        return next(iter(found.values()))
    if networks and trained:
        return Vocabulary.trained(training_texts())
    general = vocabulary_of(GENERAL)
    assert general is not None
    return general


def text_networks(options: TrainingOptions) -> list[str]:
    """The names of a learner's networks that take texts."""
    names = [getattr(options, item.name) for item in fields(options) if item.name.endswith("backbone")]
    return [name for name in names if takes_text(name)]


def _own(name: str, weights: Weights | None) -> Vocabulary | None:
    """The vocabulary that a network of that name was trained with, here or before; None for one that takes any."""
    own = vocabulary_of(name)
    if weights is None or weights.vocabulary is None or short_backbone(name) != weights.about.backbone:
        return own
    if own and own.digest != weights.vocabulary.digest:
        raise UsageError(
            f"--weights '{weights.path}' was trained with another vocabulary than that of backbone {name}; give the "
            "backbone that it was trained from"
        )
    return weights.vocabulary
