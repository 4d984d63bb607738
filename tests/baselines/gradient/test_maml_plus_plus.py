from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call

from baselines.gradient.maml_plus_plus import MAMLPlusPlus
from episodes.episode import LabelledEpisodeBatch
from metabench.errors import UsageError
from tests.baselines.gradient.double_precision import (
    assert_close,
    double_episodes,
    double_learner,
    gradients,
    loss_of,
)

STEPS = 100


def learner_after(steps: int, **options: Any) -> MAMLPlusPlus:
    options = {"inner_steps": 3, "inner_learning_rate": 0.2, "steps": STEPS, "transductive": True, **options}
    learner = double_learner(MAMLPlusPlus, **options)
    with torch.no_grad():
        noise = torch.rand(learner.inner_rates.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        learner.inner_rates.mul_(2 * noise)
    learner.trained_steps.fill_(steps)
    return learner


def by_hand(
    learner: MAMLPlusPlus, episodes: LabelledEpisodeBatch, importance: list[float], second_order: bool
) -> torch.Tensor:
    """The multi-step loss, with one graph of everything."""
    losses = []
    for task in range(len(episodes)):
        weights = dict(learner.network.named_parameters())
        for of_step, weight in zip(learner.inner_rates, importance, strict=True):
            error = F.cross_entropy(
                functional_call(learner.network, weights, (episodes.support[task],)), episodes.support_labels[task]
            )
            slopes = torch.autograd.grad(error, list(weights.values()), create_graph=second_order)
            weights = {
                name: value - rate * slope
                for (name, value), rate, slope in zip(weights.items(), of_step, slopes, strict=True)
            }
            query = functional_call(learner.network, weights, (episodes.query[task],))
            losses.append(weight * F.cross_entropy(query, episodes.query_labels[task]))
    return torch.stack(losses).sum() / len(episodes)


@pytest.mark.parametrize(
    ("trained", "importance", "second_order"),
    [
        (0, [1 / 3, 1 / 3, 1 / 3], False),
        (10, [1 / 6, 1 / 6, 2 / 3], False),  # half of the 20 in which the loss is annealed
        (20, [0.0, 0.0, 1.0], False),
        (30, [0.0, 0.0, 1.0], True),
    ],
)
def test_gradients_of_weights_and_rates_at_each_part_of_training(
    trained: int, importance: list[float], second_order: bool
) -> None:
    learner = learner_after(trained, anneal_part=0.2, first_order_part=0.3)
    episodes, parameters = double_episodes(), list(learner.parameters())
    ours, theirs = loss_of(learner, episodes), by_hand(learner, episodes, importance, second_order)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-10)
    assert_close(gradients(ours, parameters), gradients(theirs, parameters))
    assert learner.trained_steps == trained + 1


def test_the_multi_step_loss_with_second_derivatives() -> None:
    learner, episodes = learner_after(0, anneal_part=1.0, first_order_part=0.0), double_episodes()
    parameters = list(learner.parameters())
    theirs = by_hand(learner, episodes, [1 / 3] * 3, second_order=True)
    assert_close(gradients(loss_of(learner, episodes), parameters), gradients(theirs, parameters))


def test_how_far_training_is_goes_with_the_weights() -> None:
    trained = learner_after(0)
    for _ in range(4):
        loss_of(trained, double_episodes())
    resumed = learner_after(0)
    resumed.load_state_dict(trained.state_dict())
    assert resumed.importance() == trained.importance() != learner_after(0).importance()


def test_a_task_takes_no_more_steps_than_there_are_rates() -> None:
    with pytest.raises(
        UsageError, match=r"cannot take 4 inner steps .* each of its 3 training steps has a learning rate"
    ):
        learner_after(0, test_inner_steps=4)
    learner, episodes = learner_after(0), double_episodes()
    with pytest.raises(UsageError, match="give at most 3, or a larger inner_steps"):
        learner.after_steps(4)
    built = learner_after(0, test_inner_steps=2)
    assert torch.equal(learner.after_steps(2).classify(episodes), built.classify(episodes))
    assert not torch.equal(learner.classify(episodes), built.classify(episodes))
