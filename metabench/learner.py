"""The Learner protocol: the one page that the author of a plug-in reads.

A learner is a `torch.nn.Module` that says how it is trained (`stages`) and classifies tasks (`classify`). The
harness owns every loop, so progress, checkpoints, resume, mixed precision and devices work for it unasked.
Choose the base by what happens to a test task:

- `EmbeddingLearner`: images are embedded by a network that a test task does not change, and the task is solved on
  the features (nearest prototype, linear head). Write `embed` and `classify_features`.
- `Learner`: anything else. Write `adapt` and `predict`, or `classify` when queries are looked at together.

`metabench.checks.check_learner` tests a learner against this contract.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from episodes.banks.bank import SPANS, Kind
from episodes.episode import EpisodeBatch, LabelledEpisodeBatch, marks_words
from episodes.sampling.batches import LabelledBatch
from episodes.sampling.texts import TextBatch
from episodes.tasks.fixed import FixedTask
from episodes.tasks.regression import RegressionTask
from metabench.errors import RunError
from metabench.metrics.metric import ACCURACY, ANSWER_F1, SPAN_F1, SQUARED_ERROR, Metric
from metabench.paper import Paper, Source

__all__ = [
    "Batches",
    "Count",
    "EmbeddingLearner",
    "EpisodeBatch",
    "EpisodeFeatures",
    "Episodes",
    "FixedTask",
    "Kind",
    "LabelledBatch",
    "LabelledEpisodeBatch",
    "Learner",
    "Paper",
    "Positive",
    "Problem",
    "RegressionTask",
    "Source",
    "Stage",
    "TextBatch",
    "Texts",
    "Trainable",
    "TrainingOptions",
    "option",
]


ITEMS_AT_ONCE = 512  # that are embedded together where nothing is learned
SENTENCES_AT_ONCE = 32  # likewise where items are words: their texts may be long


def rows_at_once(inputs: Tensor) -> int:
    """How many rows of inputs `[n, ...]` a network takes together where nothing is learned, which bounds memory."""
    return SENTENCES_AT_ONCE if marks_words(inputs) else ITEMS_AT_ONCE


Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def option(default: Any, help: str, *, beside: bool = False) -> Any:
    """A field of a learner's `Options` that `--set name=value` changes and `metabench list learners NAME` explains.

    What is given is checked against the field's type: `Count`, `Positive`, a `Literal`, or any other that pydantic
    knows, e.g. `Annotated[float, Field(ge=0, le=1)]`. An option of a companion that the learner does without, `beside`,
    changes nothing of its result, and so makes no row of its own in the leaderboard.
    """
    return field(default=default, metadata={"help": help, "beside": beside})


@dataclass(frozen=True)
class TrainingOptions:
    """The options that every learner with a training stage has; a learner's own `Options` derive from them."""

    backbone: str = option("conv4", "network, one of `metabench list backbones`")
    steps: Annotated[int, Field(ge=0, le=10**9)] = option(1000, "training steps")
    weights: str | None = option(None, "file that the backbone begins with, or `pretrained` for published weights")
    optimizer: Literal["adam", "adamw", "sgd"] = option("adam", "adam, adamw, or sgd with Nesterov momentum 0.9")
    learning_rate: Positive = option(1e-3, "learning rate at the start")
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = option(
        0.0, "L2 penalty on the weights; of adamw decay, not of biases and norms"
    )
    schedule: Literal["cosine", "linear", "constant", "halving"] = option(
        "cosine",
        "learning rate: cosine to 0; linear: up in the first tenth, then down to 0; constant; or halved every 2,000 "
        "steps",
    )


@dataclass(frozen=True)
class Problem:
    """What a learner is built for.

    Attributes:
        image_shape: (C, H, W) of images; in regression (1,), of an input; of texts a
            `episodes.banks.vocabulary.TextShape`, with their vocabulary.
        train_classes: how many classes there are to train on, of words with the outside as the first; 0 in regression.
        task: what it will be scored on; in regression, which a learner meets only if it declares so, a
            `RegressionTask`, whose `ways` is 1. Of words a `FixedTask` whose ways are labels, the outside among them.
    """

    image_shape: tuple[int, ...]
    train_classes: int
    task: FixedTask | RegressionTask

    @property
    def regression(self) -> bool:
        """Whether labels are numbers to be predicted, in place of classes."""
        return "functions" in self.task.kinds

    @property
    def words(self) -> bool:
        """Whether items are the words of sentences, scored by the spans that they make."""
        return self.task.kinds[0] in SPANS

    @property
    def metric(self) -> Metric:
        """What predictions are scored by."""
        return METRIC_OF.get(self.task.kinds[0], ACCURACY)


