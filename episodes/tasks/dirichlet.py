"""Numbers of queries that differ between the classes of a task: shares from a Dirichlet distribution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from episodes.errors import DataError

PAPER = 2.0  # the concentration of Veilleux et al. 2021
LEAST, MOST = 0.001, 1000.0  # below them tasks have queries of one class alone, above as good as no imbalance
FIRST_TERM = 1e-100  # gamma variates below it are what the first term of their distribution function says
ROUNDING = 1e-9  # of a quota: far more than floating point needs, far less than one query


def concentration(imbalance: str) -> float | None:
    """What `none`, `dirichlet` or `dirichlet:ALPHA` asks for; None for none.

    Raises:
        DataError: it is none of these, or ALPHA no number in the range.
    """
    if imbalance == "none":
        return None
    name, colon, number = imbalance.partition(":")
    try:
        alpha = float(number) if colon else PAPER
    except ValueError:
        alpha = np.nan
    if name != "dirichlet" or not LEAST <= alpha <= MOST:
        raise DataError(
            f"give none, dirichlet, or dirichlet:ALPHA with a concentration ALPHA from {LEAST:g} to {MOST:g}"
        )
    return alpha


def canonical(imbalance: str) -> str:
    """The same in the one way of writing it, so that one concentration is one recipe: `dirichlet:2.0` is `dirichlet`.

    Raises:
        DataError: as of `concentration`.
    """
    alpha = concentration(imbalance)
    if alpha is None:
        return "none"
    return "dirichlet" if alpha == PAPER else f"dirichlet:{alpha!r}".removesuffix(".0")


def shared(uniform: NDArray[np.float64], alpha: float, total: int, most: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whole numbers `[tasks, classes]` that add up to `total`, by proportions from a symmetric Dirichlet distribution.

    The whole numbers are those of `apportioned`. Where a class has fewer items than its share, it gives all that it
    has, and the others share the rest by their proportions, again up to what they have.

    Args:
        uniform: in [0, 1), `[tasks, classes]`.
        alpha: the concentration.
        total: to be shared; at most what the classes of each task have together.
        most: what each class has, `[tasks, classes]`.
    """
    most = np.ascontiguousarray(most)  # so that sums of a row are the same beside other rows
    logs, full = log_proportions(uniform, alpha), np.zeros(most.shape, dtype=bool)
    while True:
        # Anew each time: where one class has all but 1e-300 of a task, what it leaves is still shared by proportions.
        free = np.where(full, -np.inf, logs)
        weights = np.exp(free - free.max(1, keepdims=True))
        left = total - np.where(full, most, 0).sum(1, keepdims=True)
        quotas = left * weights / weights.sum(1, keepdims=True)
        over = ~full & (quotas > most + ROUNDING)
        if not over.any():
            return np.where(full, most, apportioned(quotas, left))
        full |= over


def cut_share(alpha: float, ways: int, total: int, most: int) -> float:
    """The share of 1,000 tasks in which a class's part of `total` is more than `most`, which `shared` would cut."""
    logs = log_proportions(np.random.default_rng(0).random((1000, ways)), alpha)
    weights = np.exp(logs - logs.max(1, keepdims=True))
    return float((total * (weights / weights.sum(1, keepdims=True)).max(1) > most + 0.5).mean())


def apportioned(quotas: NDArray[np.float64], totals: NDArray[np.int64]) -> NDArray[np.int64]:
    """Quotas `[tasks, classes]` as whole numbers that add up to `totals` `[tasks, 1]`, by the largest remainders.

    Each is rounded down, and those with the largest remainders get one more. This is what Veilleux et al. do in their
    code: they round to the nearest, and then turn as many as it takes, those nearest to a half first.
    """
    whole = np.floor(quotas).astype(np.int64)
    ranks = np.argsort(np.argsort(whole - quotas, axis=1, kind="stable"), axis=1)
    return np.asarray(whole + (ranks < totals - whole.sum(1, keepdims=True)))


def log_proportions(uniform: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """Logarithms of proportions from a symmetric Dirichlet distribution, less a constant in each row.

    They are gamma variates, each the inverse of the distribution function at one number; their shares in the row's sum
    are Dirichlet (Devroye 1986, chapter XI, section 4). Those that are tiny, as with a small concentration, are in
    closed form: the distribution function at a small x is x^alpha / Gamma(alpha + 1).

    Args:
        uniform: in [0, 1), `[rows, classes]`.
        alpha: the concentration.
    """
    from scipy import special  # which takes a while, and other recipes do without

    above = np.maximum(uniform, 2.0**-54)  # 0, which has no logarithm
    gamma = special.gammaincinv(alpha, above)
    tiny = (np.log(above) + special.gammaln(alpha + 1)) / alpha
    return np.where(gamma < FIRST_TERM, tiny, np.log(np.maximum(gamma, FIRST_TERM)))
