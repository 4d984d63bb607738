"""The command line: arguments to RunConfig, errors to exit codes, nothing else."""

from __future__ import annotations

import errno
import io
import os
import re
import signal
import sys
import traceback
import warnings
from contextlib import suppress
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from metabench.cli import records as cli_records
from metabench.cli.data import data
from metabench.cli.options import RUN_ERROR, USAGE_ERROR, Group, ReaderLeft, data_settings, given
from metabench.escape import plain
from metabench.training.signals import Stop


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every error is one line on standard error, its exit code 2 (request) or 1 (run)."""
    _open_streams()
    if arguments is None:
        os.environ["MPLBACKEND"] = "agg"  # pictures go to files, and a name that matplotlib lacks would end the import
        warnings.showwarning = lambda message, *_: _say(f"warning: {message}")  # in one line, without its place in code
    with Stop():
        code = _outcome(arguments)
    if arguments is None and code:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a further Ctrl-C would only disturb the end of the process
    sys.exit(code)


def _outcome(arguments: list[str] | None) -> int:
    """The exit code, after what there is to say was said."""
    try:
        _refuse_empty(sys.argv[1:] if arguments is None else arguments)
        code = cli.main(arguments, prog_name="metabench", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(bool(error.code))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return USAGE_ERROR
    except click.ClickException as error:
        return _failed(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        return _failed(str(error) or "interrupted", 130)
    except (ReaderLeft, BrokenPipeError):
        _drop_output()
        return 128 + signal.SIGPIPE
    except OSError as error:
        if error.filename is None and error.errno in OUTPUT_ERRORS:
            return _output_failed(error)
        if error.errno == errno.ENAMETOOLONG:
            return _failed(f"'{str(error.filename)[:100]}...' is too long for the name of a file", USAGE_ERROR)
        return _unexpected(error)
    except Exception as error:
        # Imported here, because a mistyped option must not wait for torch; these are raised only where it is loaded.
        from episodes.errors import DataError
        from metabench.errors import TOO_LITTLE_MEMORY, RunError, UsageError, is_memory

        if is_memory(error):
            return _failed(TOO_LITTLE_MEMORY, RUN_ERROR)
        if not isinstance(error, DataError | UsageError | RunError):
            return _unexpected(error)
        if os.environ.get(TRACEBACK):
            raise
        return _failed(str(error), RUN_ERROR if isinstance(error, RunError) else USAGE_ERROR)


TRACEBACK = "METABENCH_TRACEBACK"
OUTPUT_ERRORS = (errno.ENOSPC, errno.EBADF, errno.EIO)


def _open_streams() -> None:
    """A closed standard stream is one that swallows all: else the next file that is opened would take its place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that the terminal's encoding lacks


def _refuse_empty(words: list[str]) -> None:
    """An empty text is mostly a shell's variable that is not set; as a path it would be the folder one is in."""
    for before, word in pairwise(["", *words]):
        if not word or re.fullmatch("--[a-z-]+=", word):
            name = word.rstrip("=") or (before if before.startswith("-") and before != "--" else "an argument")
            raise click.UsageError(f"{name} is empty; give a value, or leave it out")


def _failed(message: str, code: int) -> int:
    _say(message)
    return code


def _say(message: str) -> None:
    one_line = re.sub(r"\S{400,}", lambda found: f"{found[0][:100]}...", " ".join(message.split()))
    with suppress(OSError):  # where there is nowhere to say it, the exit code says it
        click.echo(
            f"metabench: {plain(one_line, len(one_line))}", err=True
        )  # it may quote a record, which is anybody's


def _output_failed(error: OSError) -> int:
    _drop_output()
    return _failed(f"cannot write to standard output: {error.strerror}; files and records are not affected", RUN_ERROR)


