"""What all objectives of pictures have in common: they learn, and those without labels do not look at them."""

import pytest
import torch
import torch.nn.functional as F

from metabench.objective import LabelledBatch, PictureObjective, get_objective, objective_names
from tests.baselines.objectives.made import batch, objective, step

NAMES = [name for name in objective_names() if issubclass(get_objective(name), PictureObjective)]


@pytest.mark.parametrize("name", NAMES)
def test_labels_change_nothing_but_of_supervised(name: str) -> None:
    data = batch()
    shuffled = LabelledBatch(data.images, data.labels[torch.randperm(len(data.labels))] // 2)  # and fewer of them
    ends = []
    for each in (data, shuffled):
        made = objective(name)
        optimizer = torch.optim.AdamW(made.parameters(), lr=1e-2)
        for _ in range(3):
            step(made, optimizer, each)
        with torch.no_grad():
            values = made.eval().values([each])
        ends.append((values, made.state_dict()))
    same = all(torch.equal(value, ends[1][1][key]) for key, value in ends[0][1].items())
    assert same == (ends[0][0] == ends[1][0] and name != "supervised")
    assert same == (name != "supervised")


@pytest.mark.parametrize("name", NAMES)
def test_a_few_steps_lower_the_loss(name: str) -> None:
    """Of views that are the same each time, and of a teacher that stays as it is: else it is no fixed aim."""
    still = {"momentum": 0.999999, "centre_momentum": 0.999999} if name == "dino" else {}
    made, data, losses = objective(name, **still), batch(), []
    optimizer = torch.optim.AdamW(made.parameters(), lr=1e-2)
    for _ in range(15):
        torch.manual_seed(1)
        losses.append(step(made, optimizer, data))
    assert losses[-1] < 0.95 * losses[0]


def test_supervised_is_the_cross_entropy_of_a_linear_head() -> None:
    made, data = objective("supervised").eval(), batch()
    logits = made.network(data.images) @ made.head.weight.T + made.head.bias
    expected = -F.log_softmax(logits, dim=1)[torch.arange(len(data.labels)), data.labels].mean()
    torch.testing.assert_close(made.loss(data), expected)
    assert made.head.weight.shape[0] == 6
    assert made.values([data]) == {}


def test_views_of_grey_pictures_are_not_mirrored_and_show_more() -> None:
    for name in ("simclr", "dino", "masked-image"):
        assert not objective(name).flip
        assert objective(name, (3, 16, 16)).flip
        assert objective(name, flip=True).flip
    assert objective("simclr").areas == (0.5, 1.0)
    assert objective("simclr", (3, 16, 16)).areas == (0.2, 1.0)
    assert objective("simclr", least_area=0.3).areas == (0.3, 1.0)
