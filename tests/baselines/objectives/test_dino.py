"""DINO's loss, teacher and centre by the paper's equations, in plain numbers."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from baselines.objectives.dino import Head, dino_loss, rising
from metabench.errors import UsageError
from tests.baselines.objectives.made import batch, objective, step


def softmax(values: np.ndarray) -> np.ndarray:
    raised = np.exp(values - values.max())
    found: np.ndarray = raised / raised.sum()
    return found


def test_the_loss_by_hand() -> None:
    """Caron et al. 2021, equation 3: two global views and one local one of two pictures, three outputs."""
    generator = np.random.default_rng(0)
    student, centre = generator.normal(size=(3, 2, 3)), generator.normal(size=3)
    teacher = generator.normal(size=(2, 2, 3))
    terms = []
    for x in range(2):
        for other in range(3):
            if other != x:
                for picture in range(2):
                    wanted = softmax((teacher[x, picture] - centre) / 0.04)
                    found = softmax(student[other, picture] / 0.1)
                    terms.append(-sum(p * math.log(q) for p, q in zip(wanted, found, strict=True)))
    assert len(terms) == 8
    loss = dino_loss([*torch.from_numpy(student)], [*torch.from_numpy(teacher)], torch.from_numpy(centre), 0.1, 0.04)
    assert float(loss) == pytest.approx(np.mean(terms))


def weights(*parts: Any) -> list[torch.Tensor]:
    return [value.detach().clone() for part in parts for value in part.parameters()]


def test_the_heads_outputs_are_cosines_whatever_the_directions_lengths() -> None:
    """And their directions begin short, as of the paper's code: the longer, the less a step turns them."""
    torch.manual_seed(0)
    head, features = Head(5, 64, 200).requires_grad_(False), torch.randn(3, 5)
    assert float(head.directions.weight.norm(dim=1).max()) < 1
    before = head(features)
    assert float(before.abs().max()) <= 1
    head.directions.weight.mul_(7)
    torch.testing.assert_close(head(features), before)


def test_the_teacher_follows_the_student_and_is_what_is_kept() -> None:
    """Each weight by hand over three steps: the teacher takes in a step when the next one begins."""
    made, data = objective("dino", momentum=0.9, steps=4), batch()
    optimizer = torch.optim.SGD(made.parameters(), lr=0.1)
    expected = weights(made.network, made.head)
    for own, other in zip(expected, weights(made.student), strict=True):
        assert torch.equal(own, other)
    for number in range(3):
        momentum = 1 - 0.1 * (math.cos(math.pi * number / 4) + 1) / 2
        pairs = zip(expected, weights(made.student), strict=True)
        expected = [momentum * own + (1 - momentum) * other for own, other in pairs]
        step(made, optimizer, data)
        for own, wanted in zip(weights(made.network, made.head), expected, strict=True):
            torch.testing.assert_close(own, wanted)
    assert not all(torch.equal(a, b) for a, b in zip(expected, weights(made.student), strict=True))
    assert all(value.grad is None for value in (*made.network.parameters(), *made.head.parameters()))


def test_the_centre_is_a_moving_mean_of_the_teachers_outputs() -> None:
    made, data = objective("dino", centre_momentum=0.8), batch()
    seen: list[torch.Tensor] = []
    made.head.register_forward_hook(lambda module, given, out: seen.append(out.detach()))
    expected = torch.zeros(1024)
    for _ in range(2):
        made.loss(data)
        assert seen[-1].shape == (120, 1024)  # two global views
        expected = 0.8 * expected + 0.2 * seen[-1].mean(0)
        torch.testing.assert_close(made.centre, expected)
    before = made.centre.clone(), [value.clone() for value in made.network.parameters()]
    made.eval()
    with torch.no_grad():
        made.values([data])  # which teaches nothing
    assert torch.equal(made.centre, before[0])
    assert all(torch.equal(a, b) for a, b in zip(made.network.parameters(), before[1], strict=True))


def test_the_momentum_rises_to_1_by_a_cosine() -> None:
    assert [rising(0.96, share) for share in (0, 0.5, 1, 2)] == pytest.approx([0.96, 0.98, 1, 1])


@pytest.mark.parametrize(
    ("backbone", "size", "views"),
    [("conv4:4", 16, 0), ("conv4-strided:4", 28, 4), ("vit:8", 28, 4), ("conv4:4", 84, 0)],
)
def test_local_views_where_the_network_takes_them(backbone: str, size: int, views: int) -> None:
    made = objective("dino", (1, size, size), backbone=backbone)
    assert made.local_views == views
    sizes: list[tuple[int, ...]] = []
    made.student.register_forward_hook(lambda module, given, out: sizes.append(tuple(given[0].shape)))
    made.loss(batch().__class__(torch.rand(3, 1, size, size), torch.zeros(3).long()))
    assert sizes == [(6, 1, size, size), (3 * views, 1, size // 2, size // 2)][: 1 + bool(views)]
    assert objective("dino", (1, size, size), backbone=backbone, local_views=0).local_views == 0


def test_local_views_that_the_network_does_not_take_are_refused() -> None:
    with pytest.raises(UsageError, match="local_views=2 needs a network that takes pictures of 14 x 14 too, and"):
        objective("dino", (1, 28, 28), local_views=2)
