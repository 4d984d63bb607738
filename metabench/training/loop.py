"""The one training loop: stages, schedule, best on validation, checkpoint, resume, progress."""

from __future__ import annotations

import copy
import math
import operator
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter
from torch import Tensor, nn
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LambdaLR, LRScheduler, StepLR
from torch.utils.flop_counter import FlopCounterMode

from episodes.dataset import Dataset
from episodes.uniforms import derived_seed
from metabench import ranks
from metabench.errors import InterruptionError, NotFiniteError, RunError
from metabench.evaluation.loop import evaluate
from metabench.evaluation.progress import Progress
from metabench.learner import Learner, Stage, Trainable, TrainingOptions
from metabench.metrics.metric import Metric
from metabench.records.checkpoint import kept, save_tensors, unusable
from metabench.training.plan import TrainingLog, TrainingPlan, _data
from metabench.training.shared import SharedStage

VALIDATIONS = 10  # per stage
WARM_UP = 0.1  # of the steps of a linear schedule


def train(
    learner: Trainable, dataset: Dataset[Any], plan: TrainingPlan, state: dict[str, Any] | None = None
) -> TrainingLog:
    """Run the learner's stages in order; it ends with the weights that did best on validation in each.

    Args:
        learner: trained in place.
        dataset: trained on its `train` bank.
        plan: how.
        state: a checkpoint to go on from, as saved to `plan.checkpoint`; the result is bit for bit the same as
            without the interruption (on CPU, with the same number of threads).

    Raises:
        NotFiniteError: a loss that is not finite; the checkpoint is kept.
        RunError: a loss of another form than the contract has.
        InterruptionError: an interruption (SIGINT); likewise.
        UsageError: the checkpoint is damaged.
        DataError: the checkpoint cannot be written.
    """
    ranks.same_state(learner)
    stages, first, log = learner.stages(), 0, TrainingLog()
    if state:
        with _damaged(plan.checkpoint):
            first = _number(state["stage"], len(stages) - 1)
            _check_keys("log", state["log"], asdict(log))
            log = TypeAdapter(TrainingLog).validate_python(state["log"])
    for number, stage in enumerate(stages[first:], first):
        if not stage.options.steps:
            continue
        run = _StageRun(learner, dataset, plan, log, number, stage)
        if state and number == first:
            with _damaged(plan.checkpoint):
                run.restore(state)
        run.run()
    learner.eval()
    return log


@contextmanager
def _damaged(checkpoint: Path) -> Iterator[None]:
    try:
        yield
    except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:  # the file may come from anyone
        raise unusable(checkpoint, (str(error) or type(error).__name__).splitlines()[0]) from None


def _number(value: Any, most: float = math.inf) -> int:
    if not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"it has {value!r} where a number up to {most} is")
    return value


