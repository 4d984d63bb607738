import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from baselines.heads.bags import bags, tf_idf

TEXTS = ["3 3 5", "5 7", "9 3 7 7 7", "11"]
IDS = torch.tensor([[[4, 4, 6, 0, 0], [6, 8, 0, 0, 0], [10, 4, 8, 8, 8], [12, 0, 0, 0, 0]]], dtype=torch.int32)


def test_counts_by_hand() -> None:
    tokens, counts = bags(IDS, ignored=(11,))
    assert tokens.tolist() == [3, 5, 7, 9]
    assert counts.tolist() == [[[2, 1, 0, 0], [0, 1, 1, 0], [1, 0, 3, 1], [0, 0, 0, 0]]]


def test_weights_are_those_of_scikit_learn() -> None:
    vectorizer = TfidfVectorizer(token_pattern=r"\d+")
    expected = vectorizer.fit_transform(TEXTS).toarray()
    order = np.argsort([int(word) for word in vectorizer.get_feature_names_out()])
    _, counts = bags(IDS)
    found = tf_idf(counts, (counts > 0).sum(1).float(), torch.tensor(4.0))
    np.testing.assert_allclose(found[0].numpy(), expected[:, order], atol=1e-6)
