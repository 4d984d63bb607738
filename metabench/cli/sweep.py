"""`metabench sweep`."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metabench.cli.options import RUN_ERROR, refuse_given, with_options
from metabench.escape import plain

if TYPE_CHECKING:
    from metabench.sweep.cells import Cell, Left
    from metabench.sweep.choice import Choice
    from metabench.sweep.cluster import Cluster

STATUS = "status"


def seconds(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """Of a time as `90`, `90s`, `15m` or `2h`."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found or not float(found[1]):
        raise click.UsageError(f"--timeout {text} is not a time; give seconds, or e.g. 15m or 2h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


@dataclass(frozen=True)
class Means:
    """How several runs are made: the options of `making`, by their names."""

    dry_run: bool
    workers: int | None
    retries: int
    timeout: float | None
    ray: bool
    ray_address: str | None
    gpus_per_run: float | None
    live: bool

    @contextmanager
    def cluster(self) -> Iterator[Cluster | None]:
        """Ray's, if that is asked for, until the end of the context."""
        if not (self.ray or self.ray_address):
            if self.gpus_per_run is not None:
                raise click.UsageError("--gpus-per-run is for Ray; give --ray or --ray-address, or leave it out")
            yield None
            return
        from metabench.sweep.cluster import connected

        with connected(self.ray_address, self.gpus_per_run) as cluster:
            yield cluster

    def threads(self) -> int | None:
        """CPU threads of each run that does not say; None is torch's own choice, for a single run at a time."""
        if self.ray or self.ray_address:
            return 1
        if not self.workers or self.workers == 1:
            return None
        import torch

        return max(1, torch.get_num_threads() // self.workers)


def making(command: Callable[..., None]) -> Any:
    """The options of how runs are made, shared by the commands that make several, which get them as `means`."""
    options = [
        click.option("--dry-run", is_flag=True, help="Only list the runs, with how long each may take."),
        click.option(
            "--workers",
            type=click.IntRange(1, 1024),
            help="Runs at the same time.  [default: 1; with Ray as many as it has room for]",
        ),
        click.option(
            "--retries",
            type=click.IntRange(0, 100),
            default=1,
            show_default=True,
            help="How often a run that failed is tried again, from its checkpoint.",
        ),
        click.option("--timeout", metavar="TIME", callback=seconds, help="Time that a run may take, e.g. 90s or 2h."),
        click.option("--ray", is_flag=True, help="Let Ray share out this machine's CPUs and GPUs."),
        click.option(
            "--ray-address", metavar="ADDRESS", help="Make the runs on a cluster of Ray's: HOST:PORT, or auto."
        ),
        click.option(
            "--gpus-per-run",
            type=click.FloatRange(0, 1024),
            metavar="NUMBER",
            help="With Ray, GPUs of each run, such as 0.5.  [default: 1 where there are any]",
        ),
        click.option("--live", is_flag=True, help="Serve the leaderboard of --output to this machine meanwhile."),
        click.option("--output", type=click.Path(path_type=Path), help="Folder of the runs.  [default: results]"),
    ]

    @functools.wraps(command)
    def with_means(**values: Any) -> None:
        if values["dry_run"]:
            refuse_given(["retries", "timeout", "live"], "does nothing with --dry-run")
        command(means=Means(**{item.name: values.pop(item.name) for item in fields(Means)}), **values)

    return with_options(with_means, options)


@click.command()
@click.argument("study", metavar="STUDY|status", type=click.Path(path_type=Path))
@making
@click.option("--allow-import", is_flag=True, help="Let the study name code as package.module:name.")
def sweep(study: Path, means: Means, allow_import: bool, output: Path | None) -> None:
    """Make the runs of a study: learners by datasets by tasks by seeds.

    STUDY is a YAML file with the settings of `run --config`, where a list has a run for each of its values. With
    `select: validation`, a list or range of an option has tries instead, of which each run takes the best on tasks of
    the validation classes; with `select: ensemble` a run averages their predictions. Runs that have a record in
    --output are not made again. One that fails is tried again, and takes no other along; one whose data are missing is
    left out; the exit code is then 1. `metabench sweep status` says what is done, running, waiting and failed of each
    study in --output.
    """
    if str(study) == STATUS:
        refuse_given([*(item.name for item in fields(Means)), "allow_import"], f"does nothing for `sweep {STATUS}`")
        from metabench.sweep.status import describe_status

        click.echo(describe_status(output or Path("results")))
        return
    from episodes.errors import readable
    from metabench.cli.config_file import read_config_file
    from metabench.sweep import cells as found
    from metabench.sweep.choice import choices
    from metabench.sweep.ensemble import ensembles
    from metabench.sweep.rule import rule_of
    from metabench.sweep.study import points, set_name

    values = read_config_file(study, "study")
    if output:
        values["output"] = output
    asked = points(values)
    if not allow_import:
        found.refuse_imports(asked)
    rule, threads = rule_of(values), means.threads()
    runs: Sequence[Cell | Choice]
    with means.cluster() as cluster:
        if rule and rule.how == "validation":
            runs, left_out = choices(asked, threads)
        else:
            runs, left_out = found.resolve(ensembles(asked) if rule else asked, threads)
        say_missing({set_name(each.point): each.why for each in left_out})
        made = carry_out(readable(study.stem), runs, means, cluster, left_out)
    if not made:
        sys.exit(RUN_ERROR)


def say_missing(sets: Mapping[str, str]) -> None:
    """Say of datasets that are left out why that is."""
    for name, why in sets.items():
        click.echo(f"metabench: {plain(f'{name} is left out: {why}', 1000)}", err=True)


def carry_out(
    study: str,
    runs: Sequence[Cell | Choice],
    means: Means,
    cluster: Cluster | None,
    left_out: Sequence[Left] = (),
) -> bool:
    """Make the runs, or list them, and say what came of it; False where one failed, or was left out."""
    from metabench.sweep.engine import Limits
    from metabench.sweep.local import run_cells
    from metabench.sweep.store import Store
    from metabench.sweep.sweep import counted_left, describe_plan
    from metabench.sweep.sweep import sweep as make

    store = Store(runs[0].config.output.output)
    limits = Limits(means.workers or (cluster.room(runs[0].config) if cluster else 1), means.retries, means.timeout)
    if means.dry_run:
        click.echo(describe_plan(runs, store, limits, left_out))
        return not left_out
    with _served(store.results) if means.live else nullcontext():
        made = make(study, runs, store, limits, cluster or run_cells)
    there = f"; {made.there} there already" if made.there else ""
    tries = f", after {made.tries} tries" if made.tries else ""
    counts = f"{len(made.done)} of {len(runs) + len(left_out)} runs made{tries}{there}{counted_left(left_out)}"
    click.echo(f"{counts}; records: {store.results}")
    for each, reason in made.failed:
        log = store.log(each.digest)
        see = f"; see '{log}'" if log.exists() else ""
        click.echo(f"metabench: failed: {each.title}: {reason}{see}", err=True)
    for left in left_out:
        click.echo(f"metabench: left out: {left.point.title}: {plain(left.why, 1000)}", err=True)
    return not (made.failed or left_out)


@contextmanager
def _served(results: Path) -> Iterator[None]:
    from metabench.sweep.live import live

    with live(results) as address:
        click.echo(f"metabench: the leaderboard of {results} is at {address} until the sweep ends", err=True)
        yield
