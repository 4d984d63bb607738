import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from episodes import (
    Dataset,
    EpisodeBatch,
    EpisodeSampler,
    FixedTask,
    RegressionTask,
    SinusoidSampler,
    load,
)
from metabench.errors import RunError, UsageError
from metabench.learner import (
    Batches,
    EmbeddingLearner,
    EpisodeFeatures,
    Episodes,
    LabelledBatch,
    Learner,
    Problem,
    Stage,
    TrainingOptions,
    option,
)
from metabench.registry import get_learner
from metabench.training.loop import train
from metabench.training.plan import TrainingLog, TrainingPlan, check_stages

TASK = FixedTask(ways=3, shots=1, queries=3)
SMALL: dict[str, dict[str, Any]] = {
    "protonet": {"backbone": "conv4:8", "steps": 12},
    "maml": {"backbone": "conv4-strided:8", "steps": 12, "meta_batch": 2, "inner_steps": 1, "test_inner_steps": 1},
    "maml_plus_plus": {"backbone": "conv4-strided:8", "steps": 12, "meta_batch": 2, "inner_steps": 2, "anneal_part": 1},
    "reptile": {"backbone": "conv4-strided:8", "steps": 12, "meta_batch": 2, "test_inner_steps": 1, "inner_batch": 2},
    "finetune": {"backbone": "conv4:8", "steps": 12, "batch_size": 16},
    "distill": {"backbone": "conv4:4", "teacher_backbone": "conv4:8", "steps": 12, "batch_size": 16},
}


def build(name: str, dataset: Dataset, **options: Any) -> Any:
    learner = get_learner(name)
    torch.manual_seed(0)
    problem = Problem(dataset.train.item_shape, dataset.train.classes, TASK)
    return learner(problem, learner.Options(**{**SMALL[name], **options}))


def plan(dataset: Any, folder: Path, **changes: Any) -> TrainingPlan:
    settings = {
        "seed": 0,
        "precision": "float32",
        "validation": changes.get("validation") or EpisodeSampler(dataset.validation, TASK, 0),
        "validation_episodes": 4,
        "checkpoint": folder / "checkpoint.pt",
        "identity": {},
    }
    return TrainingPlan(**{**settings, **changes})


