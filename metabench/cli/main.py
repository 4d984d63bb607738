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
from itertools import pairwise
from pathlib import Path

import click

from metabench.cli import records as cli_records
from metabench.cli.check import check
from metabench.cli.data import data
from metabench.cli.episodes import episodes, show
from metabench.cli.new_learner import new_learner
from metabench.cli.options import RUN_ERROR, TRACEBACK, USAGE_ERROR, Group, ReaderLeft
from metabench.cli.predict import predict
from metabench.cli.pretrain import pretrain
from metabench.cli.run import run
from metabench.cli.suite import suite
from metabench.cli.sweep import sweep
from metabench.escape import plain
from metabench.experiment.memory import keep_freed_memory
from metabench.training.signals import Stop


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every error is one line on standard error, its exit code 2 (request) or 1 (run)."""
    _open_streams()
    if arguments is None:
        keep_freed_memory()
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
        return _called(arguments)
    except SystemExit as error:
        if error.code:
            return error.code if isinstance(error.code, int) else RUN_ERROR
        return _failed("a plug-in ended the program (sys.exit(0)), and nothing was made", RUN_ERROR)
    except click.ClickException as error:
        # Every rank of torchrun reads the same words, and the first says what is wrong with them.
        return error.exit_code if _launched()[0] else _failed(_advised(error), error.exit_code)
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
        from metabench.errors import TOO_LITTLE_MEMORY, OtherRankError, RunError, UsageError, is_memory

        if isinstance(error, OtherRankError):
            return RUN_ERROR
        if is_memory(error):
            return _failed(TOO_LITTLE_MEMORY, RUN_ERROR)
        if not isinstance(error, DataError | UsageError | RunError):
            return _unexpected(error)
        if os.environ.get(TRACEBACK):
            raise
        return _failed(str(error), RUN_ERROR if isinstance(error, RunError) else USAGE_ERROR)


def _advised(error: click.ClickException) -> str:
    """Its message; of an argument for which a command has no place, with where the options are listed."""
    message = error.format_message()
    if message.startswith("Got unexpected extra") and isinstance(error, click.UsageError) and error.ctx:
        return f"{message}; `{error.ctx.command_path} --help` lists what it takes"
    return message


def _called(arguments: list[str] | None) -> int:
    """The exit code of a command that ends well, or of a group that was given none and prints its help."""
    _refuse_empty(sys.argv[1:] if arguments is None else arguments)
    try:
        code = cli.main(arguments, prog_name="metabench", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return USAGE_ERROR
    sys.stdout.flush()
    return code if isinstance(code, int) else 0


OUTPUT_ERRORS = (errno.ENOSPC, errno.EBADF, errno.EIO)


def _open_streams() -> None:
    """A closed standard stream discards everything from here on: else the next opened file would take its place."""
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
    """An empty argument is mostly an unset variable of the shell; as a path it would be the current folder."""
    for before, word in pairwise(["", *words]):
        if not word or re.fullmatch("--[a-z-]+=", word):
            name = word.rstrip("=") or (before if before.startswith("-") and before != "--" else "an argument")
            raise click.UsageError(f"{name} is empty; give a value, or leave it out")


def _failed(message: str, code: int) -> int:
    rank, _ = _launched()
    _say(f"rank {rank}: {message}" if rank else message)
    return code


def _launched() -> tuple[int, int]:
    """See `metabench.ranks`."""
    if "WORLD_SIZE" not in os.environ:
        return 0, 1
    from metabench.ranks import launched  # imports torch, for which a mistyped option must not wait

    return launched()


def _say(message: str) -> None:
    one_line = re.sub(r"\S{400,}", lambda found: f"{found[0][:100]}...", " ".join(message.split()))
    with suppress(OSError):  # where there is nowhere to say it, the exit code says it
        # Made plain, since it may quote a record, which may come from anyone.
        click.echo(f"metabench: {plain(one_line, len(one_line))}", err=True)


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
@click.version_option(package_name="metabench", message="metabench %(version)s")
def cli() -> None:
    """Few-shot and transfer learning, measured: the same tasks for every learner, with intervals.

    \b
    metabench run --learner maml --ways 3 --shots 5      train, score on unseen classes, write a record
    metabench leaderboard                                all records in one table
    metabench list learners                              what there is, by family
    metabench list learners maml                         one in full: papers, options, presets
    """
    command = click.get_current_context().invoked_subcommand
    if command != "run" and _launched()[1] > 1:
        raise click.UsageError(f"{command} is one process, and torchrun starts several; only run takes them")


cli.add_command(run)
cli.add_command(sweep)
cli.add_command(suite)
cli.add_command(pretrain)
cli.add_command(episodes)
cli.add_command(show)
cli.add_command(predict)
cli.add_command(data)
cli.add_command(check)
cli.add_command(new_learner)
for command in cli_records.COMMANDS:
    cli.add_command(command)


@cli.command("list")
@click.argument("what", metavar="learners|datasets|suites|backbones|objectives")
@click.argument("name", required=False)
def list_(what: str, name: str | None) -> None:
    """Show learners by family, datasets, suites of datasets, backbones, or objectives of pre-training.

    With the NAME of a learner, as in `list learners maml`: its papers with BibTeX, what it declares, its options and
    presets.
    """
    from episodes.errors import nearest
    from metabench.cli import learners, listings

    kinds = {
        "learners": learners.by_family,
        "datasets": listings.datasets,
        "suites": listings.suites,
        "backbones": listings.backbones,
        "objectives": listings.objectives,
    }
    if what not in kinds:
        advice = nearest(what, kinds) or f"; there are {', '.join(kinds)}"
        raise click.UsageError(f"there is no list of '{what}'{advice}")
    if name and what != "learners":
        raise click.UsageError(f"list {what} takes no name; found '{name}'; leave it out")
    click.echo(learners.in_full(name) if name else kinds[what]())


if __name__ == "__main__":
    main()
