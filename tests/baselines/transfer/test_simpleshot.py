import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize

from baselines.transfer.simpleshot import SimpleShot
from metabench.checks import build
from metabench.learner import EpisodeFeatures, LabelledBatch
from metabench.samples import random_episodes


def made(**options: object) -> SimpleShot:
    learner = build(SimpleShot, backbone="conv4:8", **options)
    assert isinstance(learner, SimpleShot)
    torch.nn.init.normal_(learner.centre.point)
    return learner


@pytest.mark.parametrize("transform", ["cl2n", "l2n", "un"])
@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_", "ignore:invalid value")  # a ReLU that is always off
def test_predictions_are_scikit_learns_nearest_centroid_on_transformed_features(transform: str) -> None:
    learner, episodes = made(transform=transform), random_episodes(3)
    with torch.no_grad():
        logits = learner.classify(episodes)
        for task in range(3):
            support, query = (
                learner.backbone(part[task]).numpy().astype(float) for part in (episodes.support, episodes.query)
            )
            if transform == "cl2n":
                support, query = (part - learner.centre.point.numpy() for part in (support, query))
            if transform != "un":
                support, query = normalize(support), normalize(query)
            fitted = NearestCentroid().fit(support, episodes.support_labels[task])
            expected = -((query[:, None] - fitted.centroids_) ** 2).sum(2)
            np.testing.assert_allclose(logits[task], expected, rtol=1e-3, atol=1e-5)


def test_uneven_supports() -> None:
    support, query = torch.tensor([[[0.0], [2.0], [7.0]]]), torch.tensor([[[3.0]]])
    logits = made().classify_features(EpisodeFeatures(support, torch.tensor([[1, 1, 0]]), query, 2))
    assert logits.tolist() == [[[-16.0, -4.0]]]


def test_the_centre_is_the_mean_of_the_training_features() -> None:
    """Found by the optimiser and the schedule that the stage asks for, from batches of noise."""
    learner, images = made(batch_size=32), torch.rand(256, 1, 1, 1) * torch.rand(256, 1, 28, 28)
    torch.nn.init.zeros_(learner.centre.point)
    stage = learner.stages()[1]
    options = stage.options
    assert (options.optimizer, options.schedule, options.weight_decay) == ("sgd", "cosine", 0)
    with torch.no_grad():
        features = learner.backbone(images)
    optimizer = torch.optim.SGD(stage.module.parameters(), lr=options.learning_rate, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.steps)
    for step in range(options.steps):
        rows = torch.arange(32 * step, 32 * step + 32) % 256
        optimizer.zero_grad()
        stage.loss(LabelledBatch(images[rows], torch.zeros(32).long())).backward()
        optimizer.step()
        schedule.step()
    error = (learner.centre.point.detach() - features.mean(0)).norm()
    assert float(error) < 0.05 * float(features.std(0).norm())
    assert all(parameter.grad is None for parameter in learner.backbone.parameters())


def test_without_centring_there_is_no_such_stage() -> None:
    assert [stage.name for stage in made().stages()] == ["pre-train", "centre"]
    learner = made(transform="l2n")
    assert [stage.name for stage in learner.stages()] == ["pre-train"]
    assert learner.idle_options() == {"centring_steps": "transform is l2n"}


def test_the_centre_counts_as_part_of_scoring() -> None:
    network = sum(parameter.numel() for parameter in made().backbone.parameters())
    assert [made(transform=name).scoring_parameters() for name in ("cl2n", "l2n", "un")] == [
        network + 8,
        network,
        network,
    ]
