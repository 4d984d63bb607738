"""A study: the content of its file, as one point of the grid after another.

A study has the settings of `metabench run --config`. A list of values makes a run of each, with each value of the other
lists. `learner` and `dataset` may also be names with settings of their own below, and `exclude` has what is left out.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from episodes.errors import nearest
from episodes.names import short_name
from metabench.config import SECTION_OF, SETTINGS, flat, make_config
from metabench.errors import UsageError
from metabench.escape import plain
from metabench.sweep.rule import OF_STUDY, Rule, refuse_range, rule_of
from metabench.sweep.space import OneOf, is_open, read_range

LISTS = ("train_task", "test_task")  # settings whose value is a list
ONE = ("data_root", "tasks", "device", "threads", "output", "tensorboard", "mlflow")  # the same for all runs
OF_DATASET = ("data", "task", "test")  # sections whose settings a dataset may have of its own
NOTHING = ("", "~", "null", None)
MOST_RUNS = 100_000


@dataclass(frozen=True)
class Point:
    """One run of a study, before anything of it is looked up.

    Attributes:
        settings: as `metabench.config.make_config` takes them, without options.
        options: of the learner, that were given for it alone.
        common: options that were given for all learners.
        varied: the names of what is not the same in all of the study's runs.
        of: the number of the run that it is a try of, where the study chooses options.
        grid: then, how many settings the study has for that run, if only some of them are tried.
        tries: how many settings are proposed, where options have a range: then it stands for all tries of its run.
    """

    settings: dict[str, Any]
    options: dict[str, Any]
    common: dict[str, Any] = field(default_factory=dict)
    varied: tuple[str, ...] = ()
    of: int = 0
    grid: int = 0
    tries: int = 0

    @property
    def title(self) -> str:
        """What tells it from the others, in one line: `maml on glyphs, shots 5, inner_steps 3`."""
        return self.titled()

    def titled(self, but: Collection[str] = ()) -> str:
        """The title without some names."""
        names = [name for name in self.varied if name not in ("learner", "dataset", *but)]
        values = {**self.common, **self.options, **self.settings}
        varied = [f"{name} {_short(values[name])}" for name in names if name in values]
        return plain(", ".join([f"{self.settings['learner']} on {self.settings['dataset']}", *varied]), 200)


def set_name(point: Point) -> str:
    """What its data are called: the dataset that is tested on, without what says how it is read."""
    return short_name(str(point.settings.get("test_dataset") or point.settings["dataset"])).rpartition(":")[2]


def points(values: Mapping[str, Any]) -> list[Point]:
    """The runs of a study, in the order of its lists, the last one's values in turn first.

    Where options are chosen (`select`), they are the tries; with a range, one for all tries of a run.

    Args:
        values: the file's content, as `metabench.cli.config_file.read_config_file` gives it.

    Raises:
        UsageError: an unknown setting (names the nearest), an empty list, a list where one value is meant, or something
            to exclude that is not there.
    """
    rest, rule = flat(values), rule_of(values)
    excludes = rest.pop("exclude", [])
    for name in rest.keys() - OF_STUDY:
        if name not in SETTINGS:
            known = [*SETTINGS, "exclude", *OF_STUDY]
            raise UsageError(f"the study has no setting '{plain(name, 60)}'{nearest(name, known)}")
    rest = {name: value for name, value in rest.items() if name not in OF_STUDY}
    learners = _named("learner", rest.pop("learner", SETTINGS["learner"].default))
    datasets = _named("dataset", rest.pop("dataset", SETTINGS["dataset"].default))
    common = _mapping("options", rest.pop("options", {}))
    made, numbers = [], dict[str, int]()
    for place, ((learner, own), (dataset, of_dataset)) in enumerate(itertools.product(learners, datasets)):
        beside = {"learner": learner, "dataset": dataset}
        settings = {**rest, **_of_dataset(dataset, of_dataset)}
        shared = {name: value for name, value in common.items() if name not in own}
        of_options, tries = _option_axes({"common": shared, "options": own}, rule)
        axes = [*((("settings", name), _values(name, value)) for name, value in settings.items()), *of_options]
        for chosen in itertools.product(*(of_axis for _, of_axis in axes)):
            parts: dict[str, dict[str, Any]] = {"settings": {}, "common": {}, "options": {}}
            for ((part, name), _), value in zip(axes, chosen, strict=True):
                parts[part][name] = value
            of = numbers.setdefault(repr((place, parts["settings"])), len(numbers)) if rule else 0
            settings_of = {**beside, **parts["settings"]}
            made.append(Point(settings_of, parts["options"], parts["common"], of=of, tries=tries))
            if len(made) > MOST_RUNS:
                raise UsageError(f"the study has more than {MOST_RUNS:,} runs; shorten its lists")
    left = _without(made, _excludes(excludes))
    return _titled(_drawn(left, rule) if rule else left)


def _option_axes(
    parts: Mapping[str, Mapping[str, Any]], rule: Rule | None
) -> tuple[list[tuple[tuple[str, str], list[Any]]], int]:
    """The values of each option; and how many settings are proposed, where one of them has a range.

    Then each list is one value of the grid, and the range another.
    """
    given = {name: value for part in parts.values() for name, value in part.items()}
    ranges = {name: read_range(name, value) for name, value in given.items() if isinstance(value, Mapping)}
    for name in ranges:
        refuse_range(name, rule)
    axes = []
    for part, options in parts.items():
        for name, value in options.items():
            values = [ranges[name]] if name in ranges else _values(name, value)
            axes.append(((part, name), [OneOf(tuple(values))] if ranges and len(values) > 1 else values))
    return axes, (rule.tries or 0) if rule and ranges else 0


def _drawn(made: Sequence[Point], rule: Rule) -> Iterator[Point]:
    """The tries of each run: all of its settings, or so many of them.

    Which ones follows from the settings alone. A larger number has all of a smaller one's, and some more.
    """
    for _, group in itertools.groupby(made, key=lambda point: point.of):
        grid = list(group)
        weights = {(point.common | point.options).get("weights") for point in grid}
        if len(weights) > 1 or any(isinstance(each, OneOf) for each in weights):
            raise UsageError("weights: a file of weights is not chosen; give one, or leave select out")
        if grid[0].tries:
            yield from grid
            continue
        if rule.tries and len(grid) < rule.tries:
            title = f"{grid[0].settings['learner']} on {grid[0].settings['dataset']}"
            raise UsageError(
                f"tries: {plain(title, 100)} has {len(grid)} settings to try, and {rule.tries} were asked for; give "
                "longer lists, or fewer tries"
            )
        chosen = sorted(grid, key=lambda point: _draw({**point.common, **point.options}))[: rule.tries]
        tried = set(map(id, chosen))
        yield from (replace(point, grid=len(grid) if rule.tries else 0) for point in grid if id(point) in tried)


def _draw(options: Mapping[str, Any]) -> bytes:
    return hashlib.blake2b(json.dumps(options, sort_keys=True).encode()).digest()


def _titled(points: Iterable[Point]) -> list[Point]:
    """With the names of what differs between them."""
    made = list(points)
    everything = [{**point.common, **point.options, **point.settings} for point in made]
    names = dict.fromkeys(name for each in everything for name in each)
    searched = {name for each in everything for name, value in each.items() if is_open(value)}
    varied = tuple(name for name in names if name in searched or len({str(each.get(name)) for each in everything}) > 1)
    return [replace(point, varied=varied) for point in made]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _named(what: str, value: Any) -> list[tuple[str, dict[str, Any]]]:
    """Names with what is below each: of `maml`, `[maml, protonet]`, `{maml: {steps: 5}}`, or a list of the last."""
    found = []
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, Mapping):
            found += [(str(name), _mapping(str(name), below)) for name, below in each.items()]
        elif isinstance(each, str) and each:
            found.append((each, {}))
        else:
            raise UsageError(f"{what}: give names; found {plain(repr(each), 100)}")
    if not found:
        raise UsageError(f"{what} is empty; give a name, or leave it out")
    return found


def _mapping(what: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) and value not in NOTHING:
        raise UsageError(f"{what}: give lines like 'steps: 500' below it; found {plain(repr(value), 100)}")
    return {str(name).replace("-", "_"): each for name, each in (value or {}).items() if each not in NOTHING}


def _of_dataset(dataset: str, settings: dict[str, Any]) -> dict[str, Any]:
    settings = flat(settings)
    known = [name for name, section in SECTION_OF.items() if section in OF_DATASET and name != "dataset"]
    for name in settings:
        if name not in known:
            raise UsageError(
                f"dataset '{plain(dataset, 60)}' takes settings of data, task and test; found "
                f"'{plain(name, 60)}'{nearest(name, known)}"
            )
    return settings


def _values(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list) or name in LISTS:
        return [value]
    if name in ONE:
        raise UsageError(f"{name} is the same for all runs of a study; give one value")
    if not value or any(isinstance(each, list | Mapping) or each in NOTHING for each in value):
        raise UsageError(f"{name}: give one value, or a list of values; found {plain(repr(value), 100)}")
    return value


def _excludes(value: Any) -> list[dict[str, list[Any]]]:
    entries = value if isinstance(value, list) else [value]
    found = []
    for entry in entries:
        if not isinstance(entry, Mapping) or not entry:
            raise UsageError(
                f"exclude: give a list of lines like '- {{learner: maml, shots: 5}}'; found {plain(repr(entry), 100)}"
            )
        names = {str(name).replace("-", "_"): each for name, each in flat(entry).items()}
        found.append({name: each if isinstance(each, list) else [each] for name, each in names.items()})
    return found


def _without(made: list[Point], excludes: list[dict[str, list[Any]]]) -> list[Point]:
    """Those that no entry fits in all that it names."""
    known = {name for point in made for name in (*point.settings, *point.common, *point.options)}
    left = made
    for entry in excludes:
        for name in entry:
            if name not in known:
                raise UsageError(f"exclude: no run of the study sets '{plain(name, 60)}'{nearest(name, known)}")
        fitting = [point for point in made if _fits(point, entry)]
        if not fitting:
            shown = ", ".join(f"{name}: {'|'.join(map(str, wanted))}" for name, wanted in entry.items())
            raise UsageError(f"exclude: no run of the study has {plain(shown, 200)}; correct it, or leave it out")
        dropped = set(map(id, fitting))
        left = [point for point in left if id(point) not in dropped]
    if not left:
        raise UsageError("the study has no run: everything is excluded")
    return left


def _fits(point: Point, entry: Mapping[str, list[Any]]) -> bool:
    values = {**point.common, **point.options, **point.settings}
    return all(name in values and _is_one(name, values[name], wanted) for name, wanted in entry.items())


def _is_one(name: str, value: Any, wanted: Sequence[Any]) -> bool:
    """Whether it is one of those that are wanted, as values of that setting, whatever way they are written."""
    if name not in SETTINGS:
        number = _number(value)
        return str(value) in map(str, wanted) or (number is not None and number in map(_number, wanted))
    return make_config(**{name: value})[name] in [make_config(**{name: each})[name] for each in wanted]


def _number(value: Any) -> str | None:
    """A number in the one way of writing it; None of what is none."""
    try:
        return repr(float(str(value)))
    except ValueError:
        return None


def imports(point: Point, registered: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """What a point would import that no installed package has registered, each as a setting and its value.

    Args:
        point: of a study.
        registered: the names of `learner` that stand alone, of `adapter`, `dataset` and `backbone`.
    """
    from episodes.names import parts

    learner = str(point.settings["learner"])
    prefix, _, inner = learner.partition(":")
    if ":" in learner and (prefix not in registered["adapter"] or ":" in inner):
        yield "learner", learner
    for setting in ("dataset", "test_dataset"):
        for part in parts(str(point.settings.get(setting) or "")):
            if ":" in part and part.partition(":")[0] not in registered["dataset"]:
                yield setting, part
    for name, given in {**point.common, **point.options}.items():
        for text in map(str, given.values if isinstance(given, OneOf) else [given]):
            if name != "weights" and ":" in text and text.partition(":")[0] not in registered["backbone"]:
                yield name, text
