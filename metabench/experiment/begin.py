"""What a run begins with: all that it needs, its learner held to the contract, and its training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from episodes.sampling.source import EpisodeSource
from metabench import ranks
from metabench.checks import broken_points
from metabench.config import RunConfig
from metabench.errors import UsageError
from metabench.experiment.prepare import Prepared, dataset_info, prepare
from metabench.learner import Learner
from metabench.records.checkpoint import CHECKPOINT_FILE
from metabench.records.folder import run_name
from metabench.records.keys import run_digest
from metabench.records.record import DatasetInfo
from metabench.registry import changed_options, faults_of
from metabench.training.loop import train
from metabench.training.plan import TrainingLog, TrainingPlan, check_stages
from metabench.training.signals import Stop


@dataclass(frozen=True, eq=False)
class Begun:
    """A run before its training.

    Attributes:
        run: its data, tasks and learner.
        config: as resolved, with its number of threads.
        changed: the learner's options that are not its defaults.
        about: what a record says of the data.
    """

    run: Prepared
    config: RunConfig
    changed: dict[str, Any]
    about: DatasetInfo

    @property
    def weights(self) -> str | None:
        """SHA-256 of the file that its networks begin with."""
        return self.run.weights.digest if self.run.weights else None

    @property
    def identity(self) -> dict[str, Any]:
        """What makes it this run, for its checkpoint."""
        parts = {"config": self.config.recorded.model_dump(mode="json"), "data": self.about.model_dump()}
        return {**parts, "weights": self.weights} if self.weights else parts

    @property
    def digest(self) -> str:
        """See `metabench.records.keys.run_digest`."""
        return run_digest(self.config, self.about, self.weights)

    @property
    def name(self) -> str:
        """Of its folder."""
        return run_name(self.config, self.run.learner.problem.regression)

    def train(
        self,
        folder: Path,
        state: dict[str, Any] | None,
        stop: Stop,
        shared: Path | None,
        watch: Callable[[Sequence[dict[str, Any]]], None] | None = None,
    ) -> TrainingLog:
        """Train the learner, with its checkpoint in the folder; arguments and errors as of `TrainingPlan`."""
        config = self.config
        plan = TrainingPlan(
            seed=config.training.seed,
            precision=config.training.precision,
            validation=self.run.validation,
            named_tasks=config.task.train_task,
            validation_episodes=config.training.validation_episodes,
            checkpoint=folder / CHECKPOINT_FILE,
            identity=self.identity,
            stop=stop,
            watch=watch,
            shared=shared,
        )
        return train(self.run.learner, self.run.dataset, plan, state)


def begin(config: RunConfig) -> Begun:
    """Load data, find tasks, build the learner and hold it to its contract.

    Raises:
        UsageError, episodes.DataError: a request that cannot be met.
    """
    if config.machine.threads:
        torch.set_num_threads(config.machine.threads)
    run = prepare(config)
    if run.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(run.device)
    config = run.config.changed(threads=torch.get_num_threads())
    changed = changed_options(run.learner_class, config)
    with faults_of(run.learner_class, config.learner, UsageError):
        _refuse_idle(changed, run.learner)
        check_stages(run.learner, run.dataset, config.task.train_task)
        _check_contract(config, run.learner, run.validation)
    return Begun(run, config, changed, dataset_info(run.dataset, run.manifest))


def _refuse_idle(changed: dict[str, Any], learner: Learner) -> None:
    idle = learner.idle_options()
    for name, value in changed.items():
        if name in idle:
            raise UsageError(f"--set {name}={value} changes nothing, since {idle[name]}; leave it out")


def _check_contract(config: RunConfig, learner: Learner, validation: EpisodeSource) -> None:
    """Raise UsageError if the untrained learner breaks its contract on tasks like those that it will meet."""
    broken = points_broken(learner, validation)
    if broken:
        raise UsageError(
            f"learner '{config.learner}' breaks the contract of learners: {'; '.join(broken)}; fix it, or declare it, "
            "since its scores would not compare with others'"
        )


def points_broken(learner: Learner, validation: EpisodeSource) -> tuple[str, ...]:
    """A line on each point of its contract that a learner breaks, the same on all ranks."""
    return ranks.of_first(lambda: broken_points(learner, validation))
