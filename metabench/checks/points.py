"""The points of a learner's contract, each as a check that raises ContractError where it is broken."""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from episodes.episode import item_counts
from metabench.learner import (
    EmbeddingLearner,
    EpisodeBatch,
    EpisodeFeatures,
    LabelledEpisodeBatch,
    Learner,
    Problem,
    Stage,
    given_to,
)
from metabench.samples import PROBLEM, random_episodes, training_data

TOLERANCE = 1e-2  # how far logits that should agree may differ for rounding, as a part of their standard deviation


class ContractError(AssertionError):
    """A learner breaks a point of the contract; the message says how."""


def build(learner_class: type[Learner], seed: int = 0, problem: Problem = PROBLEM, **options: Any) -> Learner:
    """The learner for a small problem, in evaluation mode; weights are drawn from `seed`."""
    torch.manual_seed(seed)
    return learner_class(problem, learner_class.Options(**options)).eval()


def logits_problem(logits: Any, shape: tuple[int, ...]) -> str:
    """What is wrong with what `classify` gives, where it should be floats `[B, Q, N]` of that shape; "" for nothing."""
    if not isinstance(logits, Tensor):
        return f"classify gives {type(logits).__name__}; the contract is a tensor [B, Q, N]"
    if logits.shape != shape or not logits.is_floating_point():
        found = f"{tuple(logits.shape)} of {str(logits.dtype).removeprefix('torch.')}"
        return f"classify gives {found}; the contract is floats [B, Q, N], here {shape}"
    return ""


def check_methods(learner: Learner) -> None:
    """Companions are learners, parameters are counted, and an `EmbeddingLearner` has no method that nothing calls."""
    companions, parameters = learner.companions(), learner.scoring_parameters()
    named = isinstance(companions, Mapping) and all(isinstance(each, Learner) for each in companions.values())
    _require(named, f"companions() gives {companions!r:.100}; the contract is learners by name")
    _require(type(parameters) is int, f"scoring_parameters() gives {parameters!r:.100}; the contract is a whole number")
    used = type(learner).classify is not EmbeddingLearner.classify
    for name in ("adapt", "predict") if isinstance(learner, EmbeddingLearner) and not used else ():
        own = getattr(type(learner), name) is not getattr(Learner, name)
        _require(
            not own, f"an EmbeddingLearner's {name}() is never called; derive from Learner, or write classify() too"
        )


def check_shape(learner: Learner, episodes: EpisodeBatch) -> None:
    """`classify` gives finite logits `[B, Q, N]`."""
    _require(bool(torch.isfinite(_classify(learner, episodes)).all()), "classify gives logits that are not finite")


def check_seed(learner_class: type[Learner], problem: Problem, options: dict[str, Any], tolerance: float) -> None:
    """The same seed gives the same learner."""
    episodes = random_episodes(task=problem.task, shape=problem.image_shape)
    first, second = (_classify(build(learner_class, problem=problem, **options), episodes) for _ in range(2))
    _require_equal(first, second, tolerance, "two learners from the same seed predict differently")


def check_no_state(learner: Learner, episodes: EpisodeBatch, others: EpisodeBatch, tolerance: float) -> None:
    """`classify` leaves parameters, buffers and later predictions as they were."""
    before = copy.deepcopy(learner.state_dict())
    first = _classify(learner, episodes).clone()
    _classify(learner, others)
    for name, value in learner.state_dict().items():
        same = name in before and torch.equal(value, before[name])
        _require(same, f"classify changes '{name}'")
    second = _classify(learner, episodes)
    _require_equal(first, second, tolerance, "classify predicts differently when called again")


def check_save_and_load(
    learner_class: type[Learner], problem: Problem, options: dict[str, Any], tolerance: float
) -> None:
    """A learner loaded from another's state predicts alike."""
    saved, loaded = (build(learner_class, seed=seed, problem=problem, **options) for seed in (0, 1))
    file = io.BytesIO()
    torch.save(saved.state_dict(), file)
    file.seek(0)
    loaded.load_state_dict(torch.load(file, weights_only=True))
    first, second = (
        _classify(learner, random_episodes(task=problem.task, shape=problem.image_shape)) for learner in (saved, loaded)
    )
    _require_equal(
        first, second, tolerance, "a loaded learner predicts differently: something is not in its state_dict"
    )


def check_neighbours(learner: Learner, episodes: EpisodeBatch, tolerance: float) -> None:
    """A task's predictions do not depend on the other tasks in the batch."""
    if len(episodes) == 1:
        return
    together = _classify(learner, episodes)
    alone = torch.cat([_classify(learner, _part(episodes, number)) for number in range(len(episodes))])
    _require_equal(together, alone, tolerance, "a task's predictions depend on its neighbours in the batch")


