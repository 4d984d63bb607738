"""Learners by name, through the entry-point group `metabench.learners`. Listing imports nothing.

Methods of other packages, and ensembles, are learners by `prefix:name`, through the group `metabench.adapters` (see
`get_adapter`).

A plug-in may raise anything: here it becomes one line that says where.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, asdict, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import torch
from pydantic import TypeAdapter, ValidationError

from episodes.banks.bank import SPANS, Kind
from episodes.dataset import Dataset
from episodes.datasets import kind_of
from episodes.errors import DataError, nearest
from episodes.plugins import entries_of, load_plugin, plugin_names
from metabench.backbone import Layers
from metabench.config import RunConfig
from metabench.errors import TOO_LITTLE_MEMORY, RunError, UsageError, is_memory
from metabench.escape import plain
from metabench.learner import EmbeddingLearner, Learner, Problem, Source, TrainingOptions
from metabench.objective import Objective
from metabench.values import check_given, first_problem
from metabench.weights.state_file import GivenWeights

LEARNERS, FLOORS, ADAPTERS = "metabench.learners", "metabench.floors", "metabench.adapters"
TRAINING_STEPS = (
    "steps",
    "teacher_steps",
    "hint_steps",
    "alone_steps",
    "centring_steps",
    "episodic_steps",
)  # how long a learner is trained
OURS = (DataError, RunError, UsageError, torch.OutOfMemoryError)  # whose own messages say what is wrong


def learner_names() -> list[str]:
    """The registered names, sorted."""
    return plugin_names(LEARNERS)


def get_learner(name: str) -> type[Learner]:
    """The learner class of a registered name, of `adapter:name`, or of `package.module:Class`.

    Raises:
        UsageError: an unknown name, one registered twice, or a plug-in that cannot be imported or is not a Learner.
    """
    prefix, _, rest = name.partition(":")
    if rest and prefix in adapter_names():
        return _checked(_adapted(prefix, rest), f"learner '{name}'")
    return _learner(LEARNERS, name)


def adapter_names() -> list[str]:
    """The prefixes of learners as `prefix:name`, such as methods of other packages, sorted."""
    return plugin_names(ADAPTERS)


def get_adapter(prefix: str) -> Any:
    """What is registered under a prefix: a module, or any object, with two functions.

    `learner_names() -> list[str]` has what may follow `prefix:`, and `get_learner(name) -> type[Learner]` makes a class
    of what follows it, the same class for the same name, or raises UsageError.

    Raises:
        UsageError: an unknown prefix, or a plug-in that cannot be imported or has no such functions.
    """
    found, what = load_plugin(ADAPTERS, "adapter", prefix, UsageError, _said)
    if not all(callable(getattr(found, each, None)) for each in ("learner_names", "get_learner")):
        raise UsageError(f"{what} has no learner_names() and get_learner(name)")
    return found


def _adapted(prefix: str, name: str) -> Any:
    adapter = get_adapter(prefix)
    try:
        return adapter.get_learner(name)
    except OURS:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"learner '{prefix}:{name}' cannot be made: {_said(error)}") from error


def learner_name(learner: type[Learner]) -> str:
    """The name that `get_learner` finds a class by: the registered one, `adapter:name`, or `package.module:Class`.

    Raises:
        UsageError: it is not a class at the top of a module.
    """
    if not isinstance(learner, type):
        raise UsageError(f"learner: give a name or a class that derives from Learner; found {learner!r:.100}")
    value = f"{learner.__module__}:{learner.__qualname__}"
    registered = [entry.name for entry in entries_of(LEARNERS) if entry.value == value]
    for adapter in entries_of(ADAPTERS) if not registered else ():
        if adapter.value == learner.__module__:
            names = [f"{adapter.name}:{name}" for name in get_adapter(adapter.name).learner_names()]
            registered += [name for name in names if get_learner(name) is learner]
    if not registered and "<locals>" in value:
        raise UsageError(f"learner: {value} is defined inside a function; define it at the top of a module or notebook")
    return registered[0] if registered else value


def floor_classes() -> dict[str, type[Learner]]:
    """The learners that every run is compared with untrained, by the floor's name: group `metabench.floors`.

    Raises:
        UsageError: as `get_learner`.
    """
    return {name: _learner(FLOORS, name) for name in plugin_names(FLOORS)}


def _learner(group: str, name: str) -> type[Learner]:
    return _checked(*load_plugin(group, "learner", name, UsageError, _said))


def _checked(found: Any, what: str) -> type[Learner]:
    if not (isinstance(found, type) and issubclass(found, Learner)) or found in (Learner, EmbeddingLearner):
        raise UsageError(f"{what} is {found!r:.100}, which is not a subclass of metabench.learner.Learner")
    options = found.Options
    if not (isinstance(options, type) and issubclass(options, TrainingOptions) and is_dataclass(options)):
        raise UsageError(f"{what}: its Options must be a dataclass that derives from metabench.learner.TrainingOptions")
    if not isinstance(found.source, Source):
        raise UsageError(
            f"{what}: its source is {found.source!r:.100}; give a metabench.learner.Source, or leave it out"
        )
    if not isinstance(found.kinds, tuple) or not found.kinds or not all(kind in get_args(Kind) for kind in found.kinds):
        raise UsageError(f"{what}: its kinds are {found.kinds!r:.100}; give a tuple of {', '.join(get_args(Kind))}")
    if not isinstance(found.presets, Mapping) or not all(isinstance(each, Mapping) for each in found.presets.values()):
        raise UsageError(
            f"{what}: its presets are {found.presets!r:.100}; give options by the dataset's name, such as "
            "{'omniglot': {'steps': 5000}}"
        )
    for name in (name for name, default in vars(Learner).items() if isinstance(default, bool)):
        said = inspect.getattr_static(found, name)
        if not isinstance(said, bool) and not hasattr(type(said), "__get__"):
            raise UsageError(f"{what}: its {name} is {said!r:.100}; give True or False")
    return found


@contextmanager
def faults_of(
    learner: type[Learner] | type[Objective],
    name: str,
    refusal: type[Exception],
    kept: Callable[[], str] | None = None,
) -> Iterator[None]:
    """Within it, whatever a learner raises, or its results lead to, is one line that says what, and where.

    Args:
        learner: its class; or that of an objective.
        name: as given to --learner.
        refusal: the error to raise in its place, UsageError or RunError.
        kept: what is kept of the run, for the message.
    """
    try:
        yield
    except OURS:
        raise
    except (Exception, SystemExit) as error:
        ending = f"; {kept()}" if kept else ""
        noun = "learner" if issubclass(learner, Learner) else "objective"
        what = f"{noun} '{name}' {fault(error, learner)}"
        # contextlib takes a RuntimeError that a StopIteration caused for Python's own, and lets the latter pass.
        cause = None if isinstance(error, StopIteration) else error
        raise refusal(f"{what}{ending} (METABENCH_TRACEBACK=1 shows the traceback)") from cause


def fault(error: BaseException, learner: type[Learner] | type[Objective]) -> str:
    """What a learner raised, and where: `failed in classify (mine.py, line 3): ValueError: it is too long`."""
    return f"failed in {_place(error, learner)}: {_said(error)}"


def _said(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it ended the program (sys.exit({error.code!r}))"
    if is_memory(error):
        return TOO_LITTLE_MEMORY
    text = plain(" ".join(str(error).split()), 300)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _place(error: BaseException, learner: type[Learner] | type[Objective]) -> str:
    """The last line of the learner's own files in the traceback, or the last of all: `classify (file.py, line 3)`."""
    own = [each for each in learner.__mro__ if issubclass(each, Learner | Objective)]
    base = {sys.modules[each.__module__].__file__ for each in (Learner, Objective)}
    files = {getattr(sys.modules.get(each.__module__), "__file__", None) for each in own} - {None, *base}
    frames = traceback.extract_tb(error.__traceback__)
    last = [frame for frame in frames if frame.filename in files][-1:] or frames[-1:]
    return f"{last[0].name} ({Path(last[0].filename).name}, line {last[0].lineno})"