class Interrupting:
    """Lets `steps` losses through, then interrupts as a user's Ctrl-C does."""

    def __init__(self, learner: Any, steps: int) -> None:
        self.left, self.stages = steps, learner.stages

    def __call__(self) -> list[Stage]:
        return [copy.copy(stage) for stage in map(self._wrap, self.stages())]

    def _wrap(self, stage: Stage) -> Stage:
        def loss(data: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                import signal

                signal.raise_signal(signal.SIGINT)
            return stage.loss(data)

        return Stage(stage.name, stage.data, loss, stage.module, stage.options, stage.scored)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("steps", [5, 9])
def test_a_resumed_run_ends_in_the_same_bits(name: str, steps: int, toy: Dataset, tmp_path: Path) -> None:
    whole = build(name, toy)
    whole_log = train(whole, toy, plan(toy, tmp_path / "whole"))

    interrupted = build(name, toy)
    interrupted.stages = Interrupting(interrupted, steps)
    with pytest.raises(RunError, match=rf"interrupted at step {steps} of 12 .*the same command with --resume goes on"):
        train(interrupted, toy, plan(toy, tmp_path))
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    torch.manual_seed(12345)  # a new process has another generator
    resumed = build(name, toy)
    log = train(resumed, toy, plan(toy, tmp_path), state)

    assert all(torch.equal(value, resumed.state_dict()[key]) for key, value in whole.state_dict().items())
    assert log.curve == whole_log.curve
    assert log.images == whole_log.images


def test_resume_in_the_second_stage_leaves_the_first_alone(toy: Dataset, tmp_path: Path) -> None:
    whole = build("distill", toy)
    train(whole, toy, plan(toy, tmp_path / "whole"))
    interrupted = build("distill", toy)
    interrupted.stages = Interrupting(interrupted, 12 + 7)
    with pytest.raises(RunError, match="interrupted at step 7 of 12 of stage 'student'"):
        train(interrupted, toy, plan(toy, tmp_path))
    resumed = build("distill", toy)
    train(resumed, toy, plan(toy, tmp_path), torch.load(tmp_path / "checkpoint.pt", weights_only=True))
    assert all(torch.equal(value, resumed.state_dict()[key]) for key, value in whole.state_dict().items())


KEYS = (
    *("stage", "step", "log", "step_multiply_adds", "losses", "learner", "best_weights", "optimizer", "scheduler"),
    *("random_state", "cuda_random_state"),
)
WRONG: list[tuple[str, Any]] = [
    *((name, value) for name in ("stage", "step", "step_multiply_adds") for value in (-1, 1.5, "1", None, [1])),
    *((name, 99) for name in ("stage", "step")),
    *(("losses", value) for value in (3, ["x"], [None])),
    *(("log", value) for value in (None, [], {"curve": 3}, {"best": "x"}, {"seconds": "long"}, {"unknown": 1})),
    *((name, value) for name in ("learner", "best_weights") for value in (3, [], {}, {"a": 1}, {1: 2})),
    *((name, value) for name in ("optimizer", "scheduler") for value in (3, [])),
    *(("optimizer", value) for value in ({}, {"state": {}, "param_groups": []})),
    *(("random_state", value) for value in (None, 3, torch.zeros(2))),
]


@pytest.fixture(scope="module")
def interrupted_state(toy: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder, learner = tmp_path_factory.mktemp("interrupted"), build("protonet", toy)
    learner.stages = Interrupting(learner, 5)
    with pytest.raises(RunError):
        train(learner, toy, plan(toy, folder))
    return torch.load(folder / "checkpoint.pt", weights_only=True)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("name", "value"), [*((key, "missing") for key in KEYS), *WRONG])
def test_a_checkpoint_with_a_damaged_part_is_named_before_any_step(
    name: str, value: Any, interrupted_state: dict[str, Any], toy: Dataset, tmp_path: Path
) -> None:
    state = {**interrupted_state, name: value}
    if value == "missing":
        del state[name]
    with pytest.raises(
        UsageError, match=r"checkpoint.pt' is not a complete checkpoint of metabench \(.*\); delete it, and"
    ):
        train(build("protonet", toy), toy, plan(toy, tmp_path), state)
    assert not list(tmp_path.iterdir())


def test_training_learns(toy: Dataset, tmp_path: Path) -> None:
    learner = build("protonet", toy, steps=60)
    log = train(learner, toy, plan(toy, tmp_path))
    assert log.curve[-1]["loss"] < 0.5 * log.curve[0]["loss"]
    assert [row["step"] for row in log.curve] == list(range(6, 61, 6))
    assert log.images == 60 * 8 * (1 + 5)  # as many ways as there are classes
    assert not learner.training


class Scripted(EmbeddingLearner):
    """Its weight counts steps, and its embedding is useful only while the count is at most `peak`."""

    @dataclass(frozen=True)
    class Options(TrainingOptions):
        peak: int = option(3, "")
        fail_at: int = option(10**9, "")

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options = options
        self.count = nn.Parameter(torch.zeros(()))

    def stages(self) -> Sequence[Stage]:
        return [Stage("count", Batches(4), self.loss, self, self.options)]

    def loss(self, batch: LabelledBatch) -> Tensor:
        if round(self.count.item()) == self.options.fail_at:
            return self.count * math.nan
        return -self.count  # with SGD at rate 1 and no schedule, Nesterov momentum apart, each step adds to it

    def embed(self, images: Tensor) -> Tensor:
        return images.flatten(1) * (self.count <= self.options.peak)

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        return -torch.cdist(features.query, features.support)  # one shot a class: the nearest one's label


def scripted(dataset: Dataset, **options: Any) -> Scripted:
    problem = Problem(dataset.train.item_shape, dataset.train.classes, TASK)
    defaults = {"steps": 10, "learning_rate": 1.0, "schedule": "constant", "optimizer": "adam"}
    return Scripted(problem, Scripted.Options(**{**defaults, **options}))


class Passing(Learner):
    """Predicts 10 * (count - 3) everywhere, which is nearest to sine curves at count 3; each step adds 1 to count."""

    regression = True

    def __init__(self, problem: Problem, options: TrainingOptions) -> None:
        super().__init__(problem, options)
        self.options, self.count = options, nn.Parameter(torch.zeros(()))

    def stages(self) -> list[Stage]:
        return [Stage("count", Episodes(RegressionTask(1, 1)), lambda _: -self.count, self, self.options)]

    def classify(self, episodes: EpisodeBatch) -> Tensor:
        return torch.zeros_like(episodes.query) + 10 * (self.count - 3)


def test_in_regression_the_weights_of_the_lowest_error_are_kept(tmp_path: Path) -> None:
    task, dataset = RegressionTask(shots=5), load("sinusoid")
    options = TrainingOptions(steps=10, learning_rate=1.0, schedule="constant")
    learner = Passing(Problem((1,), 0, task), options)
    log = train(learner, dataset, plan(dataset, tmp_path, validation=SinusoidSampler(dataset.validation, task, 0)))
    errors = [row["validation_squared_error"] for row in log.curve]
    assert log.best["count"] == {"step": 3, "validation_squared_error": min(errors)}
    assert round(learner.count.item()) == 3
    assert log.images == 10 * 2


def test_a_stage_whose_data_are_of_another_kind_is_refused(toy: Dataset) -> None:
    regression = Passing(Problem((1,), 0, RegressionTask(5)), TrainingOptions())
    with pytest.raises(UsageError, match="stage 'count': it asks for functions, and 'toy/train' has images"):
        check_stages(regression, toy)
    for name in ("finetune", "protonet"):
        with pytest.raises(
            UsageError, match="it asks for images or text or entities or questions, and 'sinusoid/train' has functions"
        ):
            check_stages(build(name, toy), load("sinusoid"))


def test_the_weights_that_did_best_on_validation_are_kept(toy: Dataset, tmp_path: Path) -> None:
    """Adam at rate 1 with a gradient of -1 adds 1 a step; of equally good steps the last is kept."""
    learner = scripted(toy)
    log = train(learner, toy, plan(toy, tmp_path))
    accuracies = [row["validation_accuracy"] for row in log.curve]
    assert min(accuracies[:3]) > max(accuracies[3:])
    assert log.best["count"]["step"] == 1 + max(range(3), key=lambda row: (accuracies[row], row))
    assert round(learner.count.item()) == log.best["count"]["step"]


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(toy: Dataset, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"the loss is nan at step 6 of stage 'count'; lower the learning rate, .*=0.1"):
        train(scripted(toy, fail_at=5), toy, plan(toy, tmp_path))
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 5


def test_no_steps_is_no_training(toy: Dataset, tmp_path: Path) -> None:
    learner = scripted(toy, steps=0)
    assert train(learner, toy, plan(toy, tmp_path)) == TrainingLog()
    assert learner.count.item() == 0


class Noisy(Scripted):
    """Its steps depend on torch's generator, as dropout's do."""

    def loss(self, batch: LabelledBatch) -> Tensor:
        return -self.count * torch.rand(())


def test_a_resumed_run_goes_on_with_the_same_random_numbers(toy: Dataset, tmp_path: Path) -> None:
    whole, interrupted, resumed = (
        Noisy(Problem((1, 28, 28), 8, TASK), Noisy.Options(steps=12, optimizer="sgd")) for _ in range(3)
    )
    torch.manual_seed(0)
    train(whole, toy, plan(toy, tmp_path / "whole"))
    torch.manual_seed(0)
    interrupted.stages = Interrupting(interrupted, 5)  # type: ignore[method-assign]
    with pytest.raises(RunError, match="interrupted at step 5"):
        train(interrupted, toy, plan(toy, tmp_path))
    torch.manual_seed(12345)
    train(resumed, toy, plan(toy, tmp_path), torch.load(tmp_path / "checkpoint.pt", weights_only=True))
    assert resumed.count.item() == whole.count.item()


def test_the_students_stage_leaves_the_teachers_statistics_alone(toy: Dataset, tmp_path: Path) -> None:
    learner = build("distill", toy, teacher_steps=0)
    before = copy.deepcopy(learner.teacher.state_dict())
    train(learner, toy, plan(toy, tmp_path))
    assert all(torch.equal(value, before[name]) for name, value in learner.teacher.state_dict().items())


@pytest.mark.parametrize(("weight_decay", "expected"), [(0.0, 1.9 + 2.71), (0.1, 1.9 + 2.349)])
def test_sgd_is_nesterovs_with_momentum_and_weight_decay(
    weight_decay: float, expected: float, toy: Dataset, tmp_path: Path
) -> None:
    """By hand, gradient g = -1 + decay * w, velocity v = 0.9 v + g, step g + 0.9 v, twice from w = 0 at rate 1."""
    learner = scripted(toy, steps=2, optimizer="sgd", weight_decay=weight_decay, peak=10)
    train(learner, toy, plan(toy, tmp_path))
    assert learner.count.item() == pytest.approx(expected, rel=1e-5)


def test_the_halving_schedule_halves_after_2000_steps(toy: Dataset, tmp_path: Path) -> None:
    learner = scripted(toy, steps=2002, schedule="halving", peak=10**6)
    train(learner, toy, plan(toy, tmp_path))
    assert learner.count.item() == pytest.approx(2000 + 2 * 0.5, abs=0.1)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [1.0, 1.0, 1.0]), ("cosine", [1.0, 0.75, 0.25]), ("halving", [1.0, 1.0, 1.0])],
)
def test_schedules(schedule: str, expected: list[float], toy: Dataset, tmp_path: Path) -> None:
    """Adam's step is the rate itself here; the cosine over 3 steps is (1 + cos(pi * step / 3)) / 2."""
    learner = scripted(toy, steps=3, schedule=schedule, peak=10)
    train(learner, toy, plan(toy, tmp_path))
    assert learner.count.item() == pytest.approx(sum(expected), rel=1e-4)


