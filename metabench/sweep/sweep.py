"""Making a study: what is missing of it, by an engine; and what is known of it, for whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metabench.errors import InterruptionError, UsageError
from metabench.evaluation.progress import spoken
from metabench.records.reference import reference_runs
from metabench.sweep.cells import Cell
from metabench.sweep.choice import Choice
from metabench.sweep.display import Display
from metabench.sweep.engine import Engine, Limits
from metabench.sweep.estimate import estimate, total
from metabench.sweep.local import run_cells
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
    every = {each.digest: each for choice in chosen for each in choice.tries}
    titles = ({each.digest: each.title for each in several} for several in (runs, every.values()))
    store.write_plan(study, *titles)
    wanted = {each.digest: each for choice in chosen for each in choice.wanted(store)}
    tried, failed = _made([*wanted.values()], "tries", store, limits, engine, known)
    cells: list[Cell] = []
    for each in missing:
        try:
            cells.append(each.chosen(store) if isinstance(each, Choice) else each)
        except UsageError as error:
            failed.append((each, str(error)))
    store.drop_training(every.keys() - {cell.tried for cell in cells} - _undecided(chosen, cells))
    done, lost = _made(cells, "runs", store, limits, engine, known)
    store.drop_training(cell.tried for cell in done if cell.tried)
    return Made(len(runs) - len(missing), tuple(done), (*failed, *lost), len(tried))


def _undecided(choices: Sequence[Choice], cells: Sequence[Cell]) -> set[str]:
    """The tries of those choices that none of the runs came of."""
    decided = {cell.digest for cell in cells}
    return {each.digest for choice in choices if choice.digest not in decided for each in choice.tries}


def _made(
    cells: Sequence[Cell], what: str, store: Store, limits: Limits, engine: Engine, known: dict[str, Known]
) -> tuple[list[Cell], list[tuple[Cell | Choice, str]]]:
    """Those of the cells that were made, and those that failed with the reasons."""
    done: list[Cell] = []
    failed: list[tuple[Cell | Choice, str]] = []
    if not cells:
        return done, failed
    with Stop() as stop, Display(len(cells), limits.workers, estimates(cells, known)) as display:
        events = engine(cells, store, limits)
        try:
            for event in events:
                display.show(event)
                if event.kind == "done":
                    done.append(event.cell)
                elif event.kind == "failed":
                    failed.append((event.cell, event.text))
        except KeyboardInterrupt:
            raise InterruptionError(
                f"{stop.asked or 'interrupted'} with {len(done)} of {len(cells)} {what} made; the same command makes "
                "the others, from their checkpoints"
            ) from None
        finally:
            events.close()  # type: ignore[attr-defined]
    return done, failed


def estimates(cells: Sequence[Cell], known: dict[str, Known]) -> dict[str, float | None]:
    """How many seconds each will take, by digest, told from finished runs and reference records."""
    runs = [*known.values(), *(Known.of(run.record) for run in reference_runs())]
    return {cell.digest: estimate(cell, runs) for cell in cells}


def describe_plan(runs: Sequence[Cell | Choice], store: Store, limits: Limits) -> str:
    """What `--dry-run` prints: each run, whether it is done, and how long it may take; of a choice its tries, too."""
    known = store.done()
    missing = [each for each in runs if each.digest not in known]
    tries = {each.digest: each for choice in missing if isinstance(choice, Choice) for each in choice.tries}
    left = [each for each in tries.values() if not store.tried(each.digest)]
    last = [each.test if isinstance(each, Choice) else each for each in missing]
    seconds = estimates([*left, *last], known)
    lines = []
    for each in (*tries.values(), *runs):
        state = spoken(seconds[each.digest]) if each.digest in seconds else "done"
        lines.append(f"{state:>9}  {'try ' if each.digest in tries else ''}{each.title}")
    shared = {cell.stage for cell in (*left, *last) if cell.stage}
    stages = f", {len(shared)} first stages of which are trained once for several runs" if shared else ""
    about = spoken(total(seconds, limits.workers)) if missing else "0 s"
    beside = f" and {len(left)} of {len(tries)} tries" if tries else ""
    lines.append(
        f"{len(runs)} runs, {len(runs) - len(missing)} done, {len(missing)}{beside} to make{stages}; about {about} "
        f"with --workers {limits.workers}"
    )
    return "\n".join(lines)
