"""The Learner protocol's contract as one call, for a plug-in's own tests:



def test_contract():
    check_learner(MyLearner)

`run` and `verify` hold every learner to the cheap half of it (`broken_points`).
"""

from __future__ import annotations

import copy
import io
import traceback
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from episodes.episode import item_counts, marks_words
from episodes.sampling.source import EpisodeSource
from metabench.learner import (
    EmbeddingLearner,
    EpisodeBatch,
    EpisodeFeatures,
    LabelledEpisodeBatch,
    Learner,
    Problem,
    Stage,
)
from metabench.samples import PROBLEM, REGRESSION, random_episodes, text_problem, training_data, word_problem

TOLERANCE = 1e-2  # how far logits that should agree may differ for rounding, as a part of their standard deviation
FEW_QUERIES = 10
MANY_EXAMPLES = 100


def check_learner(learner_class: type[Learner], tolerance: float = TOLERANCE, **options: Any) -> None:
    """Check a freshly built, untrained learner against every point of the contract, on random images and texts.

    It is checked on the kinds of data that it declares; on texts and on their words with a small network, `bert-tiny`.
    One that does regression too is also checked on sinusoids, with its preset for them.

    Args:
        learner_class: the class to check.
        tolerance: how far logits that should agree may differ for rounding, as a part of their standard deviation.
        options: options that differ from the class's defaults.

    Raises:
        AssertionError: says which point is broken.
    """
    if "images" in learner_class.kinds:
        check_problem(learner_class, PROBLEM, options, tolerance)
    if "text" in learner_class.kinds:
        known = {item.name for item in fields(learner_class.Options)}
        networks = {name: "bert-tiny" for name in known if name.endswith("backbone")}
        preset = {**learner_class.presets.get("text", {}), **networks, **options}
        check_problem(learner_class, text_problem(), preset, tolerance)
        if "entities" in learner_class.kinds:
            preset = {**preset, **learner_class.presets.get("entities", {}), **networks, **options}
            check_problem(learner_class, word_problem(), preset, tolerance)
    if learner_class.regression:
        preset = {**learner_class.presets.get("sinusoid", {}), **options}
        check_problem(learner_class, REGRESSION, preset, tolerance)


def check_problem(learner_class: type[Learner], problem: Problem, options: dict[str, Any], tolerance: float) -> None:
    """All points for one problem."""
    learner = build(learner_class, problem=problem, **options)
    episodes, others = (
        random_episodes(seed=seed, task=problem.task, shape=problem.image_shape).without_query_labels()
        for seed in (0, 1)
    )
    check_methods(learner)
    check_shape(learner, episodes)
    check_seed(learner_class, problem, options, tolerance)
    check_no_state(learner, episodes, others, tolerance)
    check_save_and_load(learner_class, problem, options, tolerance)
    check_neighbours(learner, episodes, tolerance)
    check_shots_order(learner, tolerance)
    check_labels(learner, tolerance)
    check_transduction(learner, episodes, tolerance)
    check_embedding(learner, episodes, tolerance)
    check_stages(learner)