@pytest.mark.parametrize(
    ("steps", "expected"), [(3, [1.0, 1.0, 0.5]), (20, [0.5, 1.0, *(1 - n / 18 for n in range(18))])]
)
def test_the_linear_schedule_warms_up_for_a_tenth_and_falls_to_0(
    steps: int, expected: list[float], toy: Dataset, tmp_path: Path
) -> None:
    learner = scripted(toy, steps=steps, schedule="linear", peak=100)
    train(learner, toy, plan(toy, tmp_path))
    assert learner.count.item() == pytest.approx(sum(expected), rel=1e-4)


def test_adamw_decays_matrices_alone(toy: Dataset, tmp_path: Path) -> None:
    """By hand, from 1 at rate 0.1 and decay 0.5: a matrix times 1 - 0.05, then both 0.1 less, at any gradient."""

    class Two(Scripted):
        def __init__(self, problem: Problem, options: Scripted.Options) -> None:
            super().__init__(problem, options)
            self.matrix = nn.Parameter(torch.ones(1, 1))
            self.count.data.fill_(1.0)

        def loss(self, batch: LabelledBatch) -> Tensor:
            return 3 * self.count + 5 * self.matrix.sum()

    options = {"optimizer": "adamw", "weight_decay": 0.5, "schedule": "constant"}
    learner = Two(Problem((1, 28, 28), 8, TASK), Scripted.Options(steps=1, learning_rate=0.1, **options))
    train(learner, toy, plan(toy, tmp_path))
    assert learner.count.item() == pytest.approx(0.9)
    assert learner.matrix.item() == pytest.approx(0.85)


