"""The command line: arguments to RunConfig, errors to exit codes, nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import click

USAGE_ERROR, RUN_ERROR = 2, 1


class Group(click.Group):
    """A group that for an unknown command names the one of another group, or the nearest of its own."""

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        from episodes.errors import nearest

        if args and self.get_command(context, args[0]) is None:
            commands, top = self.list_commands(context), context.find_root().command
            elsewhere = [path for path in _paths(top) if path.split()[-1] == args[0]]
            meant = f"; did you mean '{elsewhere[0]}'?" if elsewhere else nearest(args[0], commands)
            raise click.UsageError(f"there is no command '{args[0]}'{meant}; there are {', '.join(commands)}")
        return super().resolve_command(context, args)


def _paths(group: click.Command, above: str = "metabench") -> Iterator[str]:
    """`metabench episodes freeze`, and so on for every command in a group."""
    for name, command in group.commands.items() if isinstance(group, click.Group) else ():
        yield f"{above} {name}"
        yield from _paths(command, f"{above} {name}")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every error is one line on standard error, its exit code 2 (request) or 1 (run)."""
    try:
        code = cli.main(arguments, prog_name="metabench", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(USAGE_ERROR)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", 130)
    except (ValueError, RuntimeError) as error:
        # Imported here, because a mistyped option must not wait for torch; these are raised only where it is loaded.
        from episodes.errors import DataError
        from metabench.errors import RunError, UsageError

        if not isinstance(error, DataError | UsageError | RunError):
            raise
        _fail(str(error), RUN_ERROR if isinstance(error, RunError) else USAGE_ERROR)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> None:
    click.echo(f"metabench: {' '.join(message.split())}", err=True)
    sys.exit(code)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("metabench"), message="metabench %(version)s")
def cli() -> None:
    """Few-shot and transfer learning, measured: the same tasks for every learner, with intervals.

    \b
    metabench run --learner maml --ways 3 --shots 5      train, score on unseen classes, write a record
    metabench leaderboard                                all records in one table
    metabench list learners                              what there is, with every option and default
    """


def data_settings(command: Any) -> Any:
    """The options that choose data and task, shared by the commands that draw episodes."""
    options = [
        click.option("--dataset", help="See `metabench list datasets`.  [default: glyphs]"),
        click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the dataset's files."),
        click.option("--split", help="Class split: a name the dataset knows, or a JSON file of class names."),
        click.option("--test-dataset", help="Test on the test classes of another dataset; trained on --dataset."),
        click.option("--test-split", help="Class split of --test-dataset."),
        click.option("--image-size", type=int, help="Resize images to this height and width, 16 to 1024."),
        click.option("--channels", type=int, help="1 for grey, 3 for colour."),
        click.option("--ways", type=int, help="Classes a task.  [default: 5]"),
        click.option("--shots", type=int, help="Labelled (support) images a class.  [default: 1]"),
        click.option("--queries", type=int, help="Images to classify a class.  [default: 15]"),
        click.option("--task", help="fixed, or variable: Meta-Dataset's ways, shots and imbalance.  [default: fixed]"),
        click.option("--groups", help="Classes of any group, all within one, or each across.  [default: any]"),
        click.option("--imbalance", help="Of the support: none, step or dirichlet; --shots is then the mean."),
        click.option("--label-noise", type=float, help="Fraction of the support's labels that are wrong, up to 0.5."),
        click.option("--unlabelled", type=int, help="Images a class in a pool without labels."),
        click.option("--distractors", type=int, help="Further classes that only that pool has."),
        click.option(
            "--disjoint", is_flag=True, default=None, help="Test tasks that share no image, as many as can be."
        ),
        click.option("--train-task", multiple=True, help="Train on tasks of these classes, A,B,C; repeatable."),
        click.option("--test-task", multiple=True, help="Test on tasks of these classes, A,B,C; repeatable."),
        click.option("--test-seed", type=int, help="Which test tasks; the same for every learner.  [default: 0]"),
    ]
    for each in reversed(options):
        command = each(command)
    return command


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
    from metabench.config import make_config, read_config_file
    from metabench.experiment import run_config
    from metabench.summary import summary

    values = read_config_file(config) if config else {}
    values.update(_given(settings))
    shorthand = _given({"backbone": backbone, "steps": steps})
    values["options"] = {**values.get("options", {}), **_parse_options(options), **shorthand}
    record = run_config(make_config(**values), resume=resume)
    click.echo(f"{summary(record)}\nrecord: {record.config.output / record.id}")


@cli.group("episodes", cls=Group)
def episodes_() -> None:
    """Draw a task, or freeze test tasks to a file."""


