"""Which vocabulary turns a run's texts into token ids: that of its network."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from episodes.banks.vocabulary import Vocabulary
from episodes.dataset import Dataset
from episodes.files.token_cache import MOST_TOKENS, tokenised
from metabench.backbone import takes_text, vocabulary_of
from metabench.config import RunConfig
from metabench.errors import UsageError
from metabench.learner import TrainingOptions

GENERAL = "minilm"  # whose vocabulary, of general English, serves learners that have no network for text


def with_tokens(config: RunConfig, dataset: Dataset[Any], options: TrainingOptions) -> Dataset[Any]:
    """The dataset with the token ids of its texts.

    Args:
        config: says how many tokens a text may have, and which tasks there are.
        dataset: of texts.
        options: of the learner, with its networks' names.

    Raises:
        UsageError: two networks of the learner have different vocabularies.
        episodes.DataError: a package is missing.
    """
    # Of all-way tasks only the support is known, and not in how many training texts a token occurs.
    counted = config.task.task != "all-way"
    vocabulary = _vocabulary(options, dataset, trained=counted)
    return tokenised(dataset, vocabulary, config.data.max_tokens or MOST_TOKENS, counted=counted)


def _vocabulary(options: TrainingOptions, dataset: Dataset[Any], *, trained: bool) -> Vocabulary:
    names = [getattr(options, item.name) for item in fields(options) if item.name.endswith("backbone")]
    networks = [name for name in names if takes_text(name)]
    found = {name: vocabulary for name in networks if (vocabulary := vocabulary_of(name))}
    if len({vocabulary.digest for vocabulary in found.values()}) > 1:
        raise UsageError(
            f"backbones {' and '.join(found)} have different vocabularies, and a learner's networks read the same "
            "token ids; choose bert-small or bert-tiny for one of them, which take any vocabulary"
        )
    if found:
        return next(iter(found.values()))
    if networks and trained:
        return Vocabulary.trained(dataset.train.texts())
    general = vocabulary_of(GENERAL)
    assert general is not None
    return general
