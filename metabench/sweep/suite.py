"""A suite: a fixed list of datasets and tasks, as a study without learners, on which each learner gives one row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from episodes.errors import DataError, nearest
from metabench.errors import UsageError
from metabench.escape import plain
from metabench.sweep.cells import Cell, Found, Left, as_recorded, look_up, with_shared_stages
from metabench.sweep.study import Point, points, set_name

FOLDER = files("metabench.sweep") / "suites"
ENDINGS = (".yaml", ".yml")
ABOUT = "about"  # the line that a suite's file has beside the settings of a study


@dataclass(frozen=True)
class Suite:
    """A suite with a learner, looked up.

    Attributes:
        sets: the names of its datasets, in order, each once.
        cells: the runs, each with the name of its set.
        missing: why a set is left out, by its name.
    """

    sets: tuple[str, ...]
    cells: tuple[tuple[str, Cell], ...]
    missing: Mapping[str, str]


def suite_names() -> list[str]:
    """Those that ship with metabench, sorted."""
    return sorted(Path(each.name).stem for each in FOLDER.iterdir() if each.name.endswith(ENDINGS))


def suite_file(name: str) -> Path:
    """The file of a suite: one that ships with metabench by its name, or a user's own by its path.

    Raises:
        UsageError: no suite has that name (names the nearest).
    """
    if name.lower().endswith(ENDINGS):
        return Path(name)
    if name not in suite_names():
        advice = nearest(name, suite_names()) or f"; there are {', '.join(suite_names())}"
        raise UsageError(f"there is no suite '{plain(name, 60)}'{advice}; a file of your own ends in .yaml")
    return Path(str(FOLDER / f"{name}.yaml"))


def suite_points(values: Mapping[str, Any], learner: str, options: Mapping[str, Any]) -> list[Point]:
    """The runs of a learner on a suite.

    Args:
        values: the content of its file, with what was given in place of its own settings.
        learner: its name.
        options: of the learner.

    Raises:
        UsageError: as `points`; or the file names learners, as only a study may.
    """
    if "learner" in values:
        raise UsageError("a suite is the same for every learner; leave 'learner' out of its file, or use it with sweep")
    if "select" in values:
        raise UsageError("a suite chooses no options; leave 'select' out of its file, or use it with sweep")
    study = {name: value for name, value in values.items() if name != ABOUT}
    return points({**study, "learner": {learner: dict(options)}})


def resolve_suite(made: Sequence[Point], threads: int | None) -> Suite:
    """Look each set up by itself: one whose data are missing, or cannot give the tasks, is left out.

    Args:
        made: as of `suite_points`.
        threads: of each run, where the suite does not say.

    Raises:
        UsageError: as `metabench.sweep.cells.resolve`.
        DataError: not one of the sets is there.
    """
    every = list(look_up(made, threads))
    missing: dict[str, str] = {}
    for each in every:
        if isinstance(each, Left):
            missing.setdefault(set_name(each.point), each.why)
    found = [each for each in every if isinstance(each, Found) and set_name(each.point) not in missing]
    if not found:
        name, why = next(iter(missing.items()))
        raise DataError(f"none of the suite's sets is there; {name}: {why}")
    recorded = zip(as_recorded(found), found, strict=True)
    cells = {cell.digest: (set_name(each.point), cell) for cell, each in recorded}
    shared = with_shared_stages(cell for _, cell in cells.values())  # as of one training that is tested on several
    names = [name for name, _ in cells.values()]
    return Suite(tuple(dict.fromkeys(map(set_name, made))), tuple(zip(names, shared, strict=True)), missing)