def _check_keys(name: str, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    if found.keys() != wanted.keys():
        raise ValueError(f"its {name} has other parts")


class _StageRun:
    """One stage in progress."""

    def __init__(
        self,
        learner: Trainable,
        dataset: Dataset[Any],
        plan: TrainingPlan,
        log: TrainingLog,
        number: int,
        stage: Stage,
    ) -> None:
        self.learner, self.plan, self.log, self.number, self.stage = learner, plan, log, number, stage
        self.device = next(stage.module.parameters()).device
        self.scored = stage.scored or learner
        self.metric = None if stage.values else _metric(self.scored)
        seed = derived_seed(plan.seed, f"stage {stage.name}")
        self.draw = _data(stage, dataset, plan, seed, self.device)
        self.optimizer = _optimizer(stage)
        self.scheduler = _schedule(self.optimizer, stage.options)
        self.step = 0
        self.step_multiply_adds = 0
        self.losses: list[float] = []
        self.best_weights: dict[str, Tensor] | None = None
        # A stage that is taken up again within is trained to its end.
        self.shared = SharedStage(plan.shared, stage.module) if plan.shared and not number else None
        self.followed: list[int] = []  # its validations that are still to be taken from there
        self.follows = False

    def run(self) -> None:
        with self.shared.at_work() if self.shared else nullcontext():
            self._run()
        if self.best_weights is not None:
            self.learner.load_state_dict(self.best_weights)

    def _run(self) -> None:
        steps = self.stage.options.steps
        started = clocks() - [self.log.seconds, self.log.processor_seconds if ranks.first() else 0.0]
        validated = clocks()
        self._train_mode()
        with (
            Progress(self.stage.name, self.step, steps) as progress,
            self.plan.stop.graceful() as stop,
        ):
            self._say_if_whole(progress)
            while self.step < steps:
                before, spent = self.step, self._advance()
                started -= spent
                progress.step(self.step - before)
                if self._validates(self.step):
                    if self.shared:
                        self.shared.keep(self.step, self.losses, self.log.images, clocks() - validated)
                    self._validate()
                    self._count(started)
                    progress.validated(self.log.curve[-1]["loss"], self._said())
                    self._save()
                    started += self._watched()
                    validated = clocks()
                if ranks.total(bool(stop.asked)):
                    self._count(started)
                    self._save()
                    raise InterruptionError(
                        f"{stop.asked or 'stopped on another rank'} at step {self.step} of {steps} of stage "
                        f"'{self.stage.name}'; {kept(self.plan.checkpoint)}"
                    )
        if self.shared:
            self.shared.finish([step for step in range(1, steps + 1) if self._validates(step)])

    def _validates(self, step: int) -> bool:
        """Whether there is a validation after that step."""
        return step * VALIDATIONS // self.stage.options.steps > (step - 1) * VALIDATIONS // self.stage.options.steps

    def _advance(self) -> NDArray[np.float64]:
        """Take a step, or follow a shared stage to its next validation; the time that others have spent on that."""
        if not self.followed:
            self._counted_step()
            if self.shared and self.step == 1:
                self.followed = [step for step in self.shared.begun() if step > 1]
                self.follows = bool(self.followed)
            return np.zeros(2)
        assert self.shared
        step = self.followed.pop(0)
        point = self.shared.read(step)
        if not self.stage.beside:
            self.log.images = point["images"]
            self.log.multiply_adds += (step - self.step) * self.step_multiply_adds
        self.step, self.losses = step, point["losses"]
        return np.array(point["seconds"])

    def _say_if_whole(self, progress: Progress) -> None:
        if ranks.count() > 1 and not self.stage.by_ranks:
            progress.say(
                f"each of {ranks.count()} ranks trains stage '{self.stage.name}' on whole batches, since its loss "
                "cannot be divided with the same result; they share the scoring"
            )

    def _watched(self) -> NDArray[np.float64]:
        """The time that `watch` took, which does not count as training time."""
        began = clocks()
        if self.plan.watch and ranks.first():
            self.plan.watch(self.log.curve)
        return clocks() - began

    def _count(self, started: NDArray[np.float64]) -> None:
        seconds, own = (clocks() - started).tolist()
        everywhere = ranks.total(own)
        if not self.stage.beside:
            self.log.seconds, self.log.processor_seconds = seconds, everywhere

    def _counted_step(self) -> None:
        if self.step:
            self._one_step()
        else:
            with ranks.alone(), FlopCounterMode(display=False) as counter:
                self._one_step()
            self.step_multiply_adds = counter.get_total_flops() // 2
        self.log.multiply_adds += 0 if self.stage.beside else self.step_multiply_adds

    def _one_step(self) -> None:
        total = 0.0
        self.optimizer.zero_grad(set_to_none=True)
        mixed = self.plan.precision == "bfloat16"
        images, batch = self.draw(self.step)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=mixed):
            loss: Any = self.stage.loss(batch)
            for part in loss if isinstance(loss, Iterable) and not isinstance(loss, Tensor) else [loss]:
                self._check_loss(part)
                part.backward()
                total += part.item()
        if total - total != 0:  # true of nan and of both infinities
            raise NotFiniteError(
                f"the loss is {total} at step {self.step + 1} of stage '{self.stage.name}'; "
                f"lower the learning rate, e.g. --set learning_rate={self.stage.options.learning_rate / 10:g}"
            )
        if self.stage.clip is not None:
            nn.utils.clip_grad_norm_(self.stage.module.parameters(), self.stage.clip)
        self.optimizer.step()
        self.scheduler.step()
        self.losses.append(total)
        self.log.images += 0 if self.stage.beside else images
        self.step += 1

    def _check_loss(self, part: Any) -> None:
        if not isinstance(part, Tensor) or part.numel() != 1 or not part.requires_grad:
            found = f"{tuple(part.shape)}" if isinstance(part, Tensor) else type(part).__name__
            found += " without a gradient" if isinstance(part, Tensor) and not part.requires_grad else ""
            raise RunError(
                f"the loss of stage '{self.stage.name}' gives {found}; the contract is a scalar tensor that its "
                "parameters have a part in"
            )

    def _validate(self) -> None:
        ranks.same_state(self.learner)
        values = {f"validation_{name}": value for name, value in self._values().items()}
        loss = sum(self.losses) / len(self.losses)
        self.log.curve.append({"stage": self.stage.name, "step": self.step, "loss": loss, **values})
        self.losses.clear()
        name, value = next(iter(values.items()))
        best = self.log.best.get(self.stage.name)
        as_good = self.metric.at_least_as_good if self.metric else operator.le
        if best is None or as_good(value, best[name]):
            self.log.best[self.stage.name] = {"step": self.step, name: value}
            self.best_weights = copy.deepcopy(self.learner.state_dict())
        self._train_mode()

    def _values(self) -> dict[str, float]:
        """What validation gives, by name; the first is what chooses the best step."""
        if self.stage.values:
            return dict(self.stage.values())
        assert isinstance(self.scored, Learner)
        assert self.metric
        assert self.plan.validation
        scores = evaluate(self.scored, self.plan.validation, self.plan.validation_episodes)
        return {self.metric.name: float(scores.mean())}

    def _said(self) -> str:
        """The last validation for people: `95.63%`, or `perplexity 31.2`."""
        name, value = [*self.log.curve[-1].items()][3]
        return self.metric.text(value) if self.metric else f"{name.removeprefix('validation_')} {value:.4g}"

    def _train_mode(self) -> None:
        self.learner.eval()
        self.stage.module.train()

    def _save(self) -> None:
        if not ranks.first() or (self.follows and self.step < self.stage.options.steps):
            return  # another rank does it, or the optimiser has not been where the weights are
        state = {
            "identity": self.plan.identity,
            "stage": self.number,
            "step": self.step,
            "log": asdict(self.log),
            "step_multiply_adds": self.step_multiply_adds,
            "losses": self.losses,
            "learner": self.learner.state_dict(),
            "best_weights": self.best_weights,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "random_state": torch.get_rng_state(),
            "cuda_random_state": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }
        save_tensors(self.plan.checkpoint, state)

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint; raises whatever a damaged one leads to."""
        if state["best_weights"] is not None:  # so that it is known to fit before any training
            self.learner.load_state_dict(state["best_weights"])
        self.best_weights = state["best_weights"]
        self.learner.load_state_dict(state["learner"])
        self.optimizer.load_state_dict(state["optimizer"])
        _check_keys("scheduler", state["scheduler"], self.scheduler.state_dict())
        self.scheduler.load_state_dict(state["scheduler"])
        self.step = _number(state["step"], self.stage.options.steps)
        self.step_multiply_adds = _number(state["step_multiply_adds"])
        self.losses = [float(loss) for loss in state["losses"]]
        torch.set_rng_state(state["random_state"])
        if state["cuda_random_state"] is not None:
            torch.cuda.set_rng_state(state["cuda_random_state"], self.device)


def clocks() -> NDArray[np.float64]:
    """`[2]` seconds: of the wall, and of the processor in all threads of this process."""
    return np.array([time.perf_counter(), time.process_time()])


def _metric(learner: Trainable) -> Metric:
    assert isinstance(learner, Learner)
    return learner.problem.metric


def _optimizer(stage: Stage) -> torch.optim.Optimizer:
    options, parameters = stage.options, list(stage.module.parameters())
    if options.optimizer == "adamw":  # Loshchilov and Hutter 2019; as in BERT, vectors do not decay
        groups: list[dict[str, Any]] = [
            {"params": [each for each in parameters if each.ndim > 1]},
            {"params": [each for each in parameters if each.ndim <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=options.learning_rate, weight_decay=options.weight_decay)
    if options.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=options.learning_rate, weight_decay=options.weight_decay)
    return torch.optim.SGD(
        parameters, lr=options.learning_rate, weight_decay=options.weight_decay, momentum=0.9, nesterov=True
    )


def _schedule(optimizer: torch.optim.Optimizer, options: TrainingOptions) -> LRScheduler:
    if options.schedule == "cosine":
        return CosineAnnealingLR(optimizer, max(1, options.steps))
    if options.schedule == "linear":
        warm = max(1, round(WARM_UP * options.steps))
        rest = max(1, options.steps - warm)
        return LambdaLR(optimizer, lambda done: min((done + 1) / warm, 1.0, max(0.0, (options.steps - done) / rest)))
    if options.schedule == "halving":
        return StepLR(optimizer, 2000, 0.5)
    return ConstantLR(optimizer, 1.0)
