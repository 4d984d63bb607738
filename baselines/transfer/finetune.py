"""Transfer: pre-train on all training classes, then fit a new head, or fine-tune, on each task's support."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from baselines.bases.pretrained import CLOSER_LOOK, PretrainedLearner
from baselines.heads.lda import lda_head
from baselines.heads.logistic import logistic_head
from baselines.heads.prototypes import prototypes
from baselines.heads.ridge import ridge_head
from baselines.stacked.stack import Stack, queries_at_once, slices
from baselines.transfer._tuning import Stopping, crop_and_flip, layer_groups, support_batches, tuned_names, with_lora
from episodes.banks.vocabulary import TextShape
from episodes.episode import item_counts
from metabench.errors import UsageError
from metabench.learner import (
    Count,
    EpisodeBatch,
    EpisodeFeatures,
    Paper,
    Positive,
    Problem,
    Source,
    option,
    rows_at_once,
)

# Identity and version of each tensor of a network, the tensors, so that no other has such an identity, and what
# `FineTune._stacked` made of them.
_Made = tuple[list[tuple[int, int]], list[Tensor], Stack, list[str]]


class FineTune(PretrainedLearner):
    """Pre-train with a softmax head on all training classes; each task gets a new head on the frozen features.

    The baseline of Chen et al. 2019 (section 3.1), on features of unit length as in Tian et al. 2020 (section 3.1),
    with a ridge-regression head in closed form, theirs, logistic regression (`head=logistic`), or linear discriminant
    analysis (`head=lda`). In other scopes the head is only where each task starts, and `tuning_steps` of gradient
    descent on its support change the head together with the network (`all`), its last layer (`last`), its biases
    (`bitfit`, Ben Zaken et al. 2022), or adapters of low rank in its attention (`lora`, Hu et al. 2022). BatchNorm
    keeps the training set's statistics.

    `head=prototypes` has nothing of its own to tune: it is the means of the support's classes by the network of each
    step, and their cosines with the items of the step are its scores. With `augment` these are copies, the
    pseudo-queries of P>M>F's fine-tuning (Hu, Li, Stühmer, Kim, Hospedales 2022).
    """

    @dataclass(frozen=True)
    class Options(PretrainedLearner.Options):
        scope: Literal["head", "last", "all", "lora", "bitfit"] = option(
            "head", "what a task's support changes: the head, and the last layer, everything, adapters, or biases"
        )
        head: Literal["ridge", "logistic", "lda", "prototypes"] = option(
            "ridge", "ridge regression, logistic regression, linear discriminant analysis, or class means by the cosine"
        )
        ridge: Positive = option(0.1, "head=ridge: penalty of its regression")
        logistic: Positive = option(0.01, "head=logistic: penalty of its regression")
        shrinkage: Annotated[float, Field(gt=0, le=1)] = option(
            0.5, "head=lda: how far its covariance is shrunk towards a multiple of the identity"
        )
        logit_scale: Positive = option(10.0, "head=ridge and prototypes: factor from scores to logits")
        tuning_steps: Annotated[int, Field(ge=0)] = option(20, "gradient steps on the support, unless scope is head")
        tuning_rate: Positive = option(0.001, "their learning rate")
        tuning_optimizer: Literal["sgd", "adam"] = option("sgd", "plain gradient descent, or adam")
        tuning_batch: Count | None = option(None, "support items per step; default all of them")
        tuning_stop: Positive | None = option(
            None, "tuning ends before the first step whose support items have a mean loss under this; default never"
        )
        layer_decay: Annotated[float, Field(gt=0, le=1)] = option(
            1.0, "factor of their learning rate for each layer on the way back from the head"
        )
        augment: Annotated[int, Field(ge=0)] = option(
            0, "copies of its images, cropped and flipped at random, that a step sees in their place; 0 for none"
        )
        lora_rank: Count = option(8, "scope=lora: rank of its adapters")

    source: ClassVar = Source(
        "transfer",
        (
            CLOSER_LOOK,
            Paper(
                "Tian, Yonglong and Wang, Yue and Krishnan, Dilip and Tenenbaum, Joshua B. and Isola, Phillip",
                "Rethinking Few-Shot Image Classification: a Good Embedding Is All You Need?",
                2020,
                "https://arxiv.org/abs/2003.11539",
                "ECCV",
            ),
            Paper(
                "Hu, Edward J. and Shen, Yelong and Wallis, Phillip and Allen-Zhu, Zeyuan and Li, Yuanzhi and "
                "Wang, Shean and Wang, Lu and Chen, Weizhu",
                "LoRA: Low-Rank Adaptation of Large Language Models",
                2022,
                "https://arxiv.org/abs/2106.09685",
                "ICLR",
            ),
            Paper(
                "Ben Zaken, Elad and Ravfogel, Shauli and Goldberg, Yoav",
                "BitFit: Simple Parameter-efficient Fine-tuning for Transformer-based Masked Language-models",
                2022,
                "https://arxiv.org/abs/2106.10199",
                "ACL",
            ),
            Paper(
                "Hu, Shell Xu and Li, Da and Stühmer, Jan and Kim, Minyoung and Hospedales, Timothy M.",
                "Pushing the Limits of Simple Pipelines for Few-Shot Learning: External Data and Fine-Tuning Make a "
                "Difference",
                2022,
                "https://arxiv.org/abs/2204.07305",
                "CVPR",
            ),
        ),
    )
    presets: ClassVar = {
        **PretrainedLearner.presets,
        "text": {
            **PretrainedLearner.presets["text"],
            "tuning_optimizer": "adam",
            "tuning_rate": 2e-4,
            "tuning_steps": 50,
        },
    }

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: FineTune.Options = options
        if options.augment and isinstance(problem.image_shape, TextShape):
            raise UsageError("augment crops and flips images, and the items here are texts; leave it out")
        self._tunable()  # says now what is missing
        self._made: _Made | None = None

    @property
    def frozen_embedding(self) -> bool:
        return self.options.scope == "head"

    def idle_options(self) -> Mapping[str, str]:
        scope, head = self.options.scope, self.options.head
        idle = {"lora_rank": f"scope is {scope}"} if scope != "lora" else {}
        if self.frozen_embedding:
            tuning = [item.name for item in fields(self.options) if item.name.startswith("tuning_")]
            idle |= dict.fromkeys([*tuning, "layer_decay", "augment"], "scope is head")
        of_heads = {"ridge": ("ridge", "logit_scale"), "logistic": ("logistic",), "lda": ("shrinkage",)}
        of_heads["prototypes"] = ("logit_scale",)
        others = (name for names in of_heads.values() for name in names if name not in of_heads[head])
        return {**idle, **dict.fromkeys(others, f"head is {head}")}

    def embed(self, images: Tensor) -> Tensor:
        return F.normalize(self.backbone(images), dim=1)

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        weight, bias = self._head(features.support, features.support_labels, features.ways)
        return self._scale * (features.query @ weight + bias)

    def _head(self, support: Tensor, labels: Tensor, ways: int) -> tuple[Tensor, Tensor]:
        """Weights `[B, D, N]` and biases `[B, 1, N]` of each task's head on the features as they are."""
        if self.options.head == "logistic":
            return logistic_head(support, labels, ways, self.options.logistic)
        if self.options.head == "lda":
            return lda_head(support, labels, ways, self.options.shrinkage)
        if self.options.head == "prototypes":
            means = F.normalize(prototypes(support, labels, ways), dim=2).transpose(1, 2)
            return means, means.new_zeros(len(means), 1, ways)
        return ridge_head(support, labels, ways, self.options.ridge)

    @property
    def _scale(self) -> float:
        """Factor from a head's scores to logits; the others' scores are logits."""
        return self.options.logit_scale if self.options.head in ("ridge", "prototypes") else 1.0

    def classify(self, episodes: EpisodeBatch) -> Tensor:
        if self.frozen_embedding:
            return super().classify(episodes)
        (stack, names), support = self._stacked(), episodes.support
        together = slices(support) if stack.side_by_side else (slice(task, task + 1) for task in range(len(support)))
        parts = ((support[part], episodes.support_labels[part], episodes.query[part]) for part in together)
        return torch.cat([self._tune(stack, names, *part, episodes.ways) for part in parts])

    def after_steps(self, steps: int) -> FineTune | None:
        if self.frozen_embedding:
            return None
        other = copy.deepcopy(self)
        other.options = replace(self.options, tuning_steps=steps)
        return other

    def _tunable(self) -> tuple[nn.Module, list[str]]:
        """The network that tasks tune, which none of them changes, and which of its parameters."""
        scope, name = self.options.scope, self.options.backbone
        if scope == "head":
            return self.backbone, []
        network = with_lora(self.backbone, self.options.lora_rank, name) if scope == "lora" else self.backbone
        return network, tuned_names(network, scope, name)

    def _stacked(self) -> tuple[Stack, list[str]]:
        """What `_tunable` says, stacked; made once for each state of the network, as it takes a trial run of it."""
        tensors = [*self.backbone.parameters(), *self.backbone.buffers()]
        state = [(id(each), each._version) for each in tensors]
        if self._made is None or self._made[0] != state:
            network, names = self._tunable()
            self._made = state, tensors, Stack(network, self.problem.image_shape), names
        return self._made[2:]

    def _tune(
        self, stack: Stack, names: list[str], support: Tensor, labels: Tensor, query: Tensor, ways: int
    ) -> Tensor:
        """Logits `[T, Q, N]` of T tasks after fine-tuning on the support of each."""
        options = self.options
        weights = {name: value.detach().expand(len(support), *value.shape) for name, value in stack.own.items()}
        tuned = {name: weights[name].clone().requires_grad_() for name in names}

        def embedded(inputs: Tensor) -> Tensor:
            return F.normalize(stack({**weights, **tuned}, inputs), dim=2)

        def means() -> tuple[Tensor, Tensor]:
            return self._head(embedded(support), labels, ways)

        head: list[Tensor] = []
        if options.head != "prototypes":
            features = self.embed(support.flatten(0, 1))
            start = self._head(features.view(len(support), -1, features.shape[1]), labels, ways)
            head = [part.detach().clone().requires_grad_() for part in start]

        def logits(inputs: Tensor) -> Tensor:
            weight, bias = head or means()
            return self._scale * (embedded(inputs) @ weight + bias)

        kind = torch.optim.Adam if options.tuning_optimizer == "adam" else torch.optim.SGD
        groups = [{"params": head}, *layer_groups(stack.network, tuned, options.tuning_rate, options.layer_decay)]
        optimizer = kind(groups, lr=options.tuning_rate, fused=True)  # Adam's step in a tenth of the time
        with torch.enable_grad():
            self._descend(optimizer, logits, support, labels)
        at_once = queries_at_once(query) if stack.side_by_side else rows_at_once(query[0])
        with torch.no_grad():
            weight, bias = head or means()
            embeddings = torch.cat([embedded(part) for part in torch.split(query, at_once, dim=1)], dim=1)
            return self._scale * (embeddings @ weight + bias)

    def _descend(
        self, optimizer: torch.optim.Optimizer, logits: Callable[[Tensor], Tensor], support: Tensor, labels: Tensor
    ) -> None:
        """Take the steps of T tasks, whose support is `[T, n, ...]`, with logits `[T, m, N]` of some of it."""
        options, random = self.options, torch.Generator().manual_seed(0)
        of_rows = torch.split(torch.arange(labels.shape[1]), item_counts(support[0]))
        stopping = Stopping(optimizer, len(support), options.tuning_stop or 0)
        for rows in support_batches(support.shape[1], options.tuning_batch, options.tuning_steps):
            inputs, wanted = support[:, rows], labels[:, torch.cat([of_rows[row] for row in rows.tolist()])]
            if options.augment:
                inputs, wanted = crop_and_flip(inputs, options.augment, random), wanted.repeat(1, options.augment)
            optimizer.zero_grad()
            losses = F.cross_entropy(logits(inputs).transpose(1, 2), wanted, reduction="none").mean(1)
            if stopping.all_ended(losses):
                break
            losses.sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        stopping.put_back()
