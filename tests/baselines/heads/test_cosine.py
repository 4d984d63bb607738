import torch
from sklearn.metrics.pairwise import cosine_similarity

from baselines.heads.cosine import cosines


def test_they_are_scikit_learns() -> None:
    generator = torch.Generator().manual_seed(0)
    query, others = (torch.randn(3, size, 5, generator=generator, dtype=torch.float64) for size in (4, 6))
    query[0, 0] = 0
    for task, found in enumerate(cosines(query, others)):
        torch.testing.assert_close(found, torch.from_numpy(cosine_similarity(query[task], others[task])))
