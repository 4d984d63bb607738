import numpy as np
import pytest
import torch

from baselines.metric import dn4
from baselines.metric.dn4 import DN4, of_classes
from metabench.checks import build, check_learner
from metabench.errors import UsageError
from metabench.learner import EpisodeFeatures
from metabench.samples import random_episodes

LABELS = torch.tensor([[0, 1, 1, 2, 2, 2, 2], [2, 1, 0, 0, 0, 0, 1]])


def made(backbone: str = "conv4-two-pools:4", **options: object) -> DN4:
    learner = build(DN4, backbone=backbone, **options)
    assert isinstance(learner, DN4)
    return learner


@pytest.mark.parametrize("most", [2**24, 31])
def test_logits_are_sums_of_the_nearest_cosines_place_by_place(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes of 1, 2 and 4 images of 6 places; all queries at once, and one after the other."""
    monkeypatch.setattr(dn4, "MOST_VALUES", most)
    generator = torch.Generator().manual_seed(0)
    support, query = (torch.randn(2, size, 4, 2, 3, generator=generator, dtype=torch.float64) for size in (7, 4))
    given = EpisodeFeatures(support.flatten(2), LABELS, query.flatten(2), 3)
    logits = made(neighbours=3).classify_features(given)
    for task in range(2):
        for asked in range(4):
            for way in range(3):
                total = 0.0
                pool = [
                    image[:, row, column].numpy()
                    for image in support[task][LABELS[task] == way]
                    for row in range(2)
                    for column in range(3)
                ]
                for row in range(2):
                    for column in range(3):
                        place = query[task, asked, :, row, column].numpy()
                        alike = [place @ each / np.linalg.norm(place) / np.linalg.norm(each) for each in pool]
                        total += sum(sorted(alike)[-3:])
                assert float(logits[task, asked, way]) == pytest.approx(total)


def test_features_are_the_places_of_the_last_map() -> None:
    """Of Conv-4 with two poolings 7 x 7 of 28 x 28 images, of ResNet-12 4 x 4 of 64 x 64, before their mean."""
    learner = made()
    images = torch.rand(3, 1, 28, 28)
    assert learner.embed(images).shape == (3, 4 * 49)
    assert (learner.channels, len(learner.backbone)) == (4, 14)
    task = learner.problem.task
    deep = DN4(type(learner.problem)((3, 64, 64), 6, task), DN4.Options(backbone="resnet12:4")).eval()
    images = torch.rand(2, 3, 64, 64)
    assert deep.embed(images).shape == (2, 40 * 16)
    through_blocks = images
    for block in list(deep.backbone)[:4]:
        through_blocks = block(through_blocks)
    torch.testing.assert_close(deep.embed(images), through_blocks.flatten(1))


def test_members_of_classes_of_uneven_size() -> None:
    members, there = of_classes(LABELS, 3)
    found = [[members[task, way][there[task, way]].tolist() for way in range(3)] for task in range(2)]
    assert found == [[[0], [1, 2], [3, 4, 5, 6]], [[2, 3, 4, 5], [1, 6], [0]]]


@pytest.mark.parametrize(
    ("backbone", "options", "message"),
    [
        ("mlp", {}, "backbone 'mlp' has no map of local features; choose one such as conv4-two-pools"),
        (
            "conv4",
            {},
            "backbone 'conv4' has a map of a single place for images of 28 x 28; choose conv4-two-pools, or larger "
            "images (--image-size)",
        ),
        (
            "conv4-two-pools",
            {"neighbours": 50},
            "neighbours=50 is more than the 49 places of an image in backbone 'conv4-two-pools'; give at most 49",
        ),
    ],
)
def test_networks_without_local_features_are_refused(backbone: str, options: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        made(backbone, **options)
    assert str(caught.value) == message


def test_another_number_of_neighbours_keeps_the_contract() -> None:
    check_learner(DN4, backbone="conv4-two-pools:4", neighbours=1)


def test_training_reaches_the_embedding() -> None:
    learner = made().train()
    learner.loss(random_episodes()).backward()
    assert float(next(learner.backbone.parameters()).grad.abs().sum()) > 0  # type: ignore[union-attr]