def learner_options(learner: type[Learner], name: str, dataset: str, given: dict[str, Any]) -> TrainingOptions:
    """The learner's options: its defaults, its preset for the dataset, and what was given, in rising order.

    Raises:
        UsageError: an option that the learner does not have (names the nearest), or a value that does not fit.
    """
    return parsed_options(f"learner '{name}'", learner.Options, preset(learner, dataset), given)


AnyOptions = TypeVar("AnyOptions", bound=TrainingOptions)


def parsed_options(what: str, kind: type[AnyOptions], presets: Mapping[str, Any], given: dict[str, Any]) -> AnyOptions:
    """Options of a class: its defaults, presets, and what was given, in rising order; errors as of `learner_options`.

    Args:
        what: they are of, for messages: `learner 'maml'`.
        kind: the class.
        presets: other defaults.
        given: values by name, as text or as they are.
    """
    known = [item.name for item in fields(kind)]
    for values, but in ((given, ""), (presets, ", which its presets set")):
        for key in values:
            if key not in known:
                advice = nearest(str(key), known) or f"; it has {', '.join(sorted(known))}"
                raise UsageError(f"{what} has no option '{key}'{but}{advice}")
    if problem := _problem_of_defaults(kind):  # type: ignore[arg-type]
        raise UsageError(f"{what}: the default of its option {problem}")
    types = get_type_hints(kind)
    check_given(given, types, f"{what}: --set ")
    no_value = {name for name, value in given.items() if value == "none" and type(None) in get_args(types[name])}
    values = {**presets, **given, **dict.fromkeys(no_value)}
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        raise UsageError(f"{what}: {first_problem(error, '--set ')}") from None


@cache
def _problem_of_defaults(kind: type[TrainingOptions]) -> str:
    """What is wrong with the first default that does not fit its option; nothing where all do."""
    try:
        defaults = {item.name: item.default for item in fields(kind) if item.default is not MISSING}
        TypeAdapter(kind).validate_python(defaults)
    except ValidationError as error:
        return first_problem(error, " ").strip()
    return ""


