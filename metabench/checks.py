"""The Learner protocol's contract as one call, for a plug-in's own tests:

from metabench.checks import check_learner

def test_contract():
    check_learner(MyLearner)
"""

from __future__ import annotations

import copy
import io
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from episodes.datasets.sinusoid import Sinusoids, SinusoidSampler
from episodes.episode import EpisodeBatch
from episodes.regression_task import RegressionTask
from episodes.task import FixedTask
from metabench.learner import EmbeddingLearner, Episodes, LabelledBatch, Learner, Problem, Stage

TASK = FixedTask(ways=3, shots=2, queries=4)
PROBLEM = Problem(image_shape=(1, 28, 28), train_classes=6, task=TASK)
REGRESSION = Problem(image_shape=(1,), train_classes=0, task=RegressionTask(shots=5, queries=4))


def check_learner(learner_class: type[Learner], tolerance: float = 1e-2, **options: Any) -> None:
    """Check a freshly built, untrained learner against every point of the contract, on random images.

    One that does regression too is also checked on sinusoids, with its preset for them.

    Args:
        learner_class: the class to check.
        tolerance: how far logits that should agree may differ for rounding, as a part of their standard deviation.
        options: options that differ from the class's defaults.

    Raises:
        AssertionError: says which point is broken.
    """
    check_problem(learner_class, PROBLEM, options, tolerance)
    if learner_class.regression:
        preset = {**learner_class.presets.get("sinusoid", {}), **options}
        check_problem(learner_class, REGRESSION, preset, tolerance)


def check_problem(learner_class: type[Learner], problem: Problem, options: dict[str, Any], tolerance: float) -> None:
    """All points for one problem."""
    learner = build(learner_class, problem=problem, **options)
    check_shape(learner)
    check_seed(learner_class, problem, options, tolerance)
    check_no_state(learner, tolerance)
    check_save_and_load(learner_class, problem, options, tolerance)
    check_neighbours(learner, tolerance)
    check_shots_order(learner, tolerance)
    check_labels(learner, tolerance)
    check_transduction(learner, tolerance)
    check_embedding(learner, tolerance)
    check_stages(learner)


def build(learner_class: type[Learner], seed: int = 0, problem: Problem = PROBLEM, **options: Any) -> Learner:
    """The learner for a small problem, in evaluation mode; weights are drawn from `seed`."""
    torch.manual_seed(seed)
    return learner_class(problem, learner_class.Options(**options)).eval()


def random_episodes(count: int = 2, seed: int = 0, task: FixedTask | RegressionTask = TASK) -> EpisodeBatch:
    """Episodes of `task` whose classes are random patterns under noise, so that answers are not all alike."""
    if isinstance(task, RegressionTask):
        return SinusoidSampler(Sinusoids("check"), task, seed).batch(range(count))
    generator = torch.Generator().manual_seed(seed)
    patterns = torch.rand(count, task.ways, 1, 1, 28, 28, generator=generator)

    def images(number: int) -> Tensor:
        noise = torch.rand(count, task.ways, number, 1, 28, 28, generator=generator)
        return (0.6 * patterns + 0.4 * noise).flatten(1, 2)

    labels = torch.arange(task.ways)
    return EpisodeBatch(
        images(task.shots),
        labels.repeat_interleave(task.shots).expand(count, -1),
        images(task.queries),
        labels.repeat_interleave(task.queries).expand(count, -1),
        task.ways,
    )


def check_shape(learner: Learner) -> None:
    """`classify` gives finite logits `[B, Q, N]`."""
    task = learner.problem.task
    logits = _classify(learner, random_episodes(task=task))
    expected = (2, task.ways * task.queries, task.ways)
    assert logits.shape == expected, f"classify gives {tuple(logits.shape)}; the contract is [B, Q, N], here {expected}"
    assert torch.isfinite(logits).all(), "classify gives logits that are not finite"


def check_seed(learner_class: type[Learner], problem: Problem, options: dict[str, Any], tolerance: float) -> None:
    """The same seed gives the same learner."""
    episodes = random_episodes(task=problem.task)
    first, second = (_classify(build(learner_class, problem=problem, **options), episodes) for _ in range(2))
    _assert_equal(first, second, tolerance, "two learners from the same seed answer differently")


def check_no_state(learner: Learner, tolerance: float) -> None:
    """`classify` leaves parameters, buffers and later answers as they were."""
    before = copy.deepcopy(learner.state_dict())
    episodes = random_episodes(task=learner.problem.task)
    first = _classify(learner, episodes)
    _classify(learner, random_episodes(seed=1, task=learner.problem.task))
    for name, value in learner.state_dict().items():
        assert torch.equal(value, before[name]), f"classify changes '{name}'"
    second = _classify(learner, episodes)
    _assert_equal(first, second, tolerance, "classify answers differently when called again")