METRIC_OF: dict[Kind, Metric] = {"functions": SQUARED_ERROR, "entities": SPAN_F1, "questions": ANSWER_F1}


@dataclass(frozen=True, eq=False)
class EpisodeFeatures:
    """B episodes of N ways as an `EmbeddingLearner` classifies them: `EpisodeBatch` with features in place of inputs.

    Attributes:
        support: `[B, S, D]` float32, of the labelled inputs.
        support_labels: `[B, S]` int64 in 0..N-1.
        query: `[B, Q, D]`, of the inputs to be classified, in random order.
        ways: N.
        unlabelled: `[B, U, D]`, for a learner that declares itself semi-supervised; None where the task has none.
    """

    support: Tensor
    support_labels: Tensor
    query: Tensor
    ways: int
    unlabelled: Tensor | None = None


@dataclass(frozen=True)
class Episodes:
    """Training data of a stage: `batch` episodes of `task` per step, as a `LabelledEpisodeBatch`."""

    task: FixedTask | RegressionTask
    batch: int = 1

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Of the training banks that it can be drawn from."""
        return self.task.kinds


@dataclass(frozen=True)
class Batches:
    """Training data of a stage: `size` images per step from all training classes, as a `LabelledBatch`."""

    kinds: ClassVar[tuple[Kind, ...]] = ("images", "text", *SPANS)

    size: int


@dataclass(frozen=True)
class Texts:
    """Training data of a stage: `size` training texts per step, of like length and without labels: a `TextBatch`."""

    kinds: ClassVar[tuple[Kind, ...]] = ("text",)

    size: int


@dataclass(frozen=True, eq=False)
class Stage:
    """One stretch of training.

    Attributes:
        name: for progress and records, unique within the learner.
        data: what each step gets.
        loss: one step's data to a scalar, or to several whose sum is the loss (each is differentiated before the
            next is asked for, which keeps memory at one task's graph).
        module: the part whose parameters this stage trains.
        options: steps, optimiser and schedule.
        scored: the learner whose validation score chooses the best step; None for the learner itself.
        beside: whether it trains a companion that the learner does without; its cost is then not the learner's.
        clip: the most that the norm of all gradients together may be; None for no bound.
        values: what its validation gives, by name, in place of the metric on validation tasks; the lower the first of
            them, the better the step.
        by_ranks: whether `loss` itself divides its data among the ranks of a run (`metabench.ranks`) and gives each
            of them the whole gradient. Otherwise each computes the loss of all data.
    """

    name: str
    data: Episodes | Batches | Texts
    loss: Callable[[Any], Tensor | Iterable[Tensor]]
    module: nn.Module
    options: TrainingOptions
    scored: Learner | None = None
    beside: bool = False
    clip: float | None = None
    values: Callable[[], Mapping[str, float]] | None = None
    by_ranks: bool = False


class Trainable(nn.Module):
    """What the harness trains: a learner, or an encoder before there is a task."""

    def stages(self) -> Sequence[Stage]:
        """The training stages, in order; none for what needs no training."""
        return ()


class Learner(Trainable):
    """Base of all learners.

    Class attributes:
        Options: a frozen dataclass deriving from `TrainingOptions`, its fields made by `option`.
        presets: other defaults for a dataset, by the dataset's name: `{"omniglot": {"steps": 5000}}`; for all datasets
            of texts under `text`.
        source: family and papers, for `metabench list learners`. A subclass has its base's unless it says otherwise.
        kinds: of the items that it takes: `images`, `text` (int32 token ids `[..., L]`), or both.
        transductive: a prediction may depend on the task's other queries.
        label_equivariant: renaming a task's labels only renames the predictions.
        outside_data: some weights were trained on data that is not the run's.
        fixed_ways: it classifies tasks of `problem.task.ways` classes and no others.
        semi_supervised: it looks at a task's unlabelled images, where there are any; else it is not given them.
        regression: it can also be built for a regression (`problem.regression`). Then its predictions
            `[B, Q, 1]` are the outputs, scored by their squared error.
    """

    Options: ClassVar[type[TrainingOptions]] = TrainingOptions
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    source: ClassVar[Source] = Source()
    kinds: ClassVar[tuple[Kind, ...]] = ("images",)
    transductive: bool = False
    label_equivariant: bool = True
    outside_data: bool = False
    fixed_ways: bool = False
    semi_supervised: bool = False
    regression: bool = False

    def __init__(self, problem: Problem, options: TrainingOptions) -> None:
        """Build the networks. Random numbers come from torch's generator, which the harness has seeded."""
        super().__init__()
        self.problem = problem

    def adapt(self, support: Tensor, support_labels: Tensor, ways: int) -> Any:
        """What the support of B tasks (`[B, N*K, C, H, W]`, `[B, N*K]`) teaches: returned, never kept."""
        raise NotImplementedError(f"{type(self).__name__} needs adapt() and predict(), or classify()")

    def predict(self, adapted: Any, query: Tensor) -> Tensor:
        """Logits `[B, Q, N]` for queries `[B, Q, C, H, W]`, each query on its own, by what `adapt` returned."""
        raise NotImplementedError(f"{type(self).__name__} needs adapt() and predict(), or classify()")

    def classify(self, episodes: EpisodeBatch) -> Tensor:
        """Logits `[B, Q, N]` for B tasks, each on its own.

        Called without gradients and in evaluation mode; changes no state of the learner. Queries come in random order
        and without their labels, which only training losses get (`LabelledEpisodeBatch`).
        """
        return self.predict(self.adapt(episodes.support, episodes.support_labels, episodes.ways), episodes.query)

    def after_steps(self, steps: int) -> Learner | None:
        """This learner, with the same weights, as it predicts after so many gradient steps on a task's support.

        0 is before any. None, the default, where a task is not learnt by gradient steps.
        """
        return None

    def idle_options(self) -> Mapping[str, str]:
        """Options that change nothing for this problem and with these options, each with the reason.

        `run` refuses them where they were given, as they would make a row of their own in the leaderboard.
        """
        stages = self.stages()
        if stages or not isinstance(stages, Sequence):  # what is no list of stages is refused later
            return {}
        of_training = [item.name for item in fields(TrainingOptions) if item.name not in ("backbone", "weights")]
        return dict.fromkeys(of_training, "the learner has no training")

    def companions(self) -> Mapping[str, Learner]:
        """Other learners in this one that the record shows beside it, by name.

        `metabench distillation-report` looks for a student's `teacher`, and its `network alone`, trained without one.
        """
        return {}

    def scoring_parameters(self) -> int:
        """How many parameters scoring a test task needs, for the record."""
        return sum(parameter.numel() for parameter in self.parameters())