def check_shots_order(learner: Learner, tolerance: float) -> None:
    """The order of the support images does not matter."""
    episodes = random_episodes(task=learner.problem.task, shape=learner.problem.image_shape)
    order = torch.randperm(episodes.support.shape[1], generator=torch.Generator().manual_seed(0))
    of_rows = torch.split(episodes.support_labels, item_counts(episodes.support[0]), dim=1)
    labels = torch.cat([of_rows[row] for row in order.tolist()], dim=1)
    shuffled = replace(episodes, support=episodes.support[:, order], support_labels=labels)
    _require_equal(
        _classify(learner, episodes), _classify(learner, shuffled), tolerance, "the order of the support matters"
    )


def check_labels(learner: Learner, tolerance: float) -> None:
    """Renaming the labels renames the predictions."""
    episodes = random_episodes(task=learner.problem.task, shape=learner.problem.image_shape)
    renamed = torch.tensor([2, 0, 1])  # label k is now called renamed[k]
    logits = _classify(learner, replace(episodes, support_labels=renamed[episodes.support_labels]))
    _require_equal(
        _classify(learner, episodes),
        logits[..., renamed],
        tolerance,
        "labels permuted do not give permuted predictions",
    )


def check_transduction(learner: Learner, episodes: EpisodeBatch, tolerance: float) -> None:
    """A query alone is predicted as among others."""
    last = episodes.query.shape[1] - 1
    _require_equal(
        _classify(learner, episodes)[:, sum(item_counts(episodes.query[0, :last])) :],
        _classify(learner, replace(episodes, query=episodes.query[:, last:])),
        tolerance,
        "a query's prediction depends on the other queries, and the learner is not declared transductive "
        "(`transductive = True`)",
    )


def check_embedding(learner: Learner, episodes: EpisodeBatch, tolerance: float) -> None:
    """`embed` treats each image of a task on its own, and with `classify_features` gives what `classify` gives."""
    assert isinstance(learner, EmbeddingLearner)
    episodes = _part(episodes, 0)

    def embed(images: Tensor) -> Tensor:
        alone = torch.stack([torch.cat([learner.embed(image[None]) for image in task]) for task in images])
        together = learner.embed(images.flatten(0, 1)).view_as(alone)
        _require_equal(alone, together, tolerance, "embed gives an image other features alone than among others")
        return alone

    with torch.no_grad():
        pool = episodes.unlabelled if learner.semi_supervised else None
        features = EpisodeFeatures(
            embed(episodes.support),
            episodes.support_labels,
            embed(episodes.query),
            episodes.ways,
            None if pool is None else embed(pool),
        )
        logits = learner.classify_features(features)
    _require_equal(
        _classify(learner, episodes), logits, tolerance, "classify is not embed, image by image, and classify_features"
    )


def check_stages(learner: Learner) -> None:
    """Stages have unique names, and a loss that is finite and reaches the parameters that they train."""
    stages = list(learner.stages())
    _require(all(isinstance(stage, Stage) for stage in stages), "stages() must give metabench.learner.Stage objects")
    _require(len({stage.name for stage in stages}) == len(stages), "two stages have one name")
    for stage in stages:
        stage.module.train().zero_grad()
        loss = stage.loss(training_data(stage, learner.problem))
        for part in [loss] if isinstance(loss, Tensor) else loss:
            _require(bool(torch.isfinite(part)), f"the loss of stage '{stage.name}' is not finite")
            part.backward()
        reached = any(parameter.grad is not None for parameter in stage.module.parameters())
        _require(reached, f"the loss of stage '{stage.name}' reaches none of the parameters that it trains")
        learner.eval()


def _classify(learner: Learner, episodes: EpisodeBatch) -> Tensor:
    if isinstance(episodes, LabelledEpisodeBatch):
        episodes = given_to(learner, episodes)
    with torch.no_grad():
        logits = learner.classify(episodes)
    items = sum(item_counts(episodes.query[0]))
    problem = logits_problem(logits, (len(episodes.query), items, episodes.ways))
    _require(not problem, problem)
    return logits


def _part(episodes: EpisodeBatch, number: int) -> EpisodeBatch:
    rows = slice(number, number + 1)
    return replace(
        episodes,
        support=episodes.support[rows],
        support_labels=episodes.support_labels[rows],
        query=episodes.query[rows],
        unlabelled=None if episodes.unlabelled is None else episodes.unlabelled[rows],
    )


def _require(holds: bool, complaint: str) -> None:
    if not holds:
        raise ContractError(complaint)


def _require_equal(first: Tensor, second: Tensor, tolerance: float, complaint: str) -> None:
    difference, spread = float((first - second).abs().max()), float(first.std())
    _require(
        difference <= tolerance * spread + 1e-6, f"{complaint} (by {difference:.2g}; logits spread by {spread:.2g})"
    )
