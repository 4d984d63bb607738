"""TF-IDF: texts as weighted bags of tokens, what every network for text must beat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.heads.bags import bags, tf_idf
from baselines.heads.logistic import logistic_head
from baselines.heads.prototypes import prototypes, squared_distances
from episodes.banks.vocabulary import TextShape
from metabench.learner import Kind, Learner, Paper, Positive, Problem, Source, TrainingOptions, option


class TfIdf(Learner):
    """TF-IDF features of a text's tokens, with the nearest class mean or logistic regression; needs no training.

    Salton and Buckley 1988. How rare a token is comes from the training texts, without their labels; of all-way tasks,
    which have none, from the support. Tokens are those of the vocabulary of the run.
    """

    source: ClassVar = Source(
        "metric",
        (
            Paper(
                "Salton, Gerard and Buckley, Christopher",
                "Term-Weighting Approaches in Automatic Text Retrieval",
                1988,
                "https://doi.org/10.1016/0306-4573(88)90021-0",
                "Information Processing & Management",
                "article",
            ),
        ),
    )
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)

    @dataclass(frozen=True)
    class Options(TrainingOptions):
        head: Literal["centroid", "logistic"] = option(
            "centroid", "centroid: nearest class mean; logistic: logistic regression"
        )
        penalty: Positive = option(0.1, "head=logistic: L2 penalty on its weights")

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options = options
        shape = self.problem.image_shape
        assert isinstance(shape, TextShape)
        self.special, self.documents = shape.vocabulary.special_numbers, shape.documents
        self.frequencies: Tensor
        self.register_buffer("frequencies", torch.from_numpy(shape.frequencies).float(), persistent=False)

    def idle_options(self) -> Mapping[str, str]:
        idle = {} if self.options.head == "logistic" else {"penalty": "head is centroid"}
        return {**super().idle_options(), "backbone": "the learner has no network", **idle}

    def adapt(self, support: Tensor, support_labels: Tensor, ways: int) -> tuple[Tensor, Tensor, int]:
        return support, support_labels, ways

    def predict(self, adapted: tuple[Tensor, Tensor, int], query: Tensor) -> Tensor:
        ids, labels, ways = adapted
        support, query = self._features(ids, query)
        if self.options.head == "centroid":
            return -squared_distances(query, prototypes(support, labels, ways))
        weight, bias = logistic_head(support, labels, ways, self.options.penalty)
        return query @ weight + bias

    def _features(self, support: Tensor, query: Tensor) -> list[Tensor]:
        """TF-IDF of both, `[B, S, U]` and `[B, Q, U]`."""
        sizes = [support.shape[1], query.shape[1]]
        longest = max(support.shape[2], query.shape[2])
        padded = [F.pad(part, (0, longest - part.shape[2])) for part in (support, query)]
        tokens, counts = bags(torch.cat(padded, dim=1), self.special)
        if self.documents:
            frequencies, documents = self.frequencies[tokens], self.documents
        else:
            frequencies, documents = (counts[:, : sizes[0]] > 0).sum(1).float(), sizes[0]
        features = tf_idf(counts, frequencies, torch.tensor(float(documents), device=counts.device))
        return list(torch.split(features, sizes, dim=1))
