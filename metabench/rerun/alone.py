"""A finished run's learner from its record and weights, without the data that it was trained on as far as that goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from episodes.banks.text import TextBank
from episodes.banks.vocabulary import TextShape, Vocabulary
from episodes.dataset import Dataset
from episodes.errors import DataError
from metabench.backbone import vocabulary_of
from metabench.config import RunConfig
from metabench.errors import UsageError
from metabench.experiment.data import config_here, load_data
from metabench.experiment.environment import choose_device
from metabench.experiment.prepare import check_data
from metabench.experiment.pretrained import weights_of, with_weights
from metabench.experiment.tokens import text_networks, vocabulary_for, with_tokens
from metabench.learner import Learner, Problem, TrainingOptions
from metabench.records.folder import load_run, restore
from metabench.records.reader import read_record, record_file
from metabench.records.record import RunRecord
from metabench.registry import build_for, faults_of, get_learner, parsed_options
from metabench.weights.encoder_file import Weights


@dataclass(frozen=True, eq=False)
class TrainedLearner:
    """A learner with the weights of its run.

    Attributes:
        folder: of the run.
        record: as read.
        learner: on the device, in evaluation mode.
        device: that it is on.
    """

    folder: Path
    record: RunRecord
    learner: Learner
    device: torch.device


def load_learner(
    path: str | Path,
    device: str = "auto",
    data_root: str | Path | None = None,
    weights: str | Path | None = None,
) -> TrainedLearner:
    """Read a finished run's learner.

    Of a learner of texts the run's data are needed where its vocabulary was made of the training texts, or where it
    asks in how many of them a token occurs; and the weights that it began with, where its vocabulary is theirs.

    Args:
        path: the run's folder, or the record in it.
        device: `auto`, `cpu` or `cuda`.
        data_root: folder with the run's data, where they are needed.
        weights: the file of weights that the run began with, likewise; None to look for it.

    Raises:
        UsageError, episodes.DataError: the record or the weights cannot be read, or data that are needed are missing or
            not the run's.
    """
    file = record_file(path)
    folder, (record, _) = file.parent, read_record(file)
    _, trained = load_run(folder, record)
    places = {} if data_root is None else {"data_root": data_root}
    config = config_here(record.config.model_dump(mode="json"), device=device, **places)
    learner_class = get_learner(config.learner)
    with faults_of(learner_class, config.learner, UsageError):
        options = parsed_options(f"learner '{config.learner}'", learner_class.Options, {}, config.options)
    data = _Data(folder, record, config, options, weights)
    if weights is not None:
        _ = data.placed  # which refuses others than the run's
    shape = data.text_shape() if record.dataset.kind == "text" else record.dataset.image_shape
    problem = Problem(shape, record.dataset.classes.train, config.shape(record.dataset.kind))
    learner = build_for(config, problem, options)
    with faults_of(learner_class, config.learner, UsageError):
        restore(learner, trained, folder)
    chosen = choose_device(config.machine.device)
    return TrainedLearner(folder, record, learner.to(chosen).eval(), chosen)


@dataclass(frozen=True, eq=False)
class _Data:
    """A run's texts, which are read when they are asked for."""

    folder: Path
    record: RunRecord
    config: RunConfig
    options: TrainingOptions
    given: str | Path | None

    def text_shape(self) -> TextShape:
        counted = self.config.task.task != "all-way"
        vocabulary = vocabulary_for(self.options, lambda: self.dataset.train.texts(), self.weights, trained=counted)
        most = self.record.dataset.image_shape[0]
        return _CountedLater(most, vocabulary, self._counted) if counted else TextShape(most, vocabulary)

    def _counted(self) -> TextShape:
        shape: TextShape = with_tokens(self.config, self.dataset, self.options, self.weights).train.item_shape
        return shape

    @cached_property
    def placed(self) -> RunConfig:
        """The configuration with the place of the file that the run began with."""
        return with_weights(self.config, self.record, self.folder, self.given)

    @cached_property
    def weights(self) -> Weights | None:
        """The file that the run began with, where a network has its vocabulary."""
        if not self.options.weights or all(map(vocabulary_of, text_networks(self.options))):
            return None
        found = weights_of(replace(self.options, weights=self.placed.options["weights"]))
        return found if isinstance(found, Weights) else None

    @cached_property
    def dataset(self) -> Dataset[TextBank]:
        try:
            dataset: Dataset[Any] = load_data(self.config)[1]
            check_data(self.folder, self.record, dataset)
        except (DataError, UsageError) as error:
            raise UsageError(
                f"learner '{self.config.learner}' of '{self.folder}' needs the texts that it was trained on, for its "
                f"vocabulary or for how rare a word is: {error}"
            ) from None
        return dataset


class _CountedLater(TextShape):
    """A `TextShape` whose counts of training texts are read from the run's data when a learner asks for them."""

    def __new__(cls, most: int, vocabulary: Vocabulary, count: Callable[[], TextShape]) -> _CountedLater:
        made = tuple.__new__(cls, (most,))
        made.vocabulary = vocabulary
        vars(made)["count"] = count
        return made

    def __getattr__(self, name: str) -> Any:
        if name not in ("documents", "frequencies"):
            raise AttributeError(name)
        counted = vars(self)["count"]()
        self.documents, self.frequencies = counted.documents, counted.frequencies
        return getattr(self, name)
