"""learn2learn's gradient-based methods as learners: `l2l:maml`, `l2l:metasgd` and `l2l:gbml`."""

from __future__ import annotations

import importlib
import io
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from baselines.gradient._learner import SecondOrderLearner
from baselines.gradient.maml import MAML
from baselines.gradient.meta_sgd import MetaSGD
from episodes.episode import item_counts
from metabench.errors import UsageError
from metabench.learner import Kind, LabelledEpisodeBatch, Learner, Paper, Problem, Source, option

INSTALL = (
    "pip install gym requests, then pip install --no-deps --config-settings=--build-option=build_ext learn2learn==0.2.0"
)
WRAPS = "learn2learn (MIT)"


class Wrapped(SecondOrderLearner):
    """A network that learn2learn has wrapped: `clone()`, then `adapt(loss)` for each inner step.

    Loss, batch normalisation, meta-batch and defaults are those of `maml`; only what learn2learn does is its own. It
    takes a task at a time.
    """

    presets = MAML.presets
    regression = False  # whose tasks are a few numbers each, too many to take one by one
    divides = False

    def __init__(self, problem: Problem, options: SecondOrderLearner.Options) -> None:
        super().__init__(problem, options)
        self.network = self.wrapped(_learn2learn(), self.network)  # type: ignore[assignment]

    @abstractmethod
    def wrapped(self, learn2learn: Any, network: nn.Module) -> nn.Module:
        """The network as the package's algorithm has it."""

    def idle_options(self) -> Mapping[str, str]:
        return {**super().idle_options(), "checkpoint": "learn2learn keeps every graph"}

    def loss(self, episodes: LabelledEpisodeBatch) -> Iterator[Tensor]:
        tasks = (episodes.support, episodes.support_labels, episodes.query, episodes.query_labels)
        for support, labels, query, query_labels in zip(*tasks, strict=True):
            adapted = self._adapted(support, labels, self.options.inner_steps)
            logits = self._predicted(adapted, support, query)
            yield self.error(logits[None], query_labels[None]).sum() / len(episodes)

    def adapt(self, support: Tensor, support_labels: Tensor, ways: int) -> Any:
        steps = self.test_steps
        pairs = zip(support, support_labels, strict=True)
        with torch.no_grad():
            return [(self._adapted(images, labels, steps), images) for images, labels in pairs]

    def predict(self, adapted: Any, query: Tensor) -> Tensor:
        tasks = zip(adapted, query, strict=True)
        return torch.stack([self._predicted(clone, support, images) for (clone, support), images in tasks])

    def _adapted(self, support: Tensor, labels: Tensor, steps: int) -> Any:
        learns = torch.is_grad_enabled()
        with torch.enable_grad(), warnings.catch_warnings():
            # Of Meta-SGD, which keeps gradients on tensors that are no leaves.
            warnings.filterwarnings("ignore", message="The .grad attribute of a Tensor that is not a leaf")
            clone: Any = self.network.clone()  # type: ignore[operator]
            for _ in range(steps):
                error = self.error(clone(support)[None], labels[None]).sum()
                clone.adapt(error, first_order=self.options.first_order or not learns)
        if not learns:
            _learn2learn().detach_module(clone.module)
        return clone

    def _predicted(self, adapted: Any, support: Tensor, query: Tensor) -> Tensor:
        if self.options.transductive:
            alone: Tensor = adapted(query)
            return alone
        both: Tensor = adapted(torch.cat([support, query]), len(support))
        return both[sum(item_counts(support)) :]


class L2LMAML(Wrapped):
    """learn2learn's MAML: initial weights from which a few gradient steps on the support solve a task.

    Finn et al. 2017, as `learn2learn.algorithms.MAML`. Batch normalisation is as in `maml`, so that by default each
    query is answered on its own.
    """

    source: ClassVar = Source("gradient", MAML.source.papers, WRAPS)

    def wrapped(self, learn2learn: Any, network: nn.Module) -> nn.Module:
        made: nn.Module = learn2learn.algorithms.MAML(network, self.options.inner_learning_rate)
        return made


class L2LMetaSGD(Wrapped):
    """learn2learn's Meta-SGD: initial weights, and a learning rate for each of them, for a few steps on the support.

    Li et al. 2017, as `learn2learn.algorithms.MetaSGD`; `inner_learning_rate` is where the rates begin.
    """

    source: ClassVar = Source("gradient", MetaSGD.source.papers, WRAPS)

    def wrapped(self, learn2learn: Any, network: nn.Module) -> nn.Module:
        made: nn.Module = learn2learn.algorithms.MetaSGD(network, self.options.inner_learning_rate)
        return made


class L2LGBML(Wrapped):
    """learn2learn's GBML: initial weights, and a learned transform of each gradient, for a few steps on the support.

    Arnold et al. 2021, as `learn2learn.algorithms.GBML`. `transform` is what becomes of the gradients:
    `learn2learn.optim.KroneckerTransform` of `KroneckerLinear`, `MetaCurvatureTransform`, or a factor for each number
    (`learn2learn.nn.Scale`), which makes it Meta-SGD. It takes images alone, since the first two have a matrix as large
    as each side of a weight, of which a vocabulary's is too large.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("images",)

    @dataclass(frozen=True)
    class Options(SecondOrderLearner.Options):
        transform: Literal["kronecker", "meta_curvature", "scale"] = option(
            "kronecker", "learned transform of the gradients"
        )
        adapt_transform: bool = option(False, "whether the inner steps change the transform too")

    source: ClassVar = Source(
        "gradient",
        (
            Paper(
                "Arnold, Sébastien M. R. and Iqbal, Shariq and Sha, Fei",
                "When MAML Can Adapt Fast and How to Assist When It Cannot",
                2021,
                "https://arxiv.org/abs/1910.13603",
                "AISTATS",
            ),
        ),
        WRAPS,
    )

    def wrapped(self, learn2learn: Any, network: nn.Module) -> nn.Module:
        options = self.options
        assert isinstance(options, L2LGBML.Options)
        optim, layers = learn2learn.optim, learn2learn.nn
        transform = {
            "kronecker": optim.KroneckerTransform(layers.KroneckerLinear),
            "meta_curvature": optim.MetaCurvatureTransform,
            "scale": lambda parameter: layers.Scale(parameter.shape),
        }[options.transform]
        made: nn.Module = learn2learn.algorithms.GBML(
            network, transform, options.inner_learning_rate, adapt_transform=options.adapt_transform
        )
        return made


BY_NAME: dict[str, type[Wrapped]] = {"gbml": L2LGBML, "maml": L2LMAML, "metasgd": L2LMetaSGD}


def learner_names() -> list[str]:
    """The algorithms, by the names of learn2learn's classes in lower case."""
    return sorted(BY_NAME)


def get_learner(name: str) -> type[Learner]:
    """The learner of an algorithm; UsageError for another name."""
    if name not in BY_NAME:
        raise UsageError(f"there is no learner 'l2l:{name}'; there are {', '.join(f'l2l:{each}' for each in BY_NAME)}")
    return BY_NAME[name]


def _learn2learn() -> Any:
    """The package; UsageError where it is not installed, or cannot be imported."""
    try:
        with (
            warnings.catch_warnings(),
            redirect_stderr(io.StringIO()),
        ):  # it imports the unmaintained gym, which says so
            warnings.simplefilter("ignore")
            return importlib.import_module("learn2learn")
    except ImportError as error:
        raise UsageError(f"adapter 'l2l' needs the package learn2learn ({error}); {INSTALL}") from None
