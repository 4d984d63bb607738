"""`metabench sweep`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metabench.cli.options import RUN_ERROR

if TYPE_CHECKING:
    from metabench.sweep.cells import Cell
    from metabench.sweep.choice import Choice
    from metabench.sweep.engine import Limits

STATUS = "status"


def seconds(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """Of a time as `90`, `90s`, `15m` or `2h`."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found or not float(found[1]):
        raise click.UsageError(f"--timeout {text} is not a time; give seconds, or e.g. 15m or 2h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def making(command: Any) -> Any:
    """The options of how runs are made, shared by the commands that make several."""
    options = [
        click.option("--dry-run", is_flag=True, help="Only list the runs, with how long each may take."),
        click.option(
            "--workers", type=click.IntRange(1, 1024), default=1, show_default=True, help="Runs at the same time."
        ),
        click.option(
            "--retries",
            type=click.IntRange(0, 100),
            default=1,
            show_default=True,
            help="How often a run that failed is tried again, from its checkpoint.",
        ),
        click.option("--timeout", metavar="TIME", callback=seconds, help="Time that a run may take, e.g. 90s or 2h."),
        click.option("--live", is_flag=True, help="Serve the leaderboard of --output to this machine meanwhile."),
        click.option("--output", type=click.Path(path_type=Path), help="Folder of the runs.  [default: results]"),
    ]
    for each in reversed(options):
        command = each(command)
    return command


@click.command()
@click.argument("study", metavar="STUDY|status", type=click.Path(path_type=Path))
@making
@click.option("--allow-import", is_flag=True, help="Let the study name code as package.module:name.")
def sweep(
    study: Path,
    dry_run: bool,
    workers: int,
    retries: int,
    timeout: float | None,
    live: bool,
    allow_import: bool,
    output: Path | None,
) -> None:
    """Make the runs of a study: learners by datasets by tasks by seeds.

    STUDY is a YAML file with the settings of `run --config`, where a list has a run for each of its values. With
    `select: validation`, a list of an option has tries instead, of which each run takes the best on tasks of the
    validation classes; with `select: ensemble` a run averages their predictions. Runs that have a record in --output
    are not made again. One that fails is tried again, and takes no other along; the exit code is then 1. `metabench
    sweep status` says what is done, running, waiting and failed of each study in --output.
    """
    if str(study) == STATUS:
        from metabench.sweep.status import describe_status

        click.echo(describe_status(output or Path("results")))
        return
    from metabench.cli.config_file import read_config_file
    from metabench.sweep import cells as found
    from metabench.sweep.choice import choices
    from metabench.sweep.engine import Limits
    from metabench.sweep.ensemble import ensembles
    from metabench.sweep.rule import rule_of
    from metabench.sweep.study import points

    values = read_config_file(study, "study")
    if output:
        values["output"] = output
    asked = points(values)
    if not allow_import:
        found.refuse_imports(asked)
    rule, threads = rule_of(values), threads_each(workers)
    if rule and rule.how == "validation":
        runs: Sequence[Cell | Choice] = choices(asked, threads)
    else:
        runs = found.resolve(ensembles(asked) if rule else asked, threads)
    if not carry_out(study.stem, runs, Limits(workers, retries, timeout), dry_run, live):
        sys.exit(RUN_ERROR)


def carry_out(study: str, runs: Sequence[Cell | Choice], limits: Limits, dry_run: bool, live: bool) -> bool:
    """Make the runs, or list them, and say what came of it; False where one failed."""
    from metabench.sweep.store import Store
    from metabench.sweep.sweep import describe_plan
    from metabench.sweep.sweep import sweep as make

    store = Store(runs[0].config.output.output)
    if dry_run:
        click.echo(describe_plan(runs, store, limits))
        return True
    with _served(store.results) if live else nullcontext():
        made = make(study, runs, store, limits)
    there = f"; {made.there} were there already" if made.there else ""
    tries = f", after {made.tries} tries" if made.tries else ""
    click.echo(f"{len(made.done)} of {len(runs)} runs made{tries}{there}; records: {store.results}")
    for each, reason in made.failed:
        log = store.log(each.digest)
        see = f"; see '{log}'" if log.exists() else ""
        click.echo(f"metabench: failed: {each.title}: {reason}{see}", err=True)
    return not made.failed


@contextmanager
def _served(results: Path) -> Iterator[None]:
    from metabench.sweep.live import live

    with live(results) as address:
        click.echo(f"metabench: the leaderboard of {results} is at {address} until the sweep ends", err=True)
        yield


def threads_each(workers: int) -> int | None:
    """CPU threads of each of several runs at a time; None, torch's own choice, of a single one."""
    if workers == 1:
        return None
    import torch

    return max(1, torch.get_num_threads() // workers)
