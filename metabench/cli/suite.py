"""`metabench suite`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metabench.cli.options import RUN_ERROR, OutputFile, given, learner_settings, of_learner
from metabench.cli.sweep import Means, carry_out, making, say_missing

if TYPE_CHECKING:
    from metabench.sweep.suite import Suite


@click.command()
@click.argument("name", metavar="NAME|FILE")
@learner_settings
@click.option("--ways", type=int, help="Classes per task.  [default: the suite's, else 5]")
@click.option("--shots", type=int, help="Labelled (support) items per class.  [default: the suite's, else 1]")
@click.option("--episodes", type=int, help="Number of test tasks on each set.  [default: 600; 10 of all-way]")
@click.option("--seed", type=int, multiple=True, help="Seed of the weights and the training order. Repeatable.")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the datasets' files.")
@click.option("--device", help="auto, cpu or cuda.  [default: auto]")
@click.option("--threads", type=int, help="CPU threads of each run.  [default: all cores, shared by --workers]")
@click.option("--reference", is_flag=True, help="Put the reference records that ship with metabench in the table.")
@click.option("--csv", type=OutputFile(), help="Write the table as CSV.")
@making
def suite(
    name: str,
    learner: str | None,
    options: tuple[str, ...],
    backbone: str | None,
    weights: str | None,
    steps: int | None,
    seed: tuple[int, ...],
    reference: bool,
    csv: Path | None,
    means: Means,
    **settings: Any,
) -> None:
    """Run a learner on a fixed list of datasets: one row, with its average rank.

    NAME is one of `metabench list suites`, or a YAML file of your own: a study (see `sweep`) without a learner. A
    dataset whose files are missing is named, and the others run. Runs that have a record in --output are not made
    again. The table has every learner in --output that is on all these datasets.
    """
    from metabench.cli.config_file import read_config_file
    from metabench.config import SETTINGS
    from metabench.sweep import cells as found
    from metabench.sweep import suite as suites

    file = suites.suite_file(name)
    values = {**read_config_file(file, "suite"), **given(settings), **({"seed": list(seed)} if seed else {})}
    of_command = of_learner(options, backbone=backbone, weights=weights, steps=steps)
    usual = SETTINGS["learner"].default
    # Of the file; the command line may name code.
    found.refuse_imports(suites.suite_points(values, usual, {}), "install a package that registers it, or use `sweep`")
    points = suites.suite_points(values, learner or usual, of_command)
    with means.cluster() as cluster:
        looked_up = suites.resolve_suite(points, means.threads())
        say_missing(looked_up.missing)
        made = carry_out(file.stem, [cell for _, cell in looked_up.cells], means, cluster)
    if not means.dry_run:
        _show(looked_up, reference, csv)
    if not made:
        sys.exit(RUN_ERROR)


def _show(suite: Suite, reference: bool, target: Path | None) -> None:
    """Print the table of those sets on which all runs were made, and write it."""
    from episodes.files.atomic import write_bytes
    from metabench.board.rows import read_entries
    from metabench.board.suite import csv, printable, suite_rows
    from metabench.records.keys import board_of, record_digest

    sets = {cell.digest: name for name, cell in suite.cells}
    config = suite.cells[0][1].config
    rows, _ = read_entries(config.output.output, reference=reference)
    own = (run.record for entry in rows if entry.values.learner == config.learner for run in entry.runs)
    titles = {board_of(record): sets[digest] for record in own if (digest := record_digest(record)) in sets}
    boards = {board: title for name in suite.sets for board, title in titles.items() if title == name}
    made, done = suite_rows(rows, boards), list(boards.values())
    if made:
        click.echo("\n" + printable(made, done, shutil.get_terminal_size((80, 24)).columns))
    if made and target:
        write_bytes(target, csv(made, done).encode())
        click.echo(f"wrote {target}")
