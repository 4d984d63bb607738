"""Making a study: what is missing of it, by an engine; and what is known of it, for whoever asks."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from episodes.datasets import loading_once
from episodes.errors import counted
from metabench.errors import InterruptionError, UsageError
from metabench.evaluation.progress import spoken
from metabench.records.reference import reference_runs
from metabench.sweep.cells import Cell, Left
from metabench.sweep.choice import Choice
from metabench.sweep.display import Display
from metabench.sweep.engine import Engine, Limits
from metabench.sweep.estimate import estimate, total
from metabench.sweep.local import run_cells
from metabench.sweep.stages import drop_stages
from metabench.sweep.store import Known, Store
from metabench.training.signals import Stop


@dataclass(frozen=True)
class Made:
    """What came of a sweep.

    Attributes:
        there: how many runs were there before.
        done: the runs that were made.
        failed: those that failed, and tries that did, each with the reason.
        tries: how many tries were made.
    """

    there: int
    done: tuple[Cell, ...]
    failed: tuple[tuple[Cell | Choice, str], ...]
    tries: int = 0


def sweep(study: str, runs: Sequence[Cell | Choice], store: Store, limits: Limits, engine: Engine = run_cells) -> Made:
    """Make those runs of a study that are missing: first the tries of those whose options are to be chosen.

    Args:
        study: its name.
        runs: all of it.
        store: where its runs go.
        limits: of the engine.
        engine: what makes them.

    Raises:
        InterruptionError: the user stopped it; checkpoints are kept.
    """
    known = store.done()
    missing = [each for each in runs if each.digest not in known]
    chosen = [each for each in missing if isinstance(each, Choice)]
    tried, failed = _made(_rounds(study, runs, chosen, store), "tries", store, limits, engine, known)
    cells: list[Cell] = []
    for each in missing:
        try:
            cells.append(each.chosen(store) if isinstance(each, Choice) else each)
        except UsageError as error:
            failed.append((each, str(error)))
    every = {each.digest for choice in chosen for each in choice.tries}
    store.drop_training(every - {cell.tried for cell in cells} - _undecided(chosen, cells))
    done, lost = _made([(cells, 0)] if cells else [], "runs", store, limits, engine, known)
    store.drop_training(cell.tried for cell in done if cell.tried)
    drop_stages(store)
    return Made(len(runs) - len(missing), tuple(done), (*failed, *lost), len(tried))


def _rounds(
    study: str, runs: Sequence[Cell | Choice], chosen: Sequence[Choice], store: Store
) -> Iterator[tuple[Sequence[Cell], int]]:
    """The tries that can be made at the same time, and how many will follow; again, when they were made, until none is.

    A try that failed is not there again.
    """
    seen = set[str]()
    while True:
        with loading_once():
            wanted = [(choice, choice.wanted(store)) for choice in chosen]
        cells = {each.digest: each for _, tries in wanted for each in tries if each.digest not in seen}
        every = (each for choice in chosen for each in choice.tries)
        store.write_plan(study, _titles(runs), _titles(every), _by_stage(runs))
        if not cells:
            return
        seen |= cells.keys()
        ahead = sum(choice.ahead for choice, tries in wanted if any(each.digest in cells for each in tries))
        yield [*cells.values()], ahead


def _titles(several: Iterable[Cell | Choice]) -> dict[str, str]:
    return {each.digest: each.title for each in several}


def _by_stage(runs: Iterable[Cell | Choice]) -> dict[str, list[str]]:
    """Of each stage that several share, by its key, the digests of the runs that need it."""
    found: dict[str, list[str]] = {}
    for each in runs:
        for key in each.stages:
            found.setdefault(key, []).append(each.digest)
    return found


def _undecided(choices: Sequence[Choice], cells: Sequence[Cell]) -> set[str]:
    """The tries of those choices that none of the runs came of."""
    decided = {cell.digest for cell in cells}
    return {each.digest for choice in choices if choice.digest not in decided for each in choice.tries}


def _made(
    rounds: Iterable[tuple[Sequence[Cell], int]],
    what: str,
    store: Store,
    limits: Limits,
    engine: Engine,
    known: dict[str, Known],
) -> tuple[list[Cell], list[tuple[Cell | Choice, str]]]:
    """Those of the cells that were made, and those that failed with the reasons.

    Args:
        rounds: cells that may be made at the same time, and how many follow; one after another.
        what: the cells are.
    """
    done: list[Cell] = []
    failed: list[tuple[Cell | Choice, str]] = []
    left = iter(rounds)
    first = next(left, None)
    if first is None:
        return done, failed
    runs = _finished(known)
    with Stop() as stop, Display(limits.workers) as display:
        try:
            for cells, ahead in itertools.chain([first], left):
                display.expect({cell.digest: estimate(cell, runs) for cell in cells}, ahead)
                with closing(engine(cells, store, limits)) as events:  # type: ignore[type-var]
                    for event in events:
                        display.show(event)
                        if event.kind == "done":
                            done.append(event.cell)
                        elif event.kind == "failed":
                            failed.append((event.cell, event.text))
        except KeyboardInterrupt:
            raise InterruptionError(
                f"{stop.asked or 'interrupted'} with {len(done)} of {display.cells} {what} made; the same command "
                "makes the others, from their checkpoints"
            ) from None
    return done, failed


def _finished(known: dict[str, Known]) -> list[Known]:
    """The runs that tell how long others take: those at hand and the reference records."""
    return [*known.values(), *(Known.of(run.record) for run in reference_runs())]


def counted_left(left_out: Sequence[Left]) -> str:
    """The clause on how many runs are left out; empty where none is."""
    return f"; {len(left_out)} left out, whose data are missing" if left_out else ""


def describe_plan(runs: Sequence[Cell | Choice], store: Store, limits: Limits, left_out: Sequence[Left] = ()) -> str:
    """What `--dry-run` prints: each run, whether it is done, and how long it may take; of a choice its tries, too.

    Args:
        runs: of the study, but for those that are left out.
        store: where they go.
        limits: of the engine.
        left_out: of the study.
    """
    known = store.done()
    missing = [each for each in runs if each.digest not in known]
    with loading_once():
        rows = [row for choice in missing if isinstance(choice, Choice) for row in choice.listed(store)]
    tries = {row.cell.digest: row for row in rows}
    left = [row for row in tries.values() if row.left]
    last = [each.test if isinstance(each, Choice) else each for each in missing]
    finished = _finished(known)
    seconds = {cell.digest: estimate(cell, finished) for cell in (*(row.cell for row in left), *last)}
    seconds |= {row.cell.digest: each * row.left for row in left if (each := seconds[row.cell.digest]) is not None}
    titles = [*((digest, row.title) for digest, row in tries.items()), *((each.digest, each.title) for each in runs)]
    lines = []
    for digest, title in titles:
        state = spoken(seconds[digest]) if digest in seconds else "done"
        lines.append(f"{state:>9}  {title}")
    lines += [f" left out  {each.point.title}" for each in left_out]
    shared = {cell.stage for cell in (*(row.cell for row in left), *last) if cell.stage}
    stages = f", with {counted(len(shared), 'first stages')} that several runs share" if shared else ""
    about = spoken(total(seconds, limits.workers)) if missing else "0 s"
    counts = sum(row.left for row in left), sum(row.number for row in tries.values())
    beside = f" and {counts[0]} of {counts[1]} tries" if tries else ""
    lines.append(
        f"{counted(len(runs), 'runs')}, {len(runs) - len(missing)} done, {len(missing)}{beside} to make{stages}; "
        f"about {about} with --workers {limits.workers}{counted_left(left_out)}"
    )
    return "\n".join(lines)
