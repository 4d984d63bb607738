"""`metabench episodes freeze`, and `show`, which stands at the top too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from metabench.cli.options import Group, OutputFile, data_settings, given, terminal


@click.group(cls=Group)
def episodes() -> None:
    """Draw a task, or freeze test tasks to a file."""


@episodes.command()
@data_settings
@click.option("--episodes", type=int, help="How many.  [default: 600, or as many as there are]")
@click.option("-o", "--output", type=OutputFile(), required=True, help="The file, e.g. tasks.parquet.")
def freeze(output: Path, **settings: Any) -> None:
    """Write test tasks to a file, for `metabench run --tasks` here and elsewhere."""
    from metabench.experiment.data import freeze as write

    manifest = write(output, **given(settings))
    click.echo(f"wrote {len(manifest.episodes)} tasks of {manifest.bank} to {output} (digest {manifest.digest[:8]})")


@episodes.command()
@data_settings
@click.option("--tasks", type=click.Path(path_type=Path), help="Draw a task of this file of `episodes freeze`.")
@click.option("--episode", type=click.IntRange(0, 2**53), default=0, show_default=True, help="The task's number.")
@click.option("--run", "run_folder", type=click.Path(path_type=Path), help="A run's folder: draw its predictions too.")
@click.option("--weights", type=click.Path(path_type=Path), help="With --run: the file of weights that it began with.")
@click.option(
    "-o",
    "--output",
    type=OutputFile(),
    help="The picture: .png, .pdf or .svg. Texts go to .html or .txt, and without it to the terminal.",
)
def show(episode: int, run_folder: Path | None, output: Path | None, **settings: Any) -> None:
    """Draw one test task, and a trained learner's predictions for it; or print it, if it is of texts.

    With --run, dataset and task are those of the run unless given.
    """
    from metabench.rerun.show import show as draw
    from metabench.texts.terminal import Terminal

    text = draw(output, episode, run_folder, terminal=Terminal(*terminal()), **given(settings))
    click.echo(f"wrote {output}" if output else text)
