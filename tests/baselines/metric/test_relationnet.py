import pytest
import torch

from baselines.metric import relationnet
from baselines.metric.relationnet import RelationNet
from metabench.checks import build
from metabench.learner import EpisodeFeatures
from metabench.samples import random_episodes


def made(**options: int) -> RelationNet:
    learner = build(RelationNet, backbone="conv4:4", relation_width=5, **options).double()
    assert isinstance(learner, RelationNet)
    return learner


@pytest.mark.parametrize("most", [2**24, 31])
def test_scores_are_those_of_a_perceptron_on_class_and_query_side_by_side(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Classes of 1, 2 and 4 items; all queries at once, and one after the other."""
    monkeypatch.setattr(relationnet, "MOST_VALUES", most)
    generator, learner = torch.Generator().manual_seed(0), made()
    support, query = (torch.randn(2, size, 4, generator=generator, dtype=torch.float64) for size in (7, 4))
    labels = torch.tensor([[0, 1, 1, 2, 2, 2, 2], [2, 1, 0, 0, 0, 0, 1]])
    logits = learner.classify_features(EpisodeFeatures(support, labels, query, 3))
    perceptron = torch.nn.Sequential(learner.relation.hidden, torch.nn.ReLU(), learner.relation.score)
    for task in range(2):
        for way in range(3):
            mean = support[task][labels[task] == way].mean(0)
            for asked in range(4):
                expected = perceptron(torch.cat([mean, query[task, asked]]))
                torch.testing.assert_close(logits[task, asked, way], expected[0])


def test_loss_is_equation_2_by_hand() -> None:
    learner, episodes = build(RelationNet), random_episodes(2)
    assert isinstance(learner, RelationNet)
    logits = learner.classify(episodes).detach()
    total = 0.0
    for task in range(2):
        for asked, label in enumerate(episodes.query_labels[task].tolist()):
            for way, logit in enumerate(logits[task, asked].tolist()):
                score = 1 / (1 + 2.718281828459045**-logit)
                total += (score - (way == label)) ** 2
    assert learner.loss(episodes).item() == pytest.approx(total / (2 * 12 * 3), rel=1e-5)