@episodes_.command()
@data_settings
@click.option("--episodes", type=int, help="How many.  [default: 600, or as many as there are]")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The file, e.g. tasks.parquet.")
def freeze(output: Path, **settings: Any) -> None:
    """Write test tasks to a file, for `metabench run --tasks` here and elsewhere."""
    from metabench.tasks import freeze as write

    manifest = write(output, **_given(settings))
    click.echo(f"wrote {len(manifest.episodes)} tasks of {manifest.bank} to {output} (digest {manifest.digest[:8]})")


@cli.command()
@data_settings
@click.option("--tasks", type=click.Path(path_type=Path), help="Draw a task of this file of `episodes freeze`.")
@click.option("--episode", type=click.IntRange(0, 2**53), default=0, show_default=True, help="The task's number.")
@click.option("--run", "run_folder", type=click.Path(path_type=Path), help="A run's folder: draw its answers too.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The picture: .png, .pdf or .svg.")
def show(episode: int, run_folder: Path | None, output: Path, **settings: Any) -> None:
    """Draw one test task, and a trained learner's answers to it.

    With --run, dataset and task are those of the run unless given.
    """
    from metabench.experiment import draw_task

    draw_task(output, episode, run_folder, **_given(settings))
    click.echo(f"wrote {output}")


episodes_.add_command(show)


@cli.command()
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Draw it to this picture too: .png, .pdf or .svg."
)
def inspect(run_folder: Path, output: Path | None) -> None:
    """Show what a run's answers say: calibration, worst classes, groups, what is taken for what."""
    from metabench.inspection import inspect as describe

    click.echo(describe(run_folder, output))
    if output:
        click.echo(f"\nwrote {output}")


@cli.command()
@click.argument("run_folders", metavar="RUN_FOLDER...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--shots", help="Support images a class, e.g. 1,2,5.  [default: those of 1,2,5,10,20 that there are]")
@click.option("--ways", help="Classes a task, e.g. 2,5,10, with the run's shots.  [default: none]")
@click.option("--gradient-steps", help="Steps on a task's support, e.g. 0,1,5, at each of --shots.  [default: none]")
@click.option("--episodes", type=click.IntRange(2), help="Test tasks of each.  [default: those of the run]")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the dataset's files.")
@click.option("--device", help="auto, cpu or cuda.  [default: auto]")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Draw all runs to this picture: .png, .pdf, .svg."
)
def curve(
    run_folders: tuple[Path, ...],
    shots: str | None,
    ways: str | None,
    gradient_steps: str | None,
    output: Path | None,
    **settings: Any,
) -> None:
    """Score a run's learner, as trained, on tasks of other shots and ways, or after other gradient steps.

    Beside the floors. Writes curve.csv and curve.png to the run's folder.
    """
    from metabench.curve import CURVE_FILE, CURVE_PICTURE, printable, run_curves

    texts = {"shots": shots, "ways": ways, "gradient_steps": gradient_steps}
    lists = _given({name: _numbers(name.replace("_", "-"), text) for name, text in texts.items()})
    for folder, table in zip(run_folders, run_curves(run_folders, output, **lists, **_given(settings)), strict=True):
        click.echo(printable(table))
        click.echo(f"wrote {folder / CURVE_FILE} and {folder / CURVE_PICTURE}")
    if output:
        click.echo(f"wrote {output}")


@cli.group(cls=Group)
def data() -> None:
    """What datasets there are, whether their files are here, and fetching them."""


@data.command("list")
def list_data() -> None:
    """Every dataset with its source, licence, split and the files it is read from."""
    from metabench.listings import sources

    click.echo(sources())


@data.command()
@click.argument("name")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the dataset's files.")
@click.option("--split", help="Class split: a name the dataset knows, or a JSON file of class names.")
def classes(name: str, data_root: Path | None, split: str | None) -> None:
    """The names of a dataset's classes in each split, e.g. for --train-task and --test-task."""
    from episodes import DataOptions
    from metabench import listings

    click.echo(listings.classes(name, DataOptions(data_root, split)))


@data.command()
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the datasets' files.")
def status(data_root: Path | None) -> None:
    """Where each dataset's files are, or what is missing; how large the cache is."""
    from episodes import DataOptions
    from metabench import listings

    click.echo(listings.status(DataOptions(data_root)))


@data.command()
@click.argument("name")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder to download to.")
def download(name: str, data_root: Path | None) -> None:
    """Fetch a dataset's files where their source allows it; else say which to put where."""
    from episodes import DataOptions
    from episodes.datasets import find

    found = find(name, DataOptions(data_root))
    click.echo(f"{name}: in '{found}'" if found else f"{name}: built in, nothing to download")