def _drop_output() -> None:
    """So that the interpreter's own flush at its end finds no trouble."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _unexpected(error: Exception) -> int:
    if os.environ.get(TRACEBACK):
        raise error
    last = traceback.extract_tb(error.__traceback__)[-1]
    return _failed(
        f"unexpected {type(error).__name__} in {Path(last.filename).name}, line {last.lineno}: {str(error)[:300]}; "
        f"please report it with the traceback that {TRACEBACK}=1 shows",
        RUN_ERROR,
    )


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("metabench"), message="metabench %(version)s")
def cli() -> None:
    """Few-shot and transfer learning, measured: the same tasks for every learner, with intervals.

    \b
    metabench run --learner maml --ways 3 --shots 5      train, score on unseen classes, write a record
    metabench leaderboard                                all records in one table
    metabench list learners                              what there is, with every option and default
    """


@cli.command()
@click.option("--learner", help="A name of `metabench list learners`, or package.module:Class.  [default: protonet]")
@data_settings
@click.option("--set", "options", multiple=True, metavar="KEY=VALUE", help="An option of the learner; repeatable.")
@click.option("--backbone", help="Short for --set backbone=NAME.")
@click.option("--steps", type=int, help="Short for --set steps=N: the training budget.")
@click.option("--tasks", type=click.Path(path_type=Path), help="Test on the tasks of a file of `episodes freeze`.")
@click.option("--episodes", type=int, help="Test tasks.  [default: 600, or all of a list]")
@click.option(
    "--until-interval", type=float, metavar="POINTS", help="Test until the interval is ± this; --episodes is the most."
)
@click.option("--validation-episodes", type=int, help="Validation tasks, each time.  [default: 100]")
@click.option("--seed", type=int, help="Of weights and training order.  [default: 0]")
@click.option("--device", help="auto, cpu or cuda.  [default: auto]")
@click.option("--precision", help="Of training: auto, float32 or bfloat16 (mixed).  [default: auto]")
@click.option("--threads", type=int, help="CPU threads.  [default: all cores]")
@click.option("--output", type=click.Path(path_type=Path), help="Folder for the run's folder.  [default: results]")
@click.option("--tensorboard", is_flag=True, default=None, help="Log to TensorBoard files in the run's folder too.")
@click.option("--mlflow", is_flag=True, default=None, help="Log to MLflow too, where MLFLOW_TRACKING_URI says.")
@click.option("--config", type=click.Path(path_type=Path), help="YAML file of these settings; the command line wins.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint of the same, interrupted run.")
def run(
    options: tuple[str, ...],
    backbone: str | None,
    steps: int | None,
    config: Path | None,
    resume: bool,
    **settings: Any,
) -> None:
    """Train a learner, score it on unseen classes, write a record.

    Without --steps the learner's default budget for the dataset holds (`metabench list learners`).
    """
    from metabench.board.standing import standing
    from metabench.cli.config_file import read_config_file
    from metabench.config import make_config
    from metabench.experiment.runner import run_config
    from metabench.reports.summary import summary

    values = read_config_file(config) if config else {}
    values.update(given(settings))
    pairs = options + tuple(f"{name}={value}" for name, value in given({"backbone": backbone, "steps": steps}).items())
    values["options"] = {**values.get("options", {}), **_parse_options(pairs)}
    record = run_config(make_config(**values), resume=resume)
    place = standing(record, record.config.output.output)
    click.echo(summary(record) + (f"\n  {place}" if place else ""))
    click.echo(f"record: {record.config.output.output / record.id}")


@cli.group("episodes", cls=Group)
def episodes_() -> None:
    """Draw a task, or freeze test tasks to a file."""


@episodes_.command()
@data_settings
@click.option("--episodes", type=int, help="How many.  [default: 600, or as many as there are]")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The file, e.g. tasks.parquet.")
def freeze(output: Path, **settings: Any) -> None:
    """Write test tasks to a file, for `metabench run --tasks` here and elsewhere."""
    from metabench.experiment.data import freeze as write

    manifest = write(output, **given(settings))
    click.echo(f"wrote {len(manifest.episodes)} tasks of {manifest.bank} to {output} (digest {manifest.digest[:8]})")


@cli.command()
@data_settings
@click.option("--tasks", type=click.Path(path_type=Path), help="Draw a task of this file of `episodes freeze`.")
@click.option("--episode", type=click.IntRange(0, 2**53), default=0, show_default=True, help="The task's number.")
@click.option("--run", "run_folder", type=click.Path(path_type=Path), help="A run's folder: draw its predictions too.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The picture: .png, .pdf or .svg.")
def show(episode: int, run_folder: Path | None, output: Path, **settings: Any) -> None:
    """Draw one test task, and a trained learner's predictions for it.

    With --run, dataset and task are those of the run unless given.
    """
    from metabench.rerun.show import show as draw

    draw(output, episode, run_folder, **given(settings))
    click.echo(f"wrote {output}")


episodes_.add_command(show)
cli.add_command(data)
for command in cli_records.COMMANDS:
    cli.add_command(command)


@cli.command("list")
@click.argument("what", metavar="learners|datasets|backbones")
def list_(what: str) -> None:
    """Show learners with their options, datasets, or backbones."""
    from episodes.errors import nearest
    from metabench.cli import listings

    kinds = {"learners": listings.learners, "datasets": listings.datasets, "backbones": listings.backbones}
    if what not in kinds:
        advice = nearest(what, kinds) or f"; there are {', '.join(kinds)}"
        raise click.UsageError(f"there is no list of '{what}'{advice}")
    click.echo(kinds[what]())


def _parse_options(pairs: tuple[str, ...]) -> dict[str, str]:
    parsed = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.UsageError(f"--set {pair} is not KEY=VALUE, e.g. --set inner_steps=5")
        if key.replace("-", "_") in parsed:
            raise click.UsageError(f"--set {key} comes twice; leave one of them out")
        parsed[key.replace("-", "_")] = value
    return parsed


if __name__ == "__main__":
    main()
