from dataclasses import replace

import pytest
import torch
from sklearn.neighbors import NearestCentroid

from baselines.metric.protonet import ProtoNet, prototypes, refined, squared_distances
from episodes import FixedTask
from metabench.checks import build
from metabench.learner import Episodes, Problem
from metabench.samples import random_episodes


def test_refinement_looks_at_the_pool_and_trains_with_one() -> None:
    learner, episodes = build(ProtoNet, refine_steps=2), random_episodes()
    assert isinstance(learner, ProtoNet)
    with torch.no_grad():
        alone = learner.classify(episodes)
        pooled = learner.classify(replace(episodes, unlabelled=episodes.query))
        plain = build(ProtoNet).classify(replace(episodes, unlabelled=episodes.query))
    assert torch.equal(alone, plain)
    assert not torch.allclose(alone, pooled)
    with torch.no_grad():
        support, query = (
            learner.embed(part.flatten(0, 1)).view(2, -1, 64) for part in (episodes.support, episodes.query)
        )
    centres = prototypes(support, episodes.support_labels, 3)
    for _ in range(2):
        centres = refined(centres, support, episodes.support_labels, query)
    assert torch.allclose(pooled, -squared_distances(query, centres), rtol=1e-4, atol=1e-4)
    task = FixedTask(5, 1, unlabelled=3, distractors=2)
    (stage,) = ProtoNet(Problem((1, 28, 28), 50, task), ProtoNet.Options(refine_steps=1)).stages()
    assert stage.data == Episodes(FixedTask(20, 1, 5, unlabelled=3, distractors=2))


def test_loss_is_equation_2() -> None:
    learner, episodes = build(ProtoNet).double(), random_episodes(1)
    assert isinstance(learner, ProtoNet)
    episodes = replace(episodes, support=episodes.support.double(), query=episodes.query.double())
    features = learner.embed(torch.cat([episodes.support[0], episodes.query[0]])).detach()
    loss = learner.loss(episodes).item()
    centres = torch.stack([features[2 * k : 2 * k + 2].mean(0) for k in range(3)])
    total = 0.0
    for query, label in zip(features[6:], episodes.query_labels[0], strict=True):
        scores = torch.stack([-((query - centre) ** 2).sum() for centre in centres])
        total += float(-torch.log(torch.exp(scores[label]) / torch.exp(scores).sum()))
    assert abs(total / 12 - loss) < 1e-9


def test_training_episodes_have_their_own_ways_and_shots() -> None:
    problem = Problem((1, 28, 28), 50, FixedTask(5, 1))
    (stage,) = ProtoNet(problem, ProtoNet.Options()).stages()
    assert stage.data == Episodes(FixedTask(20, 1, 5))
    (stage,) = ProtoNet(problem, ProtoNet.Options(train_ways=30, train_shots=3, train_queries=2)).stages()
    assert stage.data == Episodes(FixedTask(30, 3, 2))
    (stage,) = ProtoNet(Problem((1, 28, 28), 8, FixedTask(5, 1)), ProtoNet.Options()).stages()
    assert stage.data == Episodes(FixedTask(8, 1, 5))


@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")  # a ReLU that is off for all images
def test_answers_equal_scikit_learns_nearest_centroid() -> None:
    learner, episodes = build(ProtoNet), random_episodes(4)
    assert isinstance(learner, ProtoNet)
    with torch.no_grad():
        predictions = learner.classify(episodes).argmax(2)
        for number in range(4):
            reference = NearestCentroid().fit(learner.embed(episodes.support[number]), episodes.support_labels[number])
            assert reference.predict(learner.embed(episodes.query[number])).tolist() == predictions[number].tolist()
