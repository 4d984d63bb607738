import numpy as np
import ot
import pytest
import torch
import torch.nn.functional as F
from easyfsl.methods import PTMAP
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from baselines.heads import transport
from baselines.heads.transport import log_transport, sinkhorn, transport_cost


def costs(tasks: int = 3) -> torch.Tensor:
    return torch.rand(tasks, 12, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_each_query_has_mass_1_and_each_class_as_much_as_any_other() -> None:
    plan = log_transport(costs(), 5.0).exp()
    torch.testing.assert_close(plan.sum(2), torch.ones(3, 12, dtype=torch.float64))
    torch.testing.assert_close(plan.sum(1), torch.full((3, 4), 3.0, dtype=torch.float64), rtol=2e-4, atol=0)


def test_it_is_scaled_exponentials_of_the_costs() -> None:
    """By which alone an optimal plan differs from exp(-sharpness * cost): log P + sharpness * cost is u_i + v_j."""
    rest = log_transport(costs(), 5.0) + 5 * costs()
    crossed = rest - rest[:, :1] - rest[:, :, :1] + rest[:, :1, :1]
    torch.testing.assert_close(crossed, torch.zeros_like(crossed), atol=1e-9, rtol=0)


def test_it_is_easyfsls_plan() -> None:
    other = PTMAP(torch.nn.Identity(), lambda_regularization=5.0)
    for task in range(3):
        expected = other.compute_optimal_transport(costs()[task], epsilon=1e-9)
        torch.testing.assert_close(log_transport(costs(), 5.0)[task].exp(), expected, atol=1e-3, rtol=0)


def test_the_limit_without_entropy_is_scipys_assignment() -> None:
    plan = log_transport(costs(), 500.0, most_steps=20_000).exp()
    for task in range(3):
        rows, columns = linear_sum_assignment(np.repeat(costs()[task].numpy(), 3, axis=1))
        assert plan[task].argmax(1).tolist() == (columns[np.argsort(rows)] // 3).tolist()


def test_a_task_does_not_depend_on_how_long_another_takes() -> None:
    easy = torch.zeros(1, 12, 4, dtype=torch.float64)
    together = log_transport(torch.cat([easy, 9 * costs(1)]), 20.0)
    assert torch.equal(together[1:], log_transport(9 * costs(1), 20.0))
    assert torch.equal(together[:1], log_transport(easy, 20.0))


def test_costs_that_underflow_leave_it_finite() -> None:
    assert bool(torch.isfinite(log_transport(1e4 * costs().float(), 10.0)).all())


def problems(count: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    costs = 2 * torch.rand(count, 5, 4, generator=generator, dtype=torch.float64)
    supply, demand = (torch.rand(count, size, generator=generator, dtype=torch.float64) + 0.1 for size in (5, 4))
    return costs, supply / supply.sum(1, keepdim=True), demand / demand.sum(1, keepdim=True)


@pytest.mark.parametrize("most", [2**18, 1])
def test_with_little_entropy_it_is_the_earth_movers_distance(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """And so are its gradients, by the exact solver of POT; a constant of the potentials is free."""
    monkeypatch.setattr(transport, "MOST_VALUES", most)
    given = [each.requires_grad_() for each in problems()]
    found = transport_cost(*given, entropy=0.004, steps=20_000)
    gradients = torch.autograd.grad(found.sum(), given)
    for number in range(3):
        own = [each[number].detach().requires_grad_() for each in given]
        exact = ot.emd2(own[1], own[2], own[0])
        torch.testing.assert_close(found[number], exact, rtol=0, atol=1e-6)
        flow, *potentials = torch.autograd.grad(exact, own)
        torch.testing.assert_close(gradients[0][number], flow, rtol=0, atol=1e-5)
        for ours, theirs in zip((gradients[1][number], gradients[2][number]), potentials, strict=True):
            torch.testing.assert_close(ours - ours.mean(), theirs - theirs.mean(), rtol=0, atol=0.02)


def test_flows_and_potentials_are_those_of_pot() -> None:
    costs, supply, demand = problems()
    flow, _, _ = sinkhorn(costs, supply, demand, 0.1, 1000)
    for number in range(3):
        expected = ot.sinkhorn(supply[number], demand[number], costs[number], 0.1, stopThr=1e-14, numItermax=5000)
        torch.testing.assert_close(flow[number], expected)


def test_the_default_is_near_the_exact_distance_in_float32() -> None:
    """Of costs that are 1 minus cosines, to 0.02."""
    generator = torch.Generator().manual_seed(0)
    first, second = (F.normalize(torch.randn(20, 12, 6, generator=generator), dim=2) for _ in range(2))
    supply, demand = (torch.rand(20, 12, generator=generator) + 0.1 for _ in range(2))
    given = (1 - first @ second.mT, supply / supply.sum(1, keepdim=True), demand / demand.sum(1, keepdim=True))
    wide = [each.double() for each in given]
    exact = [ot.emd2(own / own.sum(), other / other.sum(), costs) for costs, own, other in zip(*wide, strict=True)]
    torch.testing.assert_close(transport_cost(*given).double(), torch.stack(exact), rtol=0, atol=0.02)
    flow, *_ = sinkhorn(*given, transport.ENTROPY, transport.STEPS)
    torch.testing.assert_close(flow.sum(2), given[1], rtol=0, atol=0.005)


def test_extreme_costs_and_weights_stay_finite() -> None:
    costs = torch.tensor([[[0.0, 2.0], [2.0, 2.0]], [[2.0, 2.0], [2.0, 2.0]]]).requires_grad_()
    supply = torch.tensor([[1 - 1e-6, 1e-6], [0.5, 0.5]]).requires_grad_()
    demand = torch.tensor([[1e-6, 1 - 1e-6], [0.5, 0.5]]).requires_grad_()
    found = transport_cost(costs, supply, demand)
    assert found.tolist() == pytest.approx([2.0, 2.0], abs=1e-3)
    assert all(torch.isfinite(each).all() for each in torch.autograd.grad(found.sum(), [costs, supply, demand]))
