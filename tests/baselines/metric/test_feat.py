import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.metric.feat import FEAT, SetToSet
from metabench.checks import build
from metabench.learner import EpisodeFeatures, LabelledEpisodeBatch
from metabench.samples import random_episodes

LABELS = torch.tensor([[0, 1, 1, 2, 2, 2, 2], [2, 1, 0, 0, 0, 0, 1]])


def made(**options: float) -> FEAT:
    learner = build(FEAT, backbone="conv4:4", **options).double()
    assert isinstance(learner, FEAT)
    nn.init.normal_(learner.adapted.last.weight)
    nn.init.normal_(learner.adapted.last.bias)
    return learner


def by_hand(layer: SetToSet, items: Tensor) -> Tensor:
    """One set `[n, D]`, item by item."""
    adapted = []
    for item in items:
        scores = [float(layer.asked(item) @ layer.keys(other)) / math.sqrt(items.shape[1]) for other in items]
        weights = [math.exp(score) / sum(map(math.exp, scores)) for score in scores]
        attended = sum(weight * layer.values(other) for weight, other in zip(weights, items, strict=True))
        moved = item + layer.last(attended)
        centred = moved - moved.mean()
        adapted.append(centred / torch.sqrt(centred.square().mean() + 1e-5))
    return torch.stack(adapted)


def test_prototypes_of_uneven_supports_are_adapted_as_a_set() -> None:
    learner, generator = made(scale=3.0), torch.Generator().manual_seed(0)
    support, query = (torch.randn(2, size, 4, generator=generator, dtype=torch.float64) for size in (7, 4))
    with torch.no_grad():
        logits = learner.classify_features(EpisodeFeatures(support, LABELS, query, 3))
        for task in range(2):
            means = torch.stack([support[task][LABELS[task] == way].mean(0) for way in range(3)])
            centres = by_hand(learner.adapted, means)
            expected = 3 * torch.cosine_similarity(query[task, :, None], centres[None], dim=2)
            torch.testing.assert_close(logits[task], expected)


def test_the_loss_has_the_centres_of_all_items_class_by_class() -> None:
    learner, given = made(contrast=0.7), random_episodes(2)
    episodes = LabelledEpisodeBatch(
        given.support.double(), given.support_labels, given.query.double(), 3, query_labels=given.query_labels
    )
    with torch.no_grad():
        images = torch.cat([episodes.support, episodes.query], dim=1)
        items = learner.embed(images.flatten(0, 1)).view(2, 18, -1)
        labels = torch.cat([episodes.support_labels, episodes.query_labels], dim=1)
        total = F.cross_entropy(learner.classify(episodes).flatten(0, 1), episodes.query_labels.flatten())
        losses = []
        for task in range(2):
            sets = [by_hand(learner.adapted, items[task][labels[task] == way]) for way in range(3)]
            centres = torch.stack([each.mean(0) for each in sets])
            alike = learner.scale * torch.cosine_similarity(items[task][:, None], centres[None], dim=2)
            losses.append(F.cross_entropy(alike, labels[task]))
        torch.testing.assert_close(learner.loss(episodes), total + 0.7 * sum(losses) / 2)


def test_before_training_prototypes_are_only_normalised() -> None:
    layer = SetToSet(6)
    items = torch.randn(1, 3, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(layer(items), F.layer_norm(items, (6,)))