@data.command()
def clear() -> None:
    """Remove what was made of the datasets' files, such as decoded pictures; the files themselves stay."""
    from episodes import DataOptions
    from episodes.cache import clear_cache, made_folder
    from metabench.listings import how_much

    click.echo(f"removed {how_much(clear_cache())} from '{made_folder()}'; downloads stay in '{DataOptions().folder}'")


@cli.command()
@click.option(
    "--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="The folder."
)
@click.option("--csv", type=click.Path(path_type=Path), help="Write the table, a row a line.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Write a table for each dataset and task.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page with plots: one file, for any browser.")
@click.option("--dataset", multiple=True, help="Only this one; repeatable.")
@click.option("--ways", type=int, multiple=True, help="Only tasks of so many classes; repeatable.")
@click.option("--shots", type=int, multiple=True, help="Only tasks of so many labelled images a class; repeatable.")
@click.option("--transductive/--no-transductive", default=None, help="Only learners that look at several queries.")
@click.option("--outside-data/--no-outside-data", default=None, help="Only learners trained on other data.")
def leaderboard(results: Path, csv: Path | None, markdown: Path | None, html: Path | None, **filters: Any) -> None:
    """Rank all records, print the table, and write it to files.

    Without --csv, --markdown and --html all records go to leaderboard.csv in --results. A record that cannot be used
    is named; the others are ranked all the same, and the exit code is 1.
    """
    from episodes.cache import write_atomically
    from metabench import leaderboard as board
    from metabench import tables
    from metabench.escape import plain
    from metabench.filter import Filter
    from metabench.report import page

    runs, problems = board.read_runs(results)
    wanted = _given(filters)
    targets = {tables.csv: csv, tables.markdown: markdown, page: html}
    if not any(targets.values()) and not wanted:
        targets[tables.csv] = results / "leaderboard.csv"
    if runs:
        rows = board.entries(Filter(**wanted).keep(runs))
        click.echo(board.printable(board.frame(rows)))
        for make, target in targets.items():
            if target:
                content = make(rows).encode()
                write_atomically(target, partial(_write, content))
                click.echo(f"wrote {target}")
    for problem in problems:
        click.echo(f"metabench: {plain(problem)}; it is left out", err=True)
    if problems:
        sys.exit(RUN_ERROR)


@cli.command()
@click.argument("records", metavar="A B [C ...]", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--diagram", type=click.Path(path_type=Path), help="Draw critical differences: .png, .pdf or .svg.")
def compare(records: tuple[Path, ...], diagram: Path | None) -> None:
    """Say which learner is better, and whether the difference is real.

    A, B and so on are run folders or their record.json, of the same test tasks. Runs that differ in
    the training seed alone are one learner. Several datasets or tasks make a ranking over them.
    """
    from metabench import contest

    found = contest.contests(records)
    ranking = contest.ranking(found) if diagram else None
    for each in found:
        describe = contest.describe_pair if len(each.scores) == 2 else contest.describe_table
        click.echo(describe(each) + ("\n" if len(found) > 1 else ""))
    if len(found) > 1:
        click.echo(contest.describe_ranking(found))
    if diagram and ranking:
        from metabench.diagram import draw_critical_differences

        draw_critical_differences(ranking, diagram)
        click.echo(f"wrote {diagram}")


@cli.command("list")
@click.argument("what", metavar="learners|datasets|backbones")
def list_(what: str) -> None:
    """Show learners with their options, datasets, or backbones."""
    from episodes.errors import nearest
    from metabench import listings

    kinds = {"learners": listings.learners, "datasets": listings.datasets, "backbones": listings.backbones}
    if what not in kinds:
        raise click.UsageError(f"there is no list of '{what}'{nearest(what, kinds)}; there are {', '.join(kinds)}")
    click.echo(kinds[what]())


def _write(content: bytes, file: IO[bytes]) -> None:
    file.write(content)


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None and value != ()}


def _numbers(name: str, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words):
        raise click.UsageError(f"--{name} {text} is not a list of numbers, e.g. --{name} 1,2,5")
    return tuple(dict.fromkeys(int(word) for word in words))


def _parse_options(pairs: tuple[str, ...]) -> dict[str, str]:
    parsed = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.UsageError(f"--set {pair} is not KEY=VALUE, e.g. --set inner_steps=5")
        parsed[key.replace("-", "_")] = value
    return parsed


if __name__ == "__main__":
    main()
