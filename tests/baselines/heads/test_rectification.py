import numpy as np
import pytest
import torch
from easyfsl.methods import BDCSPN
from numpy.typing import NDArray

from baselines.heads.prototypes import prototypes
from baselines.heads.rectification import rectified, shifted

LABELS = torch.tensor([[0, 1, 1, 2, 2, 2], [2, 0, 1, 0, 0, 0]])


def drawn() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    support, query = (torch.randn(2, size, 5, generator=generator, dtype=torch.float64) for size in (6, 11))
    return support, query + 1


def test_shifted_queries_have_the_mean_of_the_support() -> None:
    support, query = drawn()
    moved = shifted(query, support)
    torch.testing.assert_close(moved.mean(1), support.mean(1))
    torch.testing.assert_close(moved[:, 1:] - moved[:, :1], query[:, 1:] - query[:, :1])


def cosine(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    return float(one @ two / np.linalg.norm(one) / np.linalg.norm(two))


@pytest.mark.parametrize("most", [None, 0, 2, 50])
def test_new_prototypes_by_a_loop(most: int | None) -> None:
    support, query = drawn()
    centres = prototypes(support, LABELS, 3)
    found = rectified(centres, support, LABELS, query, 4.0, most).numpy()
    for task in range(2):
        old = centres[task].numpy()
        scores = np.array([[4 * cosine(item, centre) for centre in old] for item in query[task].numpy()])
        sure = (np.exp(scores) / np.exp(scores).sum(1, keepdims=True)).max(1)
        for way in range(3):
            own = np.flatnonzero(scores.argmax(1) == way)
            own = own[np.argsort(-sure[own])][:most]
            items = np.concatenate([support[task][LABELS[task] == way].numpy(), query[task].numpy()[own]])
            weights = np.array([np.exp(4 * cosine(item, old[way])) for item in items])
            np.testing.assert_allclose(found[task, way], weights @ items / weights.sum())


def test_they_are_easyfsls() -> None:
    """Whose cosines have no factor, and whose classes take all queries."""
    support, query = drawn()
    for task in range(2):
        other = BDCSPN(torch.nn.Identity())
        other.process_support_set(support[task], LABELS[task])
        centres = other.prototypes.clone()[None]
        other.rectify_prototypes(query[task])
        moved = shifted(query[task : task + 1], support[task : task + 1])
        found = rectified(centres, support[task : task + 1], LABELS[task : task + 1], moved, 1.0)
        torch.testing.assert_close(found[0], other.prototypes)
