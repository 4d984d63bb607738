"""The losses of relations, against loops over pairs and triples."""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.distillation.relational import Relational, angle_loss, distance_loss
from metabench.checks import build
from metabench.errors import UsageError
from metabench.learner import LabelledBatch
from metabench.samples import PROBLEM


def huber(difference: float) -> float:
    """Park et al. 2019, section 3.2.1."""
    size = abs(difference)
    return 0.5 * size**2 if size <= 1 else size - 0.5


def relative_distances(points: np.ndarray) -> dict[tuple[int, int], float]:
    pairs = list(itertools.permutations(range(len(points)), 2))
    lengths = {(i, j): math.dist(points[i], points[j]) for i, j in pairs}
    mean = sum(lengths.values()) / len(pairs)
    return {pair: length / mean for pair, length in lengths.items()}


def cosines(points: np.ndarray) -> dict[tuple[int, int, int], float]:
    """Of the angle at the second of each triple, from the lengths of its sides (law of cosines)."""
    found = {}
    for i, j, k in itertools.permutations(range(len(points)), 3):
        one, two, opposite = (math.dist(points[a], points[b]) for a, b in ((i, j), (k, j), (i, k)))
        found[i, j, k] = (one**2 + two**2 - opposite**2) / (2 * one * two)
    return found


def points(dimensions: int, seed: int, count: int = 5) -> Tensor:
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_three_points_by_hand() -> None:
    """The student's are on a line, 1 and 2 apart; the teacher's are a triangle of sides 3, 4 and 5."""
    student = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64)
    teacher = torch.tensor([[0.0, 3.0], [0.0, 0.0], [4.0, 0.0]], dtype=torch.float64)
    ours, theirs = (1 / 2, 2 / 2, 3 / 2), (3 / 4, 4 / 4, 5 / 4)
    expected = sum(0.5 * (our - their) ** 2 for our, their in zip(ours, theirs, strict=True)) / 3
    assert float(distance_loss(student, teacher)) == pytest.approx(expected)
    # At the points in order: the student's angles have the cosines 1, -1 and 1, the teacher's 0.6, 0 and 0.8.
    expected = 0.5 * (0.4**2 + 1.0**2 + 0.2**2) / 3
    assert float(angle_loss(student, teacher)) == pytest.approx(expected)


@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_losses_are_those_of_loops(scale: float) -> None:
    student, teacher = points(3, 0), points(7, 1)
    teacher[0] *= scale  # one far out, so that Huber's loss is in its straight part too
    ours, theirs = (relative_distances(each.numpy()) for each in (student, teacher))
    expected = np.mean([huber(ours[pair] - theirs[pair]) for pair in ours])
    assert float(distance_loss(student, teacher)) == pytest.approx(expected)
    ours_at, theirs_at = (cosines(each.numpy()) for each in (student, teacher))
    expected = np.mean([huber(ours_at[triple] - theirs_at[triple]) for triple in ours_at])
    assert float(angle_loss(student, teacher)) == pytest.approx(expected)
    assert (max(abs(ours[pair] - theirs[pair]) for pair in ours) > 1) == (scale > 1)


@pytest.mark.parametrize("loss", [distance_loss, angle_loss])
def test_gradients_are_right_and_finite_for_items_alike(loss: type) -> None:
    student, teacher = points(3, 2).requires_grad_(), points(2, 3)
    assert torch.autograd.gradcheck(lambda features: loss(features, teacher), (student,))
    with torch.no_grad():
        student[1] = student[0]
    loss(student, teacher).backward()
    assert torch.isfinite(student.grad).all()
    assert 0 < student.grad.abs().max() < 10


@pytest.mark.parametrize("loss", [distance_loss, angle_loss])
def test_turned_moved_and_scaled_features_lie_to_each_other_as_before(loss: type) -> None:
    teacher = points(3, 4)
    turn = torch.linalg.qr(points(3, 5, count=3)).Q
    assert float(loss(7 * teacher @ turn + 5, teacher)) == pytest.approx(0, abs=1e-12)
    assert float(loss(teacher**3, teacher)) > 0.001


def test_the_student_learns_from_labels_and_weighted_relations() -> None:
    learner = build(Relational, backbone="conv4:4", teacher_backbone="conv4:8", distance_weight=3.0, angle_weight=0.5)
    assert isinstance(learner, Relational)
    batch = LabelledBatch(torch.rand(6, 1, 28, 28), torch.arange(6))
    student, teacher = learner.backbone(batch.images), learner.teacher.backbone(batch.images)
    relations = 3 * distance_loss(student, teacher) + 0.5 * angle_loss(student, teacher)
    expected = F.cross_entropy(learner.head(student), batch.labels) + relations
    assert learner.loss(batch).item() == pytest.approx(expected.item(), rel=1e-5)
    assert learner.student_loss(batch.images, None).item() == pytest.approx(relations.item(), rel=1e-5)


def test_relations_without_weight_are_refused() -> None:
    with pytest.raises(UsageError, match="are both 0: the teacher would teach nothing"):
        Relational(PROBLEM, Relational.Options(distance_weight=0, angle_weight=0))
