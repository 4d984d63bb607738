"""Cells: the runs of a study, each with its configuration and data looked up, and known by their digest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import torch

from episodes.datasets import dataset_names, loading_once
from episodes.errors import DataError
from metabench.backbone import backbone_names
from metabench.config import RunConfig, make_config
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


def refuse_imports(points: Sequence[Point]) -> None:
    """Raise UsageError if a study names code that no installed package has registered."""
    registered = {"adapter": adapter_names(), "dataset": dataset_names(), "backbone": backbone_names()}
    for point in points:
        for setting, value in imports(point, registered):
            raise UsageError(
                f"{setting}: '{value}' names code outside of what is installed; give --allow-import if you trust the "
                "study"
            )


def resolve(points: Sequence[Point], threads: int | None) -> list[Cell]:
    """The cells of a study: its data are read, and its learners built, so that what cannot be run is said before.

    Args:
        points: of the study. Those that come to the same run are one cell.
        threads: of each run, where the study does not say.

    Raises:
        UsageError, episodes.DataError: a run that cannot be made; the message begins with its title.
    """
    cells: dict[str, Cell] = {}
    for cell in as_recorded(look_up(points, threads)):
        cells.setdefault(cell.digest, cell)
    return with_shared_stages(cells.values())


def look_up(points: Sequence[Point], threads: int | None) -> Iterator[Found]:
    """Each point's cell, and what else is known of it; arguments and errors are those of `resolve`."""
    unused = {name for point in points for name in point.common}
    with loading_once():
        for point in points:
            found, used = look_up_one(point, threads)
            unused -= used
            yield found
    for name in sorted(unused):
        raise UsageError(f"options: no learner of the study has a use for '{name}'; correct it, or leave it out")


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
