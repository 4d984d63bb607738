import numpy as np
import torch
from easyfsl.methods import PTMAP
from scipy.optimize import linear_sum_assignment

from baselines.heads.transport import log_transport


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
