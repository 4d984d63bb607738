import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from baselines.gradient.maml import MAML
from baselines.gradient.metal import MeTAL
from episodes.episode import LabelledEpisodeBatch
from metabench.errors import UsageError
from tests.baselines.gradient.double_precision import (
    assert_close,
    double_episodes,
    double_learner,
    gradients,
    loss_of,
)


def learner_of_a_loss_that_matters(**options: object) -> MeTAL:
    """Two steps; at the start of training the learned loss is 0."""
    learner = double_learner(MeTAL, inner_steps=2, inner_learning_rate=0.3, **options)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in learner.losses.named_parameters():  # a large shift would leave no unit that is active
            size = 0.05 if "state_out" in name else 0.3
            parameter.add_(size * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return learner


def learned_loss(learner: MeTAL, step: int, state: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Of one task, example by example, with every factor and shift written out."""
    own = learner.losses[step]
    normal = (state - state.mean()) / (state.std() + 1e-12)
    one, two, three, four, five, six = own.state_out(own.state_hidden(normal).relu())
    weight, bias = (1 + one) * own.hidden.weight + four, (1 + two) * own.hidden.bias + five
    out = (1 + three) * own.out.weight[0] + six
    of_examples = [
        out @ (weight @ torch.cat([state, of_one, F.one_hot(label, 3).double()]) + bias).relu()
        for of_one, label in zip(logits, labels, strict=True)
    ]
    return torch.stack(of_examples).mean()


def by_autograd(learner: MeTAL, episodes: LabelledEpisodeBatch) -> Tensor:
    losses = []
    for task in range(len(episodes)):
        weights = dict(learner.network.named_parameters())
        for step in range(2):
            logits, labels = (
                functional_call(learner.network, weights, (episodes.support[task],)),
                (episodes.support_labels[task]),
            )
            plain = F.cross_entropy(logits, labels)
            state = torch.stack([plain, *(weight.mean() for weight in weights.values())])
            error = plain + learned_loss(learner, step, state, logits, labels)
            slopes = torch.autograd.grad(error, list(weights.values()), create_graph=True)
            weights = {
                name: weight - 0.3 * slope for (name, weight), slope in zip(weights.items(), slopes, strict=True)
            }
        query = functional_call(learner.network, weights, (episodes.query[task],))
        losses.append(F.cross_entropy(query, episodes.query_labels[task]))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("checkpoint", [False, True])
def test_gradients_of_weights_and_losses_equal_those_of_one_graph(checkpoint: bool) -> None:
    learner = learner_of_a_loss_that_matters(transductive=True, checkpoint=checkpoint)
    episodes, parameters = double_episodes(), list(learner.parameters())
    ours, theirs = loss_of(learner, episodes), by_autograd(learner, episodes)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    found = gradients(ours, parameters)
    assert_close(found, gradients(theirs, parameters))
    names = [name for name, _ in learner.named_parameters()]
    assert all(found[names.index(name)].abs().max() > 1e-6 for name in names if name.startswith("losses."))


def test_it_begins_as_maml_and_its_loss_changes_where_steps_go() -> None:
    episodes = double_episodes()
    learner = double_learner(MeTAL, inner_steps=2, inner_learning_rate=0.3)
    maml = double_learner(MAML, inner_steps=2, test_inner_steps=2, inner_learning_rate=0.3)
    maml.network.load_state_dict(learner.network.state_dict())
    torch.testing.assert_close(learner.classify(episodes), maml.classify(episodes))
    other = learner_of_a_loss_that_matters()
    other.network.load_state_dict(learner.network.state_dict())
    assert not torch.allclose(other.classify(episodes), maml.classify(episodes), rtol=0.01)


def test_a_test_task_takes_no_more_steps_than_there_are_losses() -> None:
    with pytest.raises(
        UsageError, match=r"cannot take 3 inner steps .* each of its 2 training steps has a loss of its"
    ):
        double_learner(MeTAL, inner_steps=2, test_inner_steps=3)
    with pytest.raises(UsageError, match="cannot take 3 inner steps"):
        double_learner(MeTAL, inner_steps=2).after_steps(3)