def given_to(learner: Learner, episodes: LabelledEpisodeBatch) -> EpisodeBatch:
    """What `classify` gets: no labels of queries, and unlabelled images only if the learner says that it looks."""
    asked = episodes.without_query_labels()
    return asked if learner.semi_supervised else replace(asked, unlabelled=None)


def features_of(learner: EmbeddingLearner, items: Tensor, count: int | None = None) -> Tensor:
    """The features of so many items, by default one of each row; RunError where `embed` gives anything else.

    Of rows of words, whose number is not known here, any number will do.
    """
    if count is None and not marks_words(items):
        count = len(items)
    features: Any = learner.embed(items)
    if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != (count or len(features)):
        found = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
        name = type(learner).__name__
        raise RunError(f"learner {name} breaks its contract: embed gives {found} for {count} items, not [n, D]")
    return features


class EmbeddingLearner(Learner):
    """A learner whose embedding no test task changes: the evaluator embeds every distinct image once."""

    @property
    def frozen_embedding(self) -> bool:
        """Whether `classify` is no more than `embed` and `classify_features`, so that images may be embedded once.

        Where a subclass has a `classify` of its own, that is asked instead, unless this says otherwise.
        """
        return type(self).classify is EmbeddingLearner.classify

    def embed(self, images: Tensor) -> Tensor:
        """Features `[n, D]` of images `[n, C, H, W]`, in evaluation mode each on its own."""
        raise NotImplementedError(f"{type(self).__name__} needs embed()")

    def _embed_in_parts(self, images: Tensor) -> Tensor:
        """As `embed`, where nothing is learned in parts: a task may have a whole test split, more than memory takes."""
        at_once = rows_at_once(images)
        if torch.is_grad_enabled() or len(images) <= at_once:
            return features_of(self, images)
        return torch.cat([features_of(self, part) for part in torch.split(images, at_once)])

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        """Logits `[B, Q, N]` from the features of B tasks, each task on its own."""
        raise NotImplementedError(f"{type(self).__name__} needs classify_features()")

    def classify(self, episodes: EpisodeBatch) -> Tensor:
        # In training in one batch, so that both meet the same batch statistics.
        parts = [episodes.support, episodes.query]
        if self.semi_supervised and episodes.unlabelled is not None:
            parts.append(episodes.unlabelled)
        images = torch.cat(parts, dim=1)
        features = self._embed_in_parts(images.flatten(0, 1))
        features = features.view(len(images), -1, features.shape[1])
        labelled, of_pool = episodes.support_labels.shape[1], [part.shape[1] for part in parts[2:]]
        asked = features.shape[1] - labelled - sum(of_pool)
        support, query, *pool = torch.split(features, [labelled, asked, *of_pool], dim=1)
        return self.classify_features(
            EpisodeFeatures(support, episodes.support_labels, query, episodes.ways, pool[0] if pool else None)
        )
