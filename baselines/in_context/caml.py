"""CAML: context-aware meta-learning (Fifty, Duan, Junkins, Amid, Leskovec, Ré, Thrun 2024)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from baselines.backbones import feature_size
from baselines.bases.frozen import FrozenLearner
from metabench.errors import UsageError
from metabench.learner import Count, EpisodeFeatures, FixedTask, Paper, Problem, Source, option

CODE = 64  # numbers of a label's code, unless there are more labels
SEQUENCES_AT_ONCE = 2**16  # items of sequences that are read together where nothing is learned


class CAML(FrozenLearner):
    """Read a task as one sequence of labelled items and a query without a label, by a transformer that was trained to.

    Fifty et al. 2024 (section 3): an item is the features of a frozen embedding beside the code of its label; the codes
    are fixed, of one length and maximally equiangular (ELMES, definition 1); the query has a learned code for "unknown"
    in place of a label's. A transformer encoder without positions reads the sequence of one query and the support, and
    what comes out for the query is mapped to the labels. No weight changes at test. The codes are dealt to the classes
    of each training episode anew, so that no label is better known than another.

    Differs from the paper: the embedding is pre-trained on all training classes, in place of CLIP, and features are
    scaled to length 1 before the learned scale of the codes; the encoder is small, 2 layers of 4 heads, in place of 24
    of 16, so that it trains on a CPU; it learns from the training classes, in place of ImageNet and three other sets.
    There are codes for `most_ways` labels, of which a task uses as many as it has classes.
    """

    @dataclass(frozen=True)
    class Options(FrozenLearner.Options):
        most_ways: Annotated[int, Field(ge=2)] | None = option(
            None, "labels that there are codes for: the most classes of a task; default 20, or the test task's"
        )
        layers: Count = option(2, "layers of the transformer")
        heads: Count = option(4, "heads of its attention")

    source: ClassVar = Source(
        "in context",
        (
            Paper(
                "Fifty, Christopher and Duan, Dennis and Junkins, Ronald G. and Amid, Ehsan and Leskovec, Jure and "
                "Ré, Christopher and Thrun, Sebastian",
                "Context-Aware Meta-Learning",
                2024,
                "https://arxiv.org/abs/2310.10971",
                "ICLR",
            ),
        ),
    )
    label_equivariant = False
    solver: Reader

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: CAML.Options = options
        ways = options.most_ways or max(20, problem.task.ways, options.train_ways or 2)
        if max(problem.task.ways, options.train_ways or 2) > ways:
            raise UsageError(
                f"learner 'caml': --set most_ways={ways} is too few for test tasks of {problem.task.ways} ways and "
                f"training episodes of {options.train_ways or min(20, ways)}; give more, or leave it out"
            )
        features = feature_size(self.backbone, problem.image_shape)
        self.solver = Reader(features, ways, options.layers, options.heads)

    def training_task(self) -> FixedTask:
        task = super().training_task()
        return replace(task, ways=min(task.ways, len(self.solver.codes)))

    def training_logits(self, features: EpisodeFeatures) -> Tensor:
        dealt = torch.rand(len(features.support), len(self.solver.codes)).argsort(1)[:, : features.ways]
        return self._logits(features, dealt.to(features.support.device))

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        most = len(self.solver.codes)
        if features.ways > most:
            raise UsageError(
                f"learner 'caml' was built with codes for {most} labels, and a task has {features.ways} classes; "
                f"train it with --set most_ways={features.ways} or more"
            )
        dealt = torch.arange(features.ways, device=features.support.device).expand(len(features.support), -1)
        return self._logits(features, dealt)

    def _logits(self, features: EpisodeFeatures, dealt: Tensor) -> Tensor:
        """Logits `[B, Q, N]` where class n of task b has the code `dealt[b, n]`."""
        numbers = dealt.gather(1, features.support_labels)
        logits: Tensor = self.solver(features.support, numbers, features.query)
        return logits.gather(2, dealt[:, None].expand(-1, logits.shape[1], -1))


class Reader(nn.Module):
    """A transformer encoder over sequences of one query and the support, each item with the code of its label."""

    codes: Tensor

    def __init__(self, features: int, ways: int, layers: int, heads: int) -> None:
        super().__init__()
        size = max(CODE, ways)
        size += -(features + size) % heads
        self.register_buffer("codes", elmes(ways, size))
        self.scale = nn.Parameter(torch.ones(()))
        self.unknown = nn.Parameter(torch.zeros(size))
        layer = nn.TransformerEncoderLayer(
            features + size,
            heads,
            4 * (features + size),
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        norm = nn.LayerNorm(features + size)
        self.encoder = nn.TransformerEncoder(layer, layers, norm, enable_nested_tensor=False)
        self.last = nn.Linear(features + size, ways, bias=False)

    def forward(self, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        """Logits of all labels `[B, Q, ways]`, from `[B, S, D]`, their labels `[B, S]` and `[B, Q, D]`."""
        known = torch.cat([F.normalize(support, dim=2), self.scale * self.codes[labels]], dim=2)
        asked = torch.cat([F.normalize(query, dim=2), self.unknown.expand(*query.shape[:2], -1)], dim=2)
        at_once = asked.shape[1]
        if not torch.is_grad_enabled():
            at_once = max(1, SEQUENCES_AT_ONCE // (len(known) * (known.shape[1] + 1)))
        return torch.cat([self._read(known, part) for part in torch.split(asked, at_once, dim=1)], dim=1)

    def _read(self, known: Tensor, asked: Tensor) -> Tensor:
        tasks, queries = asked.shape[:2]
        context = known[:, None].expand(-1, queries, -1, -1)
        sequences = torch.cat([asked[:, :, None], context], dim=2).flatten(0, 1)
        *layers, last = self.encoder.layers
        for layer in layers:
            sequences = layer(sequences)
        # Of the last layer only the query's item is read, so that the others need but their keys and values.
        normed = last.norm1(sequences)
        read = sequences[:, :1] + last.self_attn(normed[:, :1], normed, normed, need_weights=False)[0]
        read = read + last.linear2(last.activation(last.linear1(last.norm2(read))))
        logits: Tensor = self.last(self.encoder.norm(read[:, 0]))  # type: ignore[misc]
        return logits.view(tasks, queries, -1)


def elmes(count: int, size: int) -> Tensor:
    """So many vectors of length 1 whose dot products are all -1 / (count - 1), `[count, size]` (definition 1).

    They are the corners of a regular simplex around 0, of which the first `count` numbers are not 0.
    """
    corners = math.sqrt(count / (count - 1)) * (torch.eye(count) - 1 / count)
    return F.pad(corners, (0, size - count))