def test_gradients_are_clipped_by_their_norm_together(toy: Dataset, tmp_path: Path) -> None:
    """One step of plain Nesterov momentum at rate 1 is 1.9 gradients: of norm 0.5 in place of 1."""
    learner = scripted(toy, steps=1, optimizer="sgd", peak=10)
    (stage,) = learner.stages()
    learner.stages = lambda: [replace(stage, clip=0.5)]  # type: ignore[method-assign]
    train(learner, toy, plan(toy, tmp_path))
    assert learner.count.item() == pytest.approx(1.9 * 0.5, rel=1e-4)


def test_a_stages_own_values_choose_its_step(toy: Dataset, tmp_path: Path) -> None:
    """The lower the first of them, the better; no validation tasks are needed."""
    learner = scripted(toy)
    (stage,) = learner.stages()

    def values() -> dict[str, float]:
        return {"distance": abs(learner.count.item() - 4), "other": -learner.count.item()}

    learner.stages = lambda: [replace(stage, values=values)]  # type: ignore[method-assign]
    log = train(learner, toy, replace(plan(toy, tmp_path), validation=None))
    assert log.best["count"] == {"step": 4, "validation_distance": pytest.approx(0, abs=1e-4)}
    assert round(learner.count.item()) == 4
    assert [*log.curve[0]] == ["stage", "step", "loss", "validation_distance", "validation_other"]


