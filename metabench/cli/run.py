"""`metabench run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from metabench.cli.options import data_settings, given, learner_settings, of_learner


@click.command()
@learner_settings
@data_settings
@click.option("--tasks", type=click.Path(path_type=Path), help="Test on the tasks of a file of `episodes freeze`.")
@click.option("--episodes", type=int, help="Number of test tasks.  [default: 600; 10 of all-way; all of a list]")
@click.option(
    "--until-interval",
    type=float,
    metavar="POINTS",
    help="Draw test tasks until the interval is ± this, at most --episodes.",
)
@click.option("--validation-episodes", type=int, help="Number of tasks in each validation.  [default: 100]")
@click.option("--seed", type=int, help="Seed of the weights and the training order.  [default: 0]")
@click.option("--device", help="auto, cpu or cuda.  [default: auto]")
@click.option("--precision", help="Precision of training: auto, float32 or bfloat16 (mixed).  [default: auto]")
@click.option("--threads", type=int, help="CPU threads.  [default: all cores]")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Folder in which the run's folder is made.  [default: results]"
)
@click.option("--tensorboard", is_flag=True, default=None, help="Log to TensorBoard files in the run's folder too.")
@click.option("--mlflow", is_flag=True, default=None, help="Log to MLflow too, where MLFLOW_TRACKING_URI says.")
@click.option(
    "--config", type=click.Path(path_type=Path), help="YAML file of these settings. The command line takes precedence."
)
@click.option("--resume", is_flag=True, help="Continue from the checkpoint of the same, interrupted run.")
def run(
    options: tuple[str, ...],
    backbone: str | None,
    weights: str | None,
    steps: int | None,
    config: Path | None,
    resume: bool,
    **settings: Any,
) -> None:
    """Train a learner, score it on unseen classes, write a record.

    Without --steps and --backbone, the learner has its default budget and network for the dataset (see `metabench
    list learners NAME`).
    """
    from metabench import ranks
    from metabench.board.standing import standing
    from metabench.cli.config_file import read_config_file
    from metabench.config import make_config
    from metabench.experiment.runner import run_config
    from metabench.reports.summary import summary

    with ranks.joined():
        values = read_config_file(config) if config else {}
        values.update(given(settings))
        of_command = of_learner(options, backbone=backbone, weights=weights, steps=steps)
        values["options"] = {**values.get("options", {}), **of_command}
        record = run_config(make_config(**values), resume=resume)
        place = standing(record, record.config.output.output)
        click.echo(summary(record) + (f"\n  {place}" if place else ""))
        click.echo(f"record: {record.config.output.output / record.id}")
