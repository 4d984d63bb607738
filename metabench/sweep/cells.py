"""Cells: the runs of a study, each with its configuration and data looked up, and known by their digest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import torch

from episodes.datasets import dataset_names, find, kind_of, loading_once
from episodes.errors import DataError
from episodes.names import parts
from metabench.backbone import backbone_names
from metabench.config import SECTION_OF, RunConfig, make_config
from metabench.errors import UsageError
from metabench.experiment.environment import process_as_found
from metabench.experiment.prepare import Prepared, dataset_info, prepare
from metabench.experiment.pretrained import network_inputs
from metabench.metrics.metric import Metric
from metabench.records.keys import run_digest
from metabench.records.record import DatasetInfo
from metabench.records.selection import Selection
from metabench.registry import adapter_names, changed_options, get_learner
from metabench.sweep.earlier import Facts, digest_of_record
from metabench.sweep.store import Known, Store, pixels
from metabench.sweep.study import Point, imports
from metabench.training.shared import stage_key


@dataclass(frozen=True)
class Cell:
    """One run of a study, or one try.

    Attributes:
        digest: what makes it the same run everywhere (see `metabench.records.keys.run_digest`).
        title: what to call it.
        config: as `metabench run` would have it.
        steps, episodes: training steps and test tasks, as resolved.
        backbone: of the learner.
        pixels: see `metabench.sweep.store.pixels`.
        stage: key of its first stage, where other runs of the study begin with the same.
        is_try: whether it is scored on validation tasks, for a choice, and gets no record.
        selection: how its options were chosen, of a run that came of that.
        tried: the digest of the try whose training it takes up.
    """

    digest: str
    title: str
    config: RunConfig
    steps: int
    episodes: int
    backbone: str
    pixels: int = 1
    stage: str | None = None
    is_try: bool = False
    selection: Selection | None = None
    tried: str | None = None

    @property
    def stages(self) -> Collection[str]:
        """The key of its first stage, if that is shared; as of a run whose options are chosen."""
        return [self.stage] if self.stage else []


@dataclass(frozen=True, eq=False)
class Found:
    """What was looked up of a point.

    Attributes:
        point: of the study.
        cell: of the run.
        config: of the run, as resolved.
        data: that it is of.
        metric: that it is scored by.
        facts: that tell whether a run of an earlier version is the same.
    """

    point: Point
    cell: Cell
    config: RunConfig
    data: DatasetInfo
    weights: str | None
    metric: Metric
    facts: Facts


@dataclass(frozen=True, eq=False)
class Left:
    """A run that cannot be made.

    Attributes:
        point: of the study; where options are chosen, without those.
        why: in one line.
        missing: whether files of its data are; else it is a task that they cannot give, or a setting.
    """

    point: Point
    why: str
    missing: bool


def refuse_imports(points: Sequence[Point], otherwise: str = "give --allow-import if you trust the study") -> None:
    """Raise UsageError if a study names code that no installed package has registered.

    Args:
        points: of the study.
        otherwise: what to do, for the message.
    """
    registered = {"adapter": adapter_names(), "dataset": dataset_names(), "backbone": backbone_names()}
    for point in points:
        for setting, value in imports(point, registered):
            raise UsageError(f"{setting}: '{value}' names code outside of what is installed; {otherwise}")


def resolve(points: Sequence[Point], threads: int | None) -> tuple[list[Cell], list[Left]]:
    """The cells of a study: its data are read, and its learners built, so that what cannot be run is said before.

    Args:
        points: of the study. Those that come to the same run are one cell.
        threads: of each run, where the study does not say.

    Returns:
        The cells, and what is left out since its data are missing.

    Raises:
        UsageError, episodes.DataError: another run that cannot be made, or all are left out; the message begins with
            its title.
    """
    found, left = apart(look_up(points, threads))
    cells: dict[str, Cell] = {}
    for cell in as_recorded(found):
        cells.setdefault(cell.digest, cell)
    return with_shared_stages(cells.values()), left


def look_up(points: Sequence[Point], threads: int | None) -> Iterator[Found | Left]:
    """Each point's cell, and what else is known of it, or why its data cannot give it.

    Arguments are those of `resolve`; so is a UsageError.
    """
    unused = {name for point in points for name in point.common}
    gone: dict[str, str] = {}  # data that were found missing, which would be looked for again, and downloaded
    with loading_once():
        for point in points:
            data = repr({name: value for name, value in point.settings.items() if SECTION_OF.get(name) == "data"})
            if data in gone:
                yield Left(point, gone[data], missing=True)
                continue
            try:
                found, used = look_up_one(point, threads)
            except DataError as error:
                left = Left(point, str(error).removeprefix(f"{point.title}: "), _files_missing(point))
                if left.missing:
                    gone[data] = left.why
                yield left
                continue
            unused -= used
            yield found
    for name in sorted(unused) if not gone else ():
        raise UsageError(f"options: no learner of the study has a use for '{name}'; correct it, or leave it out")


def _files_missing(point: Point) -> bool:
    """Whether a dataset that is known has no files here."""
    data = make_config(**point.settings).data
    asked = [(name, data.options) for name in parts(data.dataset)]
    if data.test_dataset:
        asked += [(name, replace(data.options, split=data.test_split)) for name in parts(data.test_dataset)]
    try:
        for name, _ in asked:
            kind_of(name)
    except DataError:
        return False
    try:
        for name, options in asked:
            find(name, options)
    except DataError:
        return True
    return False


def apart(every: Iterable[Found | Left]) -> tuple[list[Found], list[Left]]:
    """What was found, and what is left out since its data are missing; errors are those of `resolve`."""
    found, left = list[Found](), list[Left]()
    for each in every:
        if isinstance(each, Found):
            found.append(each)
        elif each.missing:
            left.append(each)
        else:
            raise DataError(f"{each.point.title}: {each.why}")
    if not found:
        raise DataError(f"{left[0].point.title}: {left[0].why}")
    return found, left


def look_up_one(point: Point, threads: int | None) -> tuple[Found, set[str]]:
    """What is known of one point, and which of the common options it takes; arguments and errors as of `resolve`."""
    with process_as_found():
        try:
            return _found(point, threads)
        except (UsageError, DataError) as error:
            raise type(error)(f"{point.title}: {error}") from None


def as_recorded(every: Iterable[Found]) -> Iterator[Cell]:
    """The cell of each, which has the digest of its record where an earlier version has made it."""
    known: dict[str, Known] | None = None
    for found in every:
        known = Store(found.config.output.output).done() if known is None else known
        yield replace(found.cell, digest=digest_of_record(found.cell.digest, found.facts, known))


def with_shared_stages(cells: Iterable[Cell]) -> list[Cell]:
    """The same, of which those keep the key of their first stage that others begin with, too."""
    every = list(cells)
    counts = Counter(cell.stage for cell in every)
    return [cell if counts[cell.stage] > 1 else replace(cell, stage=None) for cell in every]


def _found(point: Point, threads: int | None) -> tuple[Found, set[str]]:
    known = {item.name for item in fields(get_learner(str(point.settings["learner"])).Options)}
    common = {name: value for name, value in point.common.items() if name in known}
    config = make_config(**point.settings, options={**common, **point.options})
    if threads and config.machine.threads is None:
        config = config.changed(threads=threads)
    run = prepare(config)
    if idle := common.keys() & run.learner.idle_options().keys():
        common = {name: value for name, value in common.items() if name not in idle}
        config = config.changed(options={**common, **point.options})
        run = prepare(config)
    return _of_run(point, config, run), set(common)


def _of_run(point: Point, config: RunConfig, run: Prepared) -> Found:
    resolved = run.config.changed(threads=config.machine.threads or torch.get_num_threads())
    options = resolved.options
    data, weights = dataset_info(run.dataset, run.manifest), run.weights.digest if run.weights else None
    all_options = resolved.recorded.options
    facts = Facts(
        rest=run_digest(resolved, data, weights, tuple(all_options)),
        options=all_options,
        given=frozenset(changed_options(run.learner_class, resolved)),
        idle=frozenset(run.learner.idle_options()),
    )
    cell = Cell(
        digest=run_digest(resolved, data, weights),
        title=point.title,
        # The digest has the precision, which another machine might choose otherwise.
        config=config.changed(precision=resolved.training.precision),
        steps=int(options.get("steps") or 0),
        episodes=resolved.test.episodes or 0,
        backbone=str(options.get("backbone")),
        pixels=pixels(data, network_inputs(run.learner)),
        stage=stage_key(resolved, run.learner, run.dataset),
    )
    return Found(point, cell, resolved, data, weights, run.learner.problem.metric, facts)
