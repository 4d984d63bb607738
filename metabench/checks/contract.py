"""The contract of learners: its points, and how a learner stands to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch

from episodes.episode import marks_words
from episodes.errors import DataError
from episodes.sampling.source import EpisodeSource
from metabench.checks.points import (
    TOLERANCE,
    ContractError,
    build,
    check_embedding,
    check_labels,
    check_methods,
    check_neighbours,
    check_no_state,
    check_save_and_load,
    check_seed,
    check_shape,
    check_shots_order,
    check_stages,
    check_transduction,
)
from metabench.errors import UsageError
from metabench.learner import EmbeddingLearner, EpisodeBatch, Learner, Problem, given_to
from metabench.samples import PROBLEM, REGRESSION, random_episodes, text_problem, word_problem

FEW_QUERIES = 10
MANY_EXAMPLES, MANY_TOKENS = 100, 500


@dataclass(frozen=True, eq=False)
class Trial:
    """What the points are checked on.

    Attributes:
        learner: in evaluation mode.
        episodes: of its problem, B of them.
        others: likewise.
        tolerance: how far logits that should agree may differ for rounding, as a part of their standard deviation.
        options: that differ from its class's defaults, for points that build it anew.
    """

    learner: Learner
    episodes: EpisodeBatch
    others: EpisodeBatch
    tolerance: float = TOLERANCE
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """One point of the contract.

    Attributes:
        name: what holds where it is kept.
        check: raises ContractError where it is broken.
        exempt: why it does not apply to a learner; "" where it does.
        in_runs: whether it is cheap enough for every run, and needs nothing but the learner.
        first: whether nothing else can be asked where it is broken.
    """

    name: str
    check: Callable[[Trial], None]
    exempt: Callable[[Learner], str] = lambda _: ""
    in_runs: bool = False
    first: bool = False


def _no_labels(learner: Learner) -> str:
    if learner.problem.regression:
        return "a regression has no labels"
    return "" if learner.label_equivariant else "it is declared not to (label_equivariant = False)"


def _no_embedding(learner: Learner) -> str:
    if not isinstance(learner, EmbeddingLearner):
        return "it is no EmbeddingLearner"
    return "" if learner.frozen_embedding else "its classify does more (frozen_embedding)"


POINTS = (
    Point(
        "companions(), scoring_parameters() and the methods of its base are as they should be",
        lambda trial: check_methods(trial.learner),
        in_runs=True,
        first=True,
    ),
    Point(
        "classify gives finite logits [B, Q, N]",
        lambda trial: check_shape(trial.learner, trial.episodes),
        in_runs=True,
        first=True,
    ),
    Point(
        "the same seed gives the same learner",
        lambda trial: check_seed(type(trial.learner), trial.learner.problem, trial.options, trial.tolerance),
    ),
    Point(
        "classify changes no state, and predicts the same again",
        lambda trial: check_no_state(trial.learner, trial.episodes, trial.others, trial.tolerance),
        in_runs=True,
    ),
    Point(
        "a learner that is saved and loaded predicts alike",
        lambda trial: check_save_and_load(type(trial.learner), trial.learner.problem, trial.options, trial.tolerance),
    ),
    Point(
        "a task's predictions do not depend on the other tasks",
        lambda trial: check_neighbours(trial.learner, trial.episodes, trial.tolerance),
        in_runs=True,
    ),
    Point("the order of the support does not matter", lambda trial: check_shots_order(trial.learner, trial.tolerance)),
    Point(
        "renaming the labels renames the predictions",
        lambda trial: check_labels(trial.learner, trial.tolerance),
        exempt=_no_labels,
    ),
    Point(
        "a query's prediction does not depend on the other queries",
        lambda trial: check_transduction(trial.learner, trial.episodes, trial.tolerance),
        exempt=lambda learner: "it is declared transductive" if learner.transductive else "",
        in_runs=True,
    ),
    Point(
        "classify is embed, item by item, and classify_features",
        lambda trial: check_embedding(trial.learner, trial.episodes, trial.tolerance),
        exempt=_no_embedding,
        in_runs=True,
    ),
    Point(
        "each stage has a name of its own and a finite loss that reaches what it trains",
        lambda trial: check_stages(trial.learner),
        exempt=lambda learner: "" if list(learner.stages()) else "it has no training",
    ),
)


@dataclass(frozen=True, eq=False)
class Verdict:
    """How a learner stands to one point on one kind of data.

    Attributes:
        kind: of data.
        point: its name.
        error: a ContractError where it is broken, or whatever the learner raised; None where it is kept.
        exempt: why it does not apply; "" where it does.
    """

    kind: str
    point: str
    error: Exception | SystemExit | None = None
    exempt: str = ""


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
    for verdict in verdicts(learner_class, tolerance, **options):
        if verdict.error:
            raise verdict.error


def verdicts(learner_class: type[Learner], tolerance: float = TOLERANCE, **options: Any) -> Iterator[Verdict]:
    """The same, point by point on each kind of data, to the end whatever is broken.

    Raises:
        DataError, UsageError: there is not what it takes to build the learner, such as an extra or a backbone's name.
    """
    built, found = "it is built for a small problem", False
    for kind, problem, given in _problems(learner_class, options):
        found = True
        try:
            learner = build(learner_class, problem=problem, **given)
        except (DataError, UsageError):
            raise
        except (Exception, SystemExit) as error:
            yield Verdict(kind, built, error)
            continue
        yield Verdict(kind, built)
        episodes, others = (
            random_episodes(seed=seed, task=problem.task, shape=problem.image_shape).without_query_labels()
            for seed in (0, 1)
        )
        yield from _judged(POINTS, kind, Trial(learner, episodes, others, tolerance, given))
    if not found:
        kinds = f"it declares {learner_class.kinds!r:.100} and no regression"
        yield Verdict("any data", built, ContractError(f"{kinds}; there are checks for images, text and regression"))


def _problems(learner_class: type[Learner], options: dict[str, Any]) -> Iterator[tuple[str, Problem, dict[str, Any]]]:
    """A small problem of each kind of data that a learner declares, with the options for it."""
    if "images" in learner_class.kinds:
        yield "images", PROBLEM, options
    if "text" in learner_class.kinds:
        known = {item.name for item in fields(learner_class.Options)}
        networks = {name: "bert-tiny" for name in known if name.endswith("backbone")}
        preset = {**learner_class.presets.get("text", {}), **networks, **options}
        yield "text", text_problem(), preset
        if "entities" in learner_class.kinds:
            preset = {**preset, **learner_class.presets.get("entities", {}), **networks, **options}
            yield "entities", word_problem(), preset
    if learner_class.regression:
        yield "regression", REGRESSION, {**learner_class.presets.get("sinusoid", {}), **options}


def _judged(points: Iterable[Point], kind: str, trial: Trial) -> Iterator[Verdict]:
    hindrance = ""
    for point in points:
        verdict = _verdict(point, kind, trial, hindrance)
        if verdict.error and point.first:
            hindrance = f"it cannot be asked until this holds: {point.name}"
        yield verdict


def _verdict(point: Point, kind: str, trial: Trial, hindrance: str) -> Verdict:
    try:
        exempt = hindrance or point.exempt(trial.learner)
        if not exempt:
            point.check(trial)
    except (Exception, SystemExit) as error:  # a plug-in may raise anything, or end the program
        return Verdict(kind, point.name, error)
    return Verdict(kind, point.name, exempt=exempt)


def broken_points(learner: Learner, source: EpisodeSource, tolerance: float = TOLERANCE) -> tuple[str, ...]:
    """The points of the contract that a learner, or a companion of it, breaks on three real tasks.

    It takes tenths of a second, cheap enough for every run, or a few short adaptations where a network is fine-tuned.

    An inductive learner is asked about `FEW_QUERIES` of each, since for it the others change nothing. Of a task with
    more than `MANY_EXAMPLES`, as all-way ones have, or of texts with more than `MANY_TOKENS`, whose networks take
    longer, the first example of each class is its support; where items are words, the first texts in which every class
    is.

    They are the logits' shape, state that `classify` keeps or changes, predictions that depend on other tasks or
    (unless it is declared transductive) on other queries, and an embedding that depends on other images. No random
    stream moves.

    Args:
        learner: on the source's device.
        source: of episodes.
        tolerance: as of `check_learner`.
    """
    several = (0, 1) if source.one_shape else (0,)
    episodes, others = (given_to(learner, source.batch(numbers).to_float()) for numbers in (several, (2,)))
    if not learner.transductive:
        episodes, others = (_smaller(each) for each in (episodes, others))
    broken = []
    was_training = learner.training
    with torch.random.fork_rng(devices=[source.device] if source.device.type == "cuda" else []):
        learner.eval()
        cheap = [point for point in POINTS if point.in_runs]
        for verdict in _judged(cheap, source.bank.kind, Trial(learner, episodes, others, tolerance)):
            if isinstance(verdict.error, ContractError):
                broken.append(str(verdict.error))
            elif verdict.error:
                raise verdict.error
        learner.train(was_training)
    for name, companion in learner.companions().items() if not broken else ():
        broken += [f"its {name}: {point}" for point in broken_points(companion, source, tolerance)]
    return tuple(broken)


def _smaller(episodes: EpisodeBatch) -> EpisodeBatch:
    episodes = replace(episodes, query=episodes.query[:, :FEW_QUERIES])
    support = episodes.support
    if support.shape[1] <= MANY_EXAMPLES and (support.is_floating_point() or support[0].numel() <= MANY_TOKENS):
        return episodes
    if marks_words(support):
        return _first_texts(episodes)
    first = torch.stack([(episodes.support_labels == label).int().argmax(1) for label in range(episodes.ways)], dim=1)
    task = torch.arange(len(first), device=first.device)[:, None]
    return replace(episodes, support=episodes.support[task, first], support_labels=episodes.support_labels[task, first])


def _first_texts(episodes: EpisodeBatch) -> EpisodeBatch:
    """The one task with as many texts as it takes until every class that it has was seen."""
    ((support,), (labels,)) = episodes.support, episodes.support_labels
    ends = (support > 0).sum(1).cumsum(0)  # of the words of each text, among all
    last = max(int((labels == label).int().argmax()) for label in labels.unique())
    texts = int((ends <= last).sum()) + 1
    return replace(
        episodes, support=episodes.support[:, :texts], support_labels=episodes.support_labels[:, : int(ends[texts - 1])]
    )