def broken_points(learner: Learner, source: EpisodeSource, tolerance: float = TOLERANCE) -> tuple[str, ...]:
    """The points of the contract that a learner, or a companion of it, breaks on three real tasks.

    It takes tenths of a second, cheap enough for every run.

    An inductive learner is asked about `FEW_QUERIES` of each, since for it the others change nothing. Of a task with
    more than `MANY_EXAMPLES`, as all-way ones have, the first example of each class is its support.

    They are the logits' shape, state that `classify` keeps or changes, predictions that depend on other tasks or
    (unless it is declared transductive) on other queries, and an embedding that depends on other images. No random
    stream moves.

    Args:
        learner: on the source's device.
        source: of episodes.
        tolerance: as of `check_learner`.
    """
    several = (0, 1) if source.one_shape else (0,)
    episodes, others = (source.batch(numbers).to_float().without_query_labels() for numbers in (several, (2,)))
    if not learner.transductive:
        episodes, others = (_smaller(each) for each in (episodes, others))
    points: list[Callable[[], None]] = [
        lambda: check_methods(learner),
        lambda: check_shape(learner, episodes),
        lambda: check_no_state(learner, episodes, others, tolerance),
        lambda: check_neighbours(learner, episodes, tolerance),
        lambda: check_transduction(learner, episodes, tolerance),
        lambda: check_embedding(learner, _part(episodes, 0), tolerance),
    ]
    broken = []
    was_training = learner.training
    with torch.random.fork_rng(devices=[source.device] if source.device.type == "cuda" else []):
        learner.eval()
        for check in points:
            try:
                check()
            except AssertionError as error:
                if traceback.extract_tb(error.__traceback__)[-1].filename != __file__:
                    raise  # the learner's own
                broken.append(str(error))
                if check in points[:2]:
                    break  # nothing else can be asked of logits of another shape
        learner.train(was_training)
    for name, companion in learner.companions().items() if not broken else ():
        broken += [f"its {name}: {point}" for point in broken_points(companion, source, tolerance)]
    return tuple(broken)


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
    assert named, f"companions() gives {companions!r:.100}; the contract is learners by name"
    assert type(parameters) is int, f"scoring_parameters() gives {parameters!r:.100}; the contract is a whole number"
    used = type(learner).classify is not EmbeddingLearner.classify
    for name in ("adapt", "predict") if isinstance(learner, EmbeddingLearner) and not used else ():
        own = getattr(type(learner), name) is not getattr(Learner, name)
        assert not own, f"an EmbeddingLearner's {name}() is never called; derive from Learner, or write classify() too"


def check_shape(learner: Learner, episodes: EpisodeBatch) -> None:
    """`classify` gives finite logits `[B, Q, N]`."""
    assert torch.isfinite(_classify(learner, episodes)).all(), "classify gives logits that are not finite"


def check_seed(learner_class: type[Learner], problem: Problem, options: dict[str, Any], tolerance: float) -> None:
    """The same seed gives the same learner."""
    episodes = random_episodes(task=problem.task, shape=problem.image_shape)
    first, second = (_classify(build(learner_class, problem=problem, **options), episodes) for _ in range(2))
    _assert_equal(first, second, tolerance, "two learners from the same seed predict differently")


def check_no_state(learner: Learner, episodes: EpisodeBatch, others: EpisodeBatch, tolerance: float) -> None:
    """`classify` leaves parameters, buffers and later predictions as they were."""
    before = copy.deepcopy(learner.state_dict())
    first = _classify(learner, episodes).clone()
    _classify(learner, others)
    for name, value in learner.state_dict().items():
        same = name in before and torch.equal(value, before[name])
        assert same, f"classify changes '{name}'"
    second = _classify(learner, episodes)
    _assert_equal(first, second, tolerance, "classify predicts differently when called again")


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
    _assert_equal(first, second, tolerance, "a loaded learner predicts differently: something is not in its state_dict")


def check_neighbours(learner: Learner, episodes: EpisodeBatch, tolerance: float) -> None:
    """A task's predictions do not depend on the other tasks in the batch."""
    if len(episodes) == 1:
        return
    together = _classify(learner, episodes)
    alone = torch.cat([_classify(learner, _part(episodes, number)) for number in range(len(episodes))])
    _assert_equal(together, alone, tolerance, "a task's predictions depend on its neighbours in the batch")


def check_shots_order(learner: Learner, tolerance: float) -> None:
    """The order of the support images does not matter."""
    episodes = random_episodes(task=learner.problem.task, shape=learner.problem.image_shape)
    order = torch.randperm(episodes.support.shape[1], generator=torch.Generator().manual_seed(0))
    of_rows = torch.split(episodes.support_labels, item_counts(episodes.support[0]), dim=1)
    labels = torch.cat([of_rows[row] for row in order.tolist()], dim=1)
    shuffled = replace(episodes, support=episodes.support[:, order], support_labels=labels)
    _assert_equal(
        _classify(learner, episodes), _classify(learner, shuffled), tolerance, "the order of the support matters"
    )