def without_training(config: RunConfig, learner: type[Learner], options: TrainingOptions) -> TrainingOptions:
    """The options with no training step, where all classes are in the tasks and none is left to train on.

    Raises:
        UsageError: steps were asked for.
    """
    if config.task.task != "all-way":
        return options
    known = {item.name for item in fields(learner.Options)}
    training: dict[str, Any] = {name: 0 for name in TRAINING_STEPS if name in known}
    for name in training:
        if asked := int(config.options.get(name) or 0):
            with_what = "--task all-way, which has"
            if kind_of(config.data.dataset) == "questions":  # whose tasks are of that kind, unasked
                with_what = f"--dataset {config.data.dataset}, whose learners see support alone and have"
            raise UsageError(
                f"--set {name}={asked} does not go with {with_what} no other classes to train on; leave it out"
            )
    return replace(options, **training)


def with_few_classes(config: RunConfig, options: TrainingOptions, classes: int) -> TrainingOptions:
    """The options with no more classes per training episode than there are, where their number is a default.

    Without training the number stays: it changes nothing.
    """
    trains, ways = any(getattr(options, name, 0) for name in TRAINING_STEPS), getattr(options, "train_ways", None)
    if not trains or ways is None or ways <= classes or "train_ways" in config.options:
        return options
    few: dict[str, Any] = {"train_ways": classes}
    return replace(options, **few)


def changed_options(learner: type[Learner], config: RunConfig) -> dict[str, Any]:
    """Those of a run's options that are not the learner's defaults for data and task, and that affect its result.

    Args:
        learner: its class.
        config: with all its options.
    """
    chosen = learner_options(learner, config.learner, config.data.dataset, {})
    defaults = asdict(without_training(config, learner, chosen))
    beside = {item.name for item in fields(learner.Options) if item.metadata.get("beside")}
    return {name: value for name, value in config.options.items() if value != defaults.get(name) and name not in beside}


def preset(learner: type[Learner], dataset: str) -> dict[str, Any]:
    """The learner's other defaults for that dataset, which are added to those for its kind; words are text too."""
    kind = kind_of(dataset)
    kinds = ("text", kind) if kind in SPANS else (kind,)
    return {name: value for key in (*kinds, dataset) for name, value in learner.presets.get(key, {}).items()}


def build(
    config: RunConfig, dataset: Dataset[Any], options: TrainingOptions, weights: GivenWeights | None = None
) -> Learner:
    """The untrained learner that the configuration asks for; its first weights follow from the seed, or the file.

    Raises:
        UsageError: the learner has no network that the weights are of, or one of other shapes; or it fails.
    """
    labels = dataset.train.classes + (dataset.kind in SPANS)  # of words, which may be outside
    problem = Problem(dataset.train.item_shape, labels, config.shape(dataset.kind))
    return build_for(config, problem, options, weights)


def build_for(
    config: RunConfig, problem: Problem, options: TrainingOptions, weights: GivenWeights | None = None
) -> Learner:
    """The same for a problem that is already known."""
    torch.manual_seed(config.training.seed)
    learner_class = get_learner(config.learner)
    with faults_of(learner_class, config.learner, UsageError):
        learner = learner_class(problem, options)
        if getattr(learner, "problem", None) is not problem:
            raise UsageError(f"learner '{config.learner}': its __init__ must call super().__init__(problem, options)")
    networks = named_networks(learner)
    if weights:
        weights.load(config.learner, networks)
    outside = any(network.sources for network in networks) or bool(weights and weights.outside_data)
    learner.outside_data = learner.outside_data or outside
    return learner


def named_networks(learner: Learner) -> list[Layers]:
    """Those that were built by a backbone's name."""
    return [module for module in learner.modules() if isinstance(module, Layers) and module.name]


def check_kind(config: RunConfig, learner: type[Learner], kind: Kind) -> None:
    """Raise UsageError if the learner does not take data of that kind."""
    if kind != "functions" and kind not in learner.kinds:
        raise UsageError(
            f"learner '{config.learner}' takes {' or '.join(learner.kinds)}, and --dataset {config.data.dataset} has "
            f"{kind}; choose another learner"
        )
    if kind == "functions" and not learner.regression:
        raise UsageError(
            f"learner '{config.learner}' classifies, and --dataset {config.data.dataset} asks for regression; "
            "`metabench list learners` says which can"
        )


def check_ways(config: RunConfig, learner: Learner) -> None:
    """Raise UsageError if tasks of other ways than it was built for are asked of a learner of fixed ways."""
    if not learner.fixed_ways:
        return
    only = f"learner '{config.learner}' classifies tasks of {config.task.ways} ways and no others"
    if config.task.task == "variable":
        raise UsageError(f"{only}; --task variable draws tasks of differing ways: choose another learner")
    for names in config.task.train_task:
        if len(names) != config.task.ways:
            raise UsageError(
                f"{only}; --train-task {','.join(names)} has {len(names)} classes: name as many as in the test tasks"
            )
