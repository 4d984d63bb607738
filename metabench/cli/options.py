"""What the commands share: groups that name the nearest command, and the options that choose data and tasks."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

USAGE_ERROR, RUN_ERROR = 2, 1  # exit codes
TRACEBACK = "METABENCH_TRACEBACK"  # the environment variable with which errors show theirs


class OutputFile(click.Path):
    """A file to write, which is none of a run's own: those hold what no command makes again."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from metabench.records.record import RECORD_FILE

        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if (path.parent / RECORD_FILE).is_file():
            from metabench.records.bundle import MOST_BYTES_OF

            if path.name in MOST_BYTES_OF:
                self.fail(f"'{path}' is a file of a run, which would be lost; name another", param, ctx)
        return path


class ReaderLeft(Exception):  # noqa: N818 - not an error: a reader such as `head` has seen enough
    """The reader of a pipe has closed it. Click would end the program as a failure."""


class Group(click.Group):
    """A group that for an unknown command names the one of another group, or the nearest of its own."""

    def make_context(self, *arguments: Any, **settings: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **settings)  # prints --help
        except BrokenPipeError:
            raise ReaderLeft from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise ReaderLeft from None

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        from episodes.errors import nearest

        if args and self.get_command(context, args[0]) is None:
            commands, top = self.list_commands(context), context.find_root().command
            elsewhere = [path for path in _paths(top) if path.split()[-1] == args[0]]
            meant = f"; did you mean '{elsewhere[0]}'?" if elsewhere else nearest(args[0], commands)
            advice = meant or f"; there are {', '.join(commands)}"
            raise click.UsageError(f"there is no command '{args[0]}'{advice}")
        return super().resolve_command(context, args)


def _paths(group: click.Command, above: str = "metabench") -> Iterator[str]:
    """`metabench episodes freeze`, and so on for every command in a group."""
    for name, command in group.commands.items() if isinstance(group, click.Group) else ():
        yield f"{above} {name}"
        yield from _paths(command, f"{above} {name}")


def with_options(command: Any, options: Sequence[Callable[[Any], Any]]) -> Any:
    """The command with these options of click's, in this order."""
    return functools.reduce(lambda made, option: option(made), reversed(options), command)


def data_settings(command: Any) -> Any:
    """The options that choose data and task, shared by the commands that draw episodes."""
    options = [
        click.option("--dataset", help="A name of `metabench list datasets`.  [default: glyphs]"),
        click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the dataset's files."),
        click.option("--split", help="Class split: a name that the dataset has, or a JSON file of class names."),
        click.option(
            "--test-dataset", help="Test on the test classes of another dataset. Training stays on --dataset."
        ),
        click.option("--test-split", help="Class split of --test-dataset; all: test on every class that it has."),
        click.option("--image-size", type=int, help="Resize images to this height and width, 16 to 1024."),
        click.option("--channels", type=int, help="1 for grey, 3 for colour."),
        click.option(
            "--max-tokens",
            type=int,
            help="Cut texts after so many tokens, 8 to 512. It is 128 unless given, 384 of questions.",
        ),
        click.option("--across", help="What support and queries differ in: styles, of emoji."),
        click.option("--ways", type=int, help="Classes per task.  [default: 5]"),
        click.option("--shots", type=int, help="Labelled (support) items per class.  [default: 1]"),
        click.option("--queries", type=int, help="Items to classify per class.  [default: 15]"),
        click.option(
            "--task",
            help="fixed; variable: ways, shots and imbalance drawn per task, as in Meta-Dataset; or all-way: all "
            "classes, --shots of each from the training split, the test split as queries.  [default: fixed]",
        ),
        click.option("--groups", help="any classes, all within one group, or each across another.  [default: any]"),
        click.option(
            "--imbalance", help="Shots per class: none (all alike), step or dirichlet. --shots is then the mean."
        ),
        click.option(
            "--query-imbalance",
            help="Queries per class: none (all alike), or drawn for each task: dirichlet (of concentration 2) or "
            "dirichlet:ALPHA. --queries is then the mean.",
        ),
        click.option("--label-noise", type=float, help="Fraction of wrong support labels, up to 0.5."),
        click.option("--unlabelled", type=int, help="Items per class in a pool without labels."),
        click.option("--distractors", type=int, help="Further classes that are only in that pool."),
        click.option(
            "--disjoint",
            is_flag=True,
            default=None,
            help="No item is in two test tasks. There are as many tasks as the items allow.",
        ),
        click.option("--train-task", multiple=True, help="Train on the task of these classes: A,B,C. Repeatable."),
        click.option(
            "--test-task", multiple=True, help='Test on the task of these classes: A,B,C or A,"B, C". Repeatable.'
        ),
        click.option("--test-seed", type=int, help="Seed of the test tasks; the same for every learner.  [default: 0]"),
    ]
    return with_options(command, options)


def learner_settings(command: Any) -> Any:
    """The options that choose a learner, shared by the commands that train one."""
    options = [
        click.option(
            "--learner", help="A name of `metabench list learners`, or package.module:Class.  [default: protonet]"
        ),
        click.option(
            "--set", "options", multiple=True, metavar="KEY=VALUE", help="Set an option of the learner. Repeatable."
        ),
        click.option("--backbone", help="Short for --set backbone=NAME."),
        click.option("--weights", help="Short for --set weights=FILE: a file of `metabench pretrain` to begin with."),
        click.option("--steps", type=int, help="Short for --set steps=N: the training budget."),
    ]
    return with_options(command, options)


def of_learner(options: tuple[str, ...], **short: str | int | None) -> dict[str, str]:
    """The learner's options by name, of the words of --set and those that are short for some."""
    return parse_options(options + tuple(f"{name}={value}" for name, value in given(short).items()))


def given(settings: dict[str, Any]) -> dict[str, Any]:
    """Those settings that the user gave."""
    return {name: value for name, value in settings.items() if value is not None and value != ()}


def refuse_given(names: Sequence[str], why: str) -> None:
    """Raise click.UsageError, which ends with `why`, if one of these options of the command was given."""
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} {why}; leave it out")


def terminal() -> tuple[int, bool]:
    """How many columns the terminal has, and whether it shows colours and they are wanted (https://no-color.org)."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return shutil.get_terminal_size((80, 24)).columns, sys.stdout.isatty() and wanted


def parse_options(pairs: tuple[str, ...]) -> dict[str, str]:
    """Options by name, of the words KEY=VALUE that --set was given."""
    parsed = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.UsageError(f"--set {pair} is not KEY=VALUE, e.g. --set inner_steps=5")
        if key.replace("-", "_") in parsed:
            raise click.UsageError(f"--set {key} comes twice; leave one of them out")
        parsed[key.replace("-", "_")] = value
    return parsed