def check_labels(learner: Learner, tolerance: float) -> None:
    """Renaming the labels renames the predictions; a learner that says otherwise (`label_equivariant`) is believed."""
    if not learner.label_equivariant or learner.problem.regression:
        return
    episodes = random_episodes(task=learner.problem.task, shape=learner.problem.image_shape)
    renamed = torch.tensor([2, 0, 1])  # label k is now called renamed[k]
    logits = _classify(learner, replace(episodes, support_labels=renamed[episodes.support_labels]))
    _assert_equal(
        _classify(learner, episodes),
        logits[..., renamed],
        tolerance,
        "labels permuted do not give permuted predictions",
    )


def check_transduction(learner: Learner, episodes: EpisodeBatch, tolerance: float) -> None:
    """A query alone is predicted as among others, unless the learner is declared transductive."""
    if learner.transductive:
        return
    last = episodes.query.shape[1] - 1
    _assert_equal(
        _classify(learner, episodes)[:, sum(item_counts(episodes.query[0, :last])) :],
        _classify(learner, replace(episodes, query=episodes.query[:, last:])),
        tolerance,
        "a query's prediction depends on the other queries, and the learner is not declared transductive "
        "(`transductive = True`)",
    )


def check_embedding(learner: Learner, episodes: EpisodeBatch, tolerance: float) -> None:
    """`embed` treats each image on its own, and with `classify_features` gives what `classify` gives."""
    if not (isinstance(learner, EmbeddingLearner) and learner.frozen_embedding):
        return

    def embed(images: Tensor) -> Tensor:
        alone = torch.stack([torch.cat([learner.embed(image[None]) for image in task]) for task in images])
        together = learner.embed(images.flatten(0, 1)).view_as(alone)
        _assert_equal(alone, together, tolerance, "embed gives an image other features alone than among others")
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
        loss = stage.loss(training_data(stage, learner.problem))
        for part in [loss] if isinstance(loss, Tensor) else loss:
            assert torch.isfinite(part), f"the loss of stage '{stage.name}' is not finite"
            part.backward()
        reached = any(parameter.grad is not None for parameter in stage.module.parameters())
        assert reached, f"the loss of stage '{stage.name}' reaches none of the parameters that it trains"
        learner.eval()


def _classify(learner: Learner, episodes: EpisodeBatch) -> Tensor:
    if isinstance(episodes, LabelledEpisodeBatch):
        episodes = episodes.without_query_labels()
    with torch.no_grad():
        logits = learner.classify(episodes)
    items = sum(item_counts(episodes.query[0]))
    problem = logits_problem(logits, (len(episodes.query), items, episodes.ways))
    assert not problem, problem
    return logits


def _smaller(episodes: EpisodeBatch) -> EpisodeBatch:
    episodes = replace(episodes, query=episodes.query[:, :FEW_QUERIES])
    if episodes.support.shape[1] <= MANY_EXAMPLES or marks_words(episodes.support):
        return episodes
    first = torch.stack([(episodes.support_labels == label).int().argmax(1) for label in range(episodes.ways)], dim=1)
    task = torch.arange(len(first), device=first.device)[:, None]
    return replace(episodes, support=episodes.support[task, first], support_labels=episodes.support_labels[task, first])


def _part(episodes: EpisodeBatch, number: int) -> EpisodeBatch:
    rows = slice(number, number + 1)
    return replace(
        episodes,
        support=episodes.support[rows],
        support_labels=episodes.support_labels[rows],
        query=episodes.query[rows],
        unlabelled=None if episodes.unlabelled is None else episodes.unlabelled[rows],
    )


def _assert_equal(first: Tensor, second: Tensor, tolerance: float, complaint: str) -> None:
    difference, spread = float((first - second).abs().max()), float(first.std())
    assert difference <= tolerance * spread + 1e-6, f"{complaint} (by {difference:.2g}; logits spread by {spread:.2g})"
