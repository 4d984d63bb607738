"""Logistic regression as a classifier, by scikit-learn (extra `text`)."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from episodes.extras import need


def logistic_head(support: Tensor, labels: Tensor, query: Tensor, ways: int, penalty: float, what: str) -> Tensor:
    """Log-probabilities `[B, Q, N]` of multinomial logistic regressions, one fitted on the support of each task.

    Minimises the mean cross-entropy over the support plus `penalty / 2 * |W|^2`; the intercept is not penalised.

    Args:
        support: features `[B, S, D]`.
        labels: `[B, S]`.
        query: features `[B, Q, D]`.
        ways: N.
        penalty: above 0.
        what: needs it, for the message where scikit-learn is missing.
    """
    linear = need("sklearn.linear_model", "text", what)
    logits = query.new_full((*query.shape[:2], ways), -1e4)
    for task, (features, numbers) in enumerate(zip(support.detach().cpu().numpy(), labels.cpu().numpy(), strict=True)):
        inverse = 1 / (penalty * len(numbers))  # scikit-learn's C is of the sum over items, not of their mean
        with warnings.catch_warnings():
            # Of few shots in many classes it asks whether labels are not rather outputs of a regression.
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            fitted = linear.LogisticRegression(C=inverse, max_iter=1000).fit(features, numbers)
        found = torch.from_numpy(fitted.predict_log_proba(query[task].detach().cpu().numpy()))
        logits[task][:, fitted.classes_] = found.to(logits)
    return logits
