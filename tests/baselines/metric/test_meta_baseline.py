import torch
import torch.nn.functional as F

from baselines.metric.meta_baseline import MetaBaseline
from episodes import FixedTask
from metabench.checks import build
from metabench.learner import Batches, EpisodeFeatures, Episodes, LabelledBatch, Problem
from metabench.samples import random_episodes


def test_logits_are_equation_3_item_by_item() -> None:
    """Classes of 1, 2 and 4 items: the scale times the cosine to the mean of each."""
    generator = torch.Generator().manual_seed(0)
    support, query = (torch.randn(2, size, 6, generator=generator, dtype=torch.float64) for size in (7, 4))
    labels = torch.tensor([[0, 1, 1, 2, 2, 2, 2], [2, 1, 0, 0, 0, 0, 1]])
    learner = build(MetaBaseline, scale=3.0).double()
    assert isinstance(learner, MetaBaseline)
    logits = learner.classify_features(EpisodeFeatures(support, labels, query, 3))
    for task in range(2):
        for way in range(3):
            mean = support[task][labels[task] == way].mean(0)
            for asked in range(4):
                expected = 3 * torch.cosine_similarity(query[task, asked], mean, dim=0)
                torch.testing.assert_close(logits[task, asked, way], expected)


def test_pretraining_is_a_softmax_over_all_training_classes() -> None:
    learner = build(MetaBaseline)
    assert isinstance(learner, MetaBaseline)
    first = learner.stages()[0]
    batch = LabelledBatch(torch.rand(4, 1, 28, 28), torch.tensor([0, 5, 3, 3]))
    logits = learner.head(learner.backbone(batch.images))
    assert logits.shape == (4, 6)
    torch.testing.assert_close(first.loss(batch), -torch.log_softmax(logits, 1)[range(4), batch.labels].mean())
    trained = {id(parameter) for parameter in first.module.parameters()}
    assert trained == {id(each) for part in (learner.backbone, learner.head) for each in part.parameters()}


def test_episodes_come_second_and_train_the_scale() -> None:
    problem = Problem((1, 28, 28), 50, FixedTask(5, 1))
    options = MetaBaseline.Options(steps=400, learning_rate=0.01, batch_size=16)
    first, second = MetaBaseline(problem, options).stages()
    assert (first.data, first.options.steps, first.options.learning_rate) == (Batches(16), 400, 0.01)
    assert second.data == Episodes(FixedTask(20, 1, 5))
    assert (second.options.steps, second.options.learning_rate) == (100, 0.001)
    own = MetaBaseline.Options(steps=400, episodic_steps=0, episodic_rate=0.3)
    second = MetaBaseline(problem, own).stages()[1]
    assert (second.options.steps, second.options.learning_rate) == (0, 0.3)
    learner, episodes = build(MetaBaseline).train(), random_episodes()
    assert isinstance(learner, MetaBaseline)
    loss = learner.loss(episodes)
    expected = F.cross_entropy(learner.classify(episodes).flatten(0, 1), episodes.query_labels.flatten())
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert learner.scale.grad
    assert learner.head.weight.grad is None


def test_the_head_of_pretraining_takes_no_part_in_scoring() -> None:
    learner = build(MetaBaseline)
    assert isinstance(learner, MetaBaseline)
    assert learner.scoring_parameters() == sum(each.numel() for each in learner.backbone.parameters()) + 1
