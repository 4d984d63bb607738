"""Making a study: what is missing of it, by an engine; and what is known of it, for whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metabench.errors import InterruptionError
from metabench.evaluation.progress import spoken
from metabench.records.reference import reference_runs
from metabench.sweep.cells import Cell
from metabench.sweep.display import Display
from metabench.sweep.engine import Engine, Limits
from metabench.sweep.estimate import estimate, total
from metabench.sweep.local import run_cells
from metabench.sweep.store import Known, Store


@dataclass(frozen=True)
class Made:
    """What came of a sweep: how many runs were there before, those that were made, and those that failed and why."""

    there: int
    done: tuple[Cell, ...]
    failed: tuple[tuple[Cell, str], ...]


def sweep(study: str, cells: Sequence[Cell], store: Store, limits: Limits, engine: Engine = run_cells) -> Made:
    """Make those runs of a study that are missing.

    Args:
        study: its name.
        cells: all of it.
        store: where its runs go.
        limits: of the engine.
        engine: what makes them.

    Raises:
        InterruptionError: the user stopped it; checkpoints are kept.
    """
    known = store.done()
    missing = [cell for cell in cells if cell.digest not in known]
    store.write_plan(study, {cell.digest: cell.title for cell in cells})
    done, failed = [], []
    with Display(len(missing), limits.workers, estimates(missing, known)) as display:
        events = engine(missing, store, limits)
        try:
            for event in events:
                display.show(event)
                if event.kind == "done":
                    done.append(event.cell)
                elif event.kind == "failed":
                    failed.append((event.cell, event.text))
        except KeyboardInterrupt as error:
            raise InterruptionError(
                f"{str(error) or 'interrupted'} with {len(done)} of {len(missing)} runs made; the same command makes "
                "the others, from their checkpoints"
            ) from None
        finally:
            events.close()  # type: ignore[attr-defined]
    return Made(len(cells) - len(missing), tuple(done), tuple(failed))


def estimates(cells: Sequence[Cell], known: dict[str, Known]) -> dict[str, float | None]:
    """How many seconds each will take, by digest, told from finished runs and reference records."""
    runs = [*known.values(), *(Known.of(run.record) for run in reference_runs())]
    return {cell.digest: estimate(cell, runs) for cell in cells}


def describe_plan(cells: Sequence[Cell], store: Store, limits: Limits) -> str:
    """What `--dry-run` prints: each run, whether it is done, and how long it may take."""
    known = store.done()
    missing = [cell for cell in cells if cell.digest not in known]
    seconds = estimates(missing, known)
    lines = []
    for cell in cells:
        state = "done" if cell.digest in known else spoken(seconds[cell.digest])
        lines.append(f"{state:>9}  {cell.title}")
    shared = {cell.stage for cell in missing if cell.stage}
    stages = f", {len(shared)} first stages of which are trained once for several runs" if shared else ""
    about = spoken(total(seconds, limits.workers)) if missing else "0 s"
    lines.append(
        f"{len(cells)} runs, {len(cells) - len(missing)} done, {len(missing)} to make{stages}; about {about} with "
        f"--workers {limits.workers}"
    )
    return "\n".join(lines)
