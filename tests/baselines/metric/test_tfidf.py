"""TF-IDF against scikit-learn on the same tokens."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid
from torch import Tensor

from baselines.metric.tfidf import TfIdf
from episodes.banks.vocabulary import TextShape
from metabench.learner import LabelledEpisodeBatch
from metabench.samples import random_episodes, text_problem


def words(ids: Tensor, special: tuple[int, ...]) -> list[str]:
    return [" ".join(f"t{n - 1}" for n in text.tolist() if n and n - 1 not in special) for text in ids]


def shaped(documents: int = 0) -> TextShape:
    shape = text_problem().image_shape
    assert isinstance(shape, TextShape)
    frequencies = np.random.default_rng(0).integers(1, 40, len(shape.vocabulary)) if documents else None
    return TextShape(shape[0], shape.vocabulary, documents, frequencies)


def made(head: str, shape: TextShape) -> TfIdf:
    return TfIdf(replace(text_problem(), image_shape=shape), TfIdf.Options(head=head))  # type: ignore[arg-type]


@pytest.fixture
def episodes() -> LabelledEpisodeBatch:
    return random_episodes(3, shape=shaped())


def test_without_training_texts_rarity_is_the_supports(episodes: LabelledEpisodeBatch) -> None:
    shape = shaped()
    special = shape.vocabulary.special_numbers
    logits = made("centroid", shape).classify(episodes)
    for task in range(3):
        fitted = TfidfVectorizer(token_pattern=r"\S+").fit(words(episodes.support[task], special))
        support, query = (fitted.transform(words(part[task], special)) for part in (episodes.support, episodes.query))
        labels = episodes.support_labels[task].numpy()
        centres = np.stack([support[labels == n].toarray().mean(0) for n in range(3)])
        expected = -((query.toarray()[:, None] - centres) ** 2).sum(2)
        # The query's tokens that no support text has are unknown to scikit-learn, and here they make it longer.
        known = [set(text.split()) <= set(fitted.vocabulary_) for text in words(episodes.query[task], special)]
        assert any(known)
        np.testing.assert_allclose(logits[task][known].numpy(), expected[known], atol=1e-5)
        nearest = NearestCentroid().fit(support.toarray(), labels).predict(query.toarray())
        assert (logits[task].argmax(1).numpy() == nearest)[known].all()


def test_with_training_texts_rarity_is_theirs(episodes: LabelledEpisodeBatch) -> None:
    shape = shaped(documents=50)
    special = shape.vocabulary.special_numbers
    logits = made("centroid", shape).classify(episodes)
    weights = np.log(51 / (1 + shape.frequencies)) + 1
    for task in range(3):
        support, query = (
            np.stack([np.bincount(text[text > 0] - 1, minlength=len(weights)) for text in part[task].numpy()]).astype(
                float
            )
            for part in (episodes.support, episodes.query)
        )
        for part in (support, query):
            part[:, list(special)] = 0
            part *= weights
            part /= np.linalg.norm(part, axis=1, keepdims=True)
        labels = episodes.support_labels[task].numpy()
        centres = np.stack([support[labels == n].mean(0) for n in range(3)])
        np.testing.assert_allclose(logits[task].numpy(), -((query[:, None] - centres) ** 2).sum(2), atol=1e-5)


def test_the_logistic_head_is_scikit_learns(episodes: LabelledEpisodeBatch) -> None:
    learner = made("logistic", shaped(documents=50))
    logits = learner.classify(episodes)
    support, query = learner._features(episodes.support, episodes.query)
    for task in range(3):
        labels = episodes.support_labels[task]
        fitted = LogisticRegression(C=1 / (0.1 * len(labels)), max_iter=1000, tol=1e-8).fit(support[task], labels)
        found = logits[task].log_softmax(1)
        np.testing.assert_allclose(found.numpy(), fitted.predict_log_proba(query[task]), atol=1e-4)


def test_an_empty_text_is_as_far_from_each_class() -> None:
    shape = shaped()
    episodes = random_episodes(1, shape=shape)
    query = torch.zeros_like(episodes.query[:, :1])
    query[..., 0], query[..., 1] = shape.vocabulary.number("first") + 1, shape.vocabulary.number("separator") + 1
    logits = made("centroid", shape).classify(replace(episodes, query=query))
    assert torch.isfinite(logits).all()