def check_save_and_load(
    learner_class: type[Learner], problem: Problem, options: dict[str, Any], tolerance: float
) -> None:
    """A learner loaded from another's state answers alike."""
    saved, loaded = (build(learner_class, seed=seed, problem=problem, **options) for seed in (0, 1))
    file = io.BytesIO()
    torch.save(saved.state_dict(), file)
    file.seek(0)
    loaded.load_state_dict(torch.load(file, weights_only=True))
    first, second = (_classify(learner, random_episodes(task=problem.task)) for learner in (saved, loaded))
    _assert_equal(first, second, tolerance, "a loaded learner answers differently: something is not in its state_dict")


def check_neighbours(learner: Learner, tolerance: float) -> None:
    """A task's answer does not depend on the other tasks in the batch."""
    episodes = random_episodes(3, task=learner.problem.task)
    together = _classify(learner, episodes)
    alone = torch.cat([_classify(learner, _part(episodes, number)) for number in range(3)])
    _assert_equal(together, alone, tolerance, "a task's answer depends on its neighbours in the batch")


def check_shots_order(learner: Learner, tolerance: float) -> None:
    """The order of the support images does not matter."""
    episodes = random_episodes(task=learner.problem.task)
    order = torch.randperm(episodes.support.shape[1], generator=torch.Generator().manual_seed(0))
    shuffled = replace(
        episodes, support=episodes.support[:, order], support_labels=episodes.support_labels[:, order].contiguous()
    )
    _assert_equal(
        _classify(learner, episodes), _classify(learner, shuffled), tolerance, "the order of the support matters"
    )


def check_labels(learner: Learner, tolerance: float) -> None:
    """Renaming the labels renames the answers; a learner that says otherwise (`label_equivariant`) is believed."""
    if not learner.label_equivariant or learner.problem.regression:
        return
    episodes = random_episodes()
    renamed = torch.tensor([2, 0, 1])  # label k is now called renamed[k]
    logits = _classify(learner, replace(episodes, support_labels=renamed[episodes.support_labels]))
    _assert_equal(
        _classify(learner, episodes), logits[..., renamed], tolerance, "labels permuted do not give permuted answers"
    )


def check_transduction(learner: Learner, tolerance: float) -> None:
    """A query's answer does not depend on the other queries, unless the learner is declared transductive."""
    if learner.transductive:
        return
    episodes = random_episodes(task=learner.problem.task)
    few = replace(episodes, query=episodes.query[:, :2], query_labels=episodes.query_labels[:, :2])
    _assert_equal(
        _classify(learner, episodes)[:, :2],
        _classify(learner, few),
        tolerance,
        "a query's answer depends on the other queries, and the learner is not declared transductive",
    )


def check_embedding(learner: Learner, tolerance: float) -> None:
    """`embed` treats each image on its own, and with `classify_features` gives what `classify` gives."""
    if not (isinstance(learner, EmbeddingLearner) and learner.frozen_embedding):
        return
    episodes = random_episodes(1, task=learner.problem.task)
    with torch.no_grad():
        support, query = (
            torch.stack([learner.embed(image[None])[0] for image in images[0]])[None]
            for images in (episodes.support, episodes.query)
        )
        logits = learner.classify_features(support, episodes.support_labels, query, episodes.ways)
    _assert_equal(
        _classify(learner, episodes), logits, tolerance, "classify is not embed, image by image, and classify_features"
    )


def check_stages(learner: Learner) -> None:
    """Stages have unique names, and a loss that is finite and reaches the parameters that they train."""
    stages = list(learner.stages())
    assert all(isinstance(stage, Stage) for stage in stages), "stages() must give metabench.learner.Stage objects"
    assert len({stage.name for stage in stages}) == len(stages), "two stages have one name"
    for stage in stages:
        stage.module.train().zero_grad()
        loss = stage.loss(_training_data(stage))
        for part in [loss] if isinstance(loss, Tensor) else loss:
            assert torch.isfinite(part), f"the loss of stage '{stage.name}' is not finite"
            part.backward()
        reached = any(parameter.grad is not None for parameter in stage.module.parameters())
        assert reached, f"the loss of stage '{stage.name}' reaches none of the parameters that it trains"
        learner.eval()


def _training_data(stage: Stage) -> EpisodeBatch | LabelledBatch:
    if isinstance(stage.data, Episodes):
        return random_episodes(stage.data.batch, task=stage.data.task)
    size = stage.data.size
    return LabelledBatch(torch.rand(size, *PROBLEM.image_shape), torch.arange(size) % PROBLEM.train_classes)


def _classify(learner: Learner, episodes: EpisodeBatch) -> Tensor:
    with torch.no_grad():
        return learner.classify(episodes)


def _part(episodes: EpisodeBatch, number: int) -> EpisodeBatch:
    rows = slice(number, number + 1)
    return replace(
        episodes,
        support=episodes.support[rows],
        support_labels=episodes.support_labels[rows],
        query=episodes.query[rows],
        query_labels=episodes.query_labels[rows],
    )


def _assert_equal(first: Tensor, second: Tensor, tolerance: float, complaint: str) -> None:
    difference, spread = float((first - second).abs().max()), float(first.std())
    assert difference <= tolerance * spread + 1e-6, f"{complaint} (by {difference:.2g}; logits spread by {spread:.2g})"
