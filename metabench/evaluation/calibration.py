"""Temperature scaling: logits divided by one number, so that confidences are as often right as they say."""

from __future__ import annotations

from math import ceil

import numpy as np
import torch
from scipy import optimize
from torch import Tensor

from episodes.sampling.source import BankSource, EpisodeSource
from metabench.evaluation.loop import gathered_logits
from metabench.learner import Learner

ENOUGH = 30  # tasks
ENOUGH_QUERIES = 2250  # of all tasks together, where a task has more than 75
WIDEST = 1000.0  # times the logits' standard deviation, up or down: where all predictions are right there is no best


def learner_temperature(learner: Learner, validation: EpisodeSource, episodes: int) -> float:
    """The temperature of a learner, fitted on the first validation tasks: `ENOUGH`, or fewer with `ENOUGH_QUERIES`.

    An all-way task may take minutes, and one can have enough queries for one number.

    Args:
        learner: on the tasks' device.
        validation: the tasks.
        episodes: how many there are.

    Raises:
        RunError: as `metabench.evaluation.loop.predict_episodes`.
    """
    count = min(episodes, ENOUGH)
    if isinstance(validation, BankSource):
        count = min(count, ceil(ENOUGH_QUERIES / validation.drawn([0]).query.shape[1]))
    parts = gathered_logits(learner, validation, range(count))
    most = max(logits.shape[2] for logits, _ in parts)
    # A class that a task of fewer ways lacks has no probability.
    padded = [torch.nn.functional.pad(logits, (0, most - logits.shape[2]), value=-torch.inf) for logits, _ in parts]
    return fit_temperature(
        torch.cat([logits.flatten(0, 1) for logits in padded]), torch.cat([labels.flatten() for _, labels in parts])
    )


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The T that gives softmax(logits / T) the least mean negative log-likelihood of the labels.

    Guo, Pleiss, Sun, Weinberger 2017, section 4.2: predictions stay as they are. The likelihood is concave in 1 / T.
    T is within `WIDEST` times the logits' own standard deviation (within queries), and 1 if that is 0.

    Args:
        logits: `[n, N]`; -inf where a query's task has fewer classes than N.
        labels: `[n]` int64.
    """
    scores, right = logits.double().cpu(), labels.cpu()
    known = torch.isfinite(scores)
    scores = scores - scores.amax(1, keepdim=True)  # a constant within a query changes nothing
    centred = scores - scores.where(known, 0.0).sum(1, keepdim=True) / known.sum(1, keepdim=True)
    deviation = float(centred[known].square().mean().sqrt())
    if deviation == 0:
        return 1.0

    def error(log_inverse: float) -> float:
        scaled = scores * (np.exp(log_inverse) / deviation)
        return float(torch.nn.functional.cross_entropy(scaled, right))

    reach = np.log(WIDEST)
    found = optimize.minimize_scalar(error, bounds=(-reach, reach), method="bounded", options={"xatol": 1e-5})
    return float(deviation * np.exp(-found.x))
