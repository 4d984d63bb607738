from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from baselines.backbones import build_backbone
from baselines.gradient._inner_loop import InnerLoop, Rates, blocks, known
from baselines.stacked import stack
from baselines.stacked.batch_norm import TaskBatchNorm2d
from baselines.stacked.stack import Stack, Weights
from episodes.episode import LabelledEpisodeBatch
from metabench.samples import PROBLEM, random_episodes

IMPORTANCE = [0.0, 0.2, 0.8]  # two steps, of which the first counts too


def error(predictions: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(predictions.flatten(0, 1), labels.flatten(), reduction="none").view_as(labels).mean(1)


def setting() -> tuple[nn.Module, Weights, list[Rates], LabelledEpisodeBatch]:
    """A network, initial weights of its own for each of two tasks, and a rate for each parameter and step."""
    torch.manual_seed(0)
    backbone = build_backbone("conv4:4", PROBLEM.image_shape, norm=TaskBatchNorm2d)
    network = nn.Sequential(backbone, nn.Linear(4, 3)).double()
    start = {
        name: (value + 0.1 * torch.randn(2, *value.shape, dtype=torch.float64)).detach().requires_grad_()
        for name, value in network.named_parameters()
    }
    rates = [
        {name: (0.3 + 0.1 * torch.rand(value.shape[1:], dtype=torch.float64)).requires_grad_() for name, value in part}
        for part in (list(start.items()), list(start.items())[4:])  # the second step leaves the first block as it is
    ]
    episodes = random_episodes(2)
    return (
        network,
        start,
        list(rates),
        replace(episodes, support=episodes.support.double(), query=episodes.query.double()),
    )


def by_autograd(
    network: nn.Module, start: Weights, rates: list[Rates], episodes: LabelledEpisodeBatch, second_order: bool
) -> Tensor:
    """The outer loss task by task, whose graph torch keeps; it is differentiated as a whole."""
    total = torch.zeros((), dtype=torch.float64)
    for task in range(2):
        weights = {name: value[task] for name, value in start.items()}
        for number in range(3):
            if IMPORTANCE[number]:
                query = functional_call(network, weights, (episodes.query[task],))
                total = total + IMPORTANCE[number] * F.cross_entropy(query, episodes.query_labels[task])
            if number == 2:
                break
            support = functional_call(network, weights, (episodes.support[task],))
            loss = F.cross_entropy(support, episodes.support_labels[task])
            gradients = torch.autograd.grad(loss, [weights[name] for name in rates[number]], create_graph=second_order)
            moved = {
                name: weights[name] - rates[number][name] * gradient
                for name, gradient in zip(rates[number], gradients, strict=True)
            }
            weights = {**weights, **moved}
    return total


@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize("second_order", [False, True])
def test_gradients_of_starts_and_rates_equal_autograds(second_order: bool, checkpoint: bool) -> None:
    """Step by step with Hessian-vector products, against one graph of everything."""
    network, start, rates, episodes = setting()
    inputs = [*start.values(), *(rate for step in rates for rate in step.values())]
    loop = InnerLoop(
        Stack(network, PROBLEM.image_shape), error, second_order=second_order, transductive=True, checkpoint=checkpoint
    )
    values, gradients = loop.outer_gradients(start, rates, episodes, IMPORTANCE)
    ours = known(values.sum(), gradients, inputs)
    theirs = by_autograd(network, start, rates, episodes, second_order)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)
    pairs = zip(torch.autograd.grad(3 * ours, inputs), torch.autograd.grad(3 * theirs, inputs), strict=True)
    for our, their in pairs:
        torch.testing.assert_close(our, their, rtol=1e-9, atol=1e-11)


def test_adapted_weights_do_not_depend_on_the_other_tasks_of_a_block() -> None:
    network, start, rates, episodes = setting()
    loop = InnerLoop(Stack(network, PROBLEM.image_shape), error)
    both = loop.adapt(start, episodes.support, episodes.support_labels, rates)
    other = loop.adapt(
        start, torch.stack([episodes.support[0], episodes.support[1] ** 2]), episodes.support_labels, rates
    )
    for name in both:
        assert torch.equal(both[name][0], other[name][0])
        assert name == "0.0.weight" or not torch.equal(both[name][1], other[name][1])


def test_blocks_hold_all_tasks_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    episodes = random_episodes(5)
    monkeypatch.setitem(stack.AT_ONCE, "cpu", 2 * episodes.support[0].numel() + 1)
    parts = list(blocks(episodes))
    assert [len(part) for part in parts] == [2, 2, 1]
    for name in ("support", "support_labels", "query", "query_labels"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(episodes, name))
    monkeypatch.setitem(stack.AT_ONCE, "cpu", 1)
    assert [len(part) for part in blocks(episodes)] == [1] * 5


def test_weights_do_not_depend_on_the_blocks_but_for_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    network, start, rates, episodes = setting()
    loop = InnerLoop(Stack(network, PROBLEM.image_shape), error)
    given = (start, episodes.support, episodes.support_labels, rates)
    together = loop.adapt(*given)
    monkeypatch.setitem(stack.AT_ONCE, "cpu", 1)
    for name, value in loop.adapt(*given).items():
        torch.testing.assert_close(value, together[name], rtol=1e-10, atol=1e-12)