def test_mixed_precision_learns(toy: Dataset, tmp_path: Path) -> None:
    learner, seen = build("protonet", toy, steps=60), set()
    learner.backbone[0].register_forward_hook(
        lambda module, images, features: seen.add(features.dtype) if module.training else None
    )
    log = train(learner, toy, plan(toy, tmp_path, precision="bfloat16"))
    assert log.curve[-1]["loss"] < 0.5 * log.curve[0]["loss"]
    assert seen == {torch.bfloat16}
    assert {value.dtype for value in learner.state_dict().values() if value.is_floating_point()} == {torch.float32}


def test_a_stage_that_asks_for_more_than_there_is_is_refused(toy: Dataset, tmp_path: Path) -> None:
    from episodes import DataError

    with pytest.raises(DataError, match="a batch of 161 images is not possible: 'toy/train' has 160"):
        train(build("finetune", toy, batch_size=161), toy, plan(toy, tmp_path))


def test_the_curve_is_watched_row_by_row_in_time_that_is_none_of_trainings(toy: Dataset, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def watch(curve: Sequence[dict[str, Any]]) -> None:
        state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
        assert state["log"]["curve"] == curve
        seen.append((len(curve), curve[-1]["step"]))
        time.sleep(0.3)

    began = time.perf_counter()
    log = train(build("protonet", toy), toy, plan(toy, tmp_path, watch=watch))
    assert seen == [(number, row["step"]) for number, row in enumerate(log.curve, 1)]
    assert len(seen) == 10
    assert log.seconds < time.perf_counter() - began - 10 * 0.3


def test_the_stages_of_one_run_have_nothing_to_do_with_another_seeds(toy: Dataset, tmp_path: Path) -> None:
    """A student's batches under one seed are not the teacher's under the next."""
    first = []
    for seed in (0, 1, 2):
        seen: dict[str, list[int]] = {}
        learner = build("distill", toy)
        learner.stages = lambda whole=learner.stages, seen=seen: [_watched(stage, seen) for stage in whole()]
        train(learner, toy, plan(toy, tmp_path, seed=seed))
        first += list(seen.values())
    assert len({str(batch) for batch in first}) == len(first) == 9  # of teacher, student and its network alone


def _watched(stage: Stage, seen: dict[str, list[int]]) -> Stage:
    """The stage, noting the labels of its first batch."""

    def loss(batch: LabelledBatch) -> Any:
        seen.setdefault(stage.name, batch.labels.tolist())
        return stage.loss(batch)

    return replace(stage, loss=loss)
