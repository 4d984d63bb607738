"""Commands about records: one of them, several, all."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from metabench.cli.options import RUN_ERROR, OutputFile, given, terminal
from metabench.errors import UsageError


@click.command()
@click.option(
    "--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="The folder."
)
@click.option(
    "--add",
    type=click.Path(path_type=Path),
    help="First copy the runs below this folder, or in this bundle, to --results.",
)
@click.option("--reference", is_flag=True, help="Put the reference records that ship with metabench among them.")
@click.option("--csv", type=OutputFile(), help="Write the table as CSV.")
@click.option("--markdown", type=OutputFile(), help="Write a table for each dataset and task.")
@click.option("--latex", type=OutputFile(), help="Write a booktabs table for each dataset and task.")
@click.option("--html", type=OutputFile(), help="Write a page with plots: one file, for any browser.")
@click.option("--dataset", multiple=True, help="Only this dataset. Repeatable.")
@click.option("--ways", type=int, multiple=True, help="Only tasks with this number of classes. Repeatable.")
@click.option("--shots", type=int, multiple=True, help="Only tasks with this number of shots. Repeatable.")
@click.option("--transductive/--no-transductive", default=None, help="Only learners that look at several queries.")
@click.option("--outside-data/--no-outside-data", default=None, help="Only learners trained on other data.")
@click.option(
    "--uncontaminated", is_flag=True, default=None, help="Only learners whose outside data lacked the test classes."
)
def leaderboard(
    results: Path,
    add: Path | None,
    reference: bool,
    csv: Path | None,
    markdown: Path | None,
    latex: Path | None,
    html: Path | None,
    **filters: Any,
) -> None:
    """Rank all records, print the table, and write it to files.

    Without --csv, --markdown, --latex, --html and --reference, the table of all records goes to leaderboard.csv in
    --results. A record that cannot be used is reported and skipped, and the exit code is then 1. Records that were
    added by --add are unverified, and have no rank until `metabench verify` has scored their weights again. Reference
    records are verified by the release.
    """
    from episodes.files.atomic import write_bytes
    from metabench.board import text as tables
    from metabench.board.latex import latex as latex_tables
    from metabench.board.page import page
    from metabench.board.rows import read_entries

    files = [file.resolve() for file in (csv, markdown, latex, html) if file]
    if len(set(files)) < len(files):
        raise UsageError("two of --csv, --markdown, --latex and --html name the same file; give each one of its own")
    refused = _add(add, results) if add else False
    if refused and not results.is_dir():
        sys.exit(RUN_ERROR)
    wanted = given(filters)
    rows, problems = read_entries(results, reference=reference, **wanted)
    targets = {tables.csv: csv, tables.markdown: markdown, latex_tables: latex, page: html}
    if not any(targets.values()) and not wanted and not reference:
        targets[tables.csv] = results / "leaderboard.csv"
    if rows:
        click.echo(tables.printable(rows, shutil.get_terminal_size((80, 24)).columns))
        for make, target in targets.items():
            if target:
                write_bytes(target, make(rows).encode())
                click.echo(f"wrote {target}")
    _say_skipped(problems)
    if refused or problems:
        sys.exit(RUN_ERROR)


def _add(theirs: Path, results: Path) -> bool:
    """Whether any of them was refused."""
    from metabench.records.submissions import add_records

    done = add_records(theirs, results)
    there = f"; {done.known} there already" if done.known else ""
    kinds = {"unverified": len(done.folders) - done.released, "verified by the release": done.released}
    counts = " and ".join(f"{count} {kind}" for kind, count in kinds.items() if count) or "none"
    click.echo(f"added records of '{theirs}' to '{results}': {counts}{there}")
    if kinds["unverified"]:
        click.echo(f"`metabench verify {done.folders[0]}` scores its weights again; so for each")
    _say_skipped(done.problems)
    return bool(done.problems)


def _say_skipped(problems: Sequence[str]) -> None:
    from metabench.escape import plain

    for problem in problems:
        click.echo(f"metabench: {plain(problem)}; it is skipped", err=True)


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=OutputFile(), help="The file, e.g. bundle.zip.")
def submit(runs: tuple[Path, ...], output: Path) -> None:
    """Put finished runs into one file for somebody else's leaderboard.

    RUN is a run's folder, or the record in it. The file has record, scores, predictions and weights of each, and their
    SHA-256. The receiver takes it by `metabench leaderboard --add` and scores it again by `metabench verify`.
    """
    from metabench.records.bundle import write_bundle

    manifest = write_bundle(runs, output)
    for name, files in manifest.runs.items():
        size = sum(file.bytes for file in files.values())
        click.echo(f"{name}: {len(files)} files of {size / 1e6:.1f} MB")
    click.echo(f"wrote {output}; its receiver runs `metabench leaderboard --add {output.name}`")


@click.command()
@click.argument("record", type=click.Path(path_type=Path))
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the dataset's files.")
@click.option("--tasks", type=click.Path(path_type=Path), help="The file of frozen tasks that it was tested on.")
@click.option("--weights", type=click.Path(path_type=Path), help="The file of weights that it began with.")
@click.option("--device", help="auto, cpu or cuda.  [default: auto]")
def verify(record: Path, **settings: Any) -> None:
    """Score a record's learner again on the same tasks: does it give the record's values?

    RECORD is a run's folder, or the record in it, with its weights (learner.pt). The exit code is 1 if the values
    differ. This runs the learner that the record names, from the packages that are installed here.
    """
    from metabench.rerun.verify import verify as score_again

    found = score_again(record, **given(settings))
    click.echo(found)
    if found.problems:
        sys.exit(RUN_ERROR)


@click.command()
@click.argument("record", type=click.Path(path_type=Path))
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the dataset's files.")
@click.option("--tasks", type=click.Path(path_type=Path), help="The file of frozen tasks that it was tested on.")
@click.option("--weights", type=click.Path(path_type=Path), help="The file of weights that it began with.")
@click.option("--device", help="auto, cpu or cuda.  [default: the record's]")
@click.option("--threads", type=int, help="CPU threads.  [default: the record's]")
@click.option("--output", type=click.Path(path_type=Path), help="Folder for the run's folder.  [default: results]")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint of an interrupted reproduction.")
def reproduce(record: Path, resume: bool, **settings: Any) -> None:
    """Train and score a record's configuration again: do the values agree?

    RECORD is a run's folder, or the record in it. The exit code is 1 if they differ by more than they should.
    """
    from metabench.rerun.reproduce import reproduce as run_again

    found = run_again(record, resume=resume, **given(settings))
    click.echo(f"{found}\nrecord: {found.folder}")
    if not found.agrees:
        sys.exit(RUN_ERROR)


@click.command()
@click.argument("records", metavar="A B [C ...]", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--reference", is_flag=True, help="Compare with the reference records of the same tasks, too.")
@click.option("--diagram", type=click.Path(path_type=Path), help="Draw critical differences: .png, .pdf or .svg.")
def compare(records: tuple[Path, ...], reference: bool, diagram: Path | None) -> None:
    """Say which learner is better, and whether the difference is significant.

    A, B and so on are run folders, or their record.json, of the same test tasks. Runs that differ only in the training
    seed are one learner. Give two seeds or more of each: one seed each only compares two networks, and so do two runs
    of one learner alone. Five datasets or more give a ranking over datasets.
    """
    from metabench.reports import compare as texts
    from metabench.reports import contest

    if reference:
        from metabench.records.reference import with_reference

        records = with_reference(records)
    found = contest.contests(records)
    ranking = contest.ranking(found) if diagram else None
    for each in found:
        describe = texts.describe_pair if len(each.scores) == 2 else texts.describe_table
        click.echo(describe(each) + ("\n" if len(found) > 1 else ""))
    if len(found) > 1:
        click.echo(texts.describe_ranking(found))
    if diagram and ranking:
        from metabench.pictures.charts import draw_critical_differences

        draw_critical_differences(ranking, diagram)
        click.echo(f"wrote {diagram}")


@click.command()
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=OutputFile(),
    help="Draw it to this picture too: .png, .pdf or .svg. Of texts also a page: .html.",
)
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the data of a run of texts.")
@click.option("--tasks", type=click.Path(path_type=Path), help="The file of frozen tasks that it was tested on.")
@click.option(
    "--weights", type=click.Path(path_type=Path), help="The file that a run of entities or answers began with."
)
def inspect(run_folder: Path, output: Path | None, **settings: Any) -> None:
    """Show what a run's predictions say: calibration, worst classes, groups, what is taken for what.

    Of a run of texts, whose data are read again, also the wrong queries of the highest confidence. Of entities and
    answers no predictions are kept: the learner is asked again.
    """
    from metabench.rerun.inspect import inspect as describe
    from metabench.texts.terminal import Terminal

    click.echo(describe(run_folder, output, Terminal(*terminal()), **given(settings)))
    if output:
        click.echo(f"\nwrote {output}")


@click.command("distillation-report")
@click.argument("records", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=OutputFile(), help="Draw accuracy against size: .png, .pdf or .svg.")
@click.option("--csv", type=OutputFile(), help="Write the table as CSV.")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the runs' data.")
@click.option("--tasks", type=click.Path(path_type=Path), help="The file of frozen tasks that they were tested on.")
@click.option("--weights", type=click.Path(path_type=Path), help="The file of weights that they began with.")
@click.option("--device", help="auto, cpu or cuda.  [default: auto]")
def distillation_report(records: tuple[Path, ...], output: Path | None, csv: Path | None, **settings: Any) -> None:
    """Compare teacher, student, and the student's network trained alone, on the same tasks.

    RUN is the folder of a run of a learner that has a teacher, such as distill, or the record in it. Accuracy and cost
    are those of the record; the trained networks (learner.pt) are asked again for their size on disk and for how often
    they predict as the teacher does. Runs that differ only in the training seed are one.
    """
    from episodes.files.atomic import write_bytes
    from metabench.reports.distillation import describe, table
    from metabench.rerun.distillation import reports

    found = reports(records, output, **given(settings))
    click.echo(describe(found))
    if csv:
        write_bytes(csv, table(found).to_csv(index=False).encode())
    for written in filter(None, (output, csv)):
        click.echo(f"wrote {written}")


@click.command()
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=OutputFile(),
    help="The file: .onnx or .safetensors.",
)
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the run's data, where they are needed.")
@click.option("--weights", type=click.Path(path_type=Path), help="The file of weights that the run began with.")
def export(run_folder: Path, output: Path, **settings: Any) -> None:
    """Write a run's trained embedding, of a distillation the student's, to a file for other programs.

    To .onnx goes a graph from inputs to features, checked by onnxruntime against torch; to .safetensors go the weights
    of the network alone.
    """
    from metabench.rerun.export import export as write

    click.echo(f"wrote {write(run_folder, output, **given(settings))}")


@click.command()
@click.argument("run_folders", metavar="RUN_FOLDER...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--shots", help="Support images per class, e.g. 1,2,5.  [default: those of 1,2,5,10,20 that there are]")
@click.option("--ways", help="Classes per task, e.g. 2,5,10, with the run's shots.  [default: none]")
@click.option("--gradient-steps", help="Steps on a task's support, e.g. 0,1,5, at each of --shots.  [default: none]")
@click.option("--episodes", type=click.IntRange(2), help="Test tasks of each.  [default: those of the run]")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the dataset's files.")
@click.option("--weights", type=click.Path(path_type=Path), help="The file of weights that they began with.")
@click.option("--device", help="auto, cpu or cuda.  [default: auto]")
@click.option("-o", "--output", type=OutputFile(), help="Draw all runs to this picture: .png, .pdf, .svg.")
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
    from metabench.records.reader import record_file
    from metabench.rerun.curve import CURVE_FILE, CURVE_PICTURE, curves, printable

    folders = [record_file(path).parent for path in run_folders]
    texts = {"shots": shots, "ways": ways, "gradient_steps": gradient_steps}
    lists = given({name: _numbers(name.replace("_", "-"), text) for name, text in texts.items()})
    for folder, table in zip(folders, curves(folders, output, **lists, **given(settings)), strict=True):
        click.echo(printable(table))
        click.echo(f"wrote {folder / CURVE_FILE} and {folder / CURVE_PICTURE}")
    if output:
        click.echo(f"wrote {output}")


def _numbers(name: str, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and len(word) < 10 for word in words):
        raise click.UsageError(f"--{name} {text:.60} is not a list of numbers, e.g. --{name} 1,2,5")
    return tuple(dict.fromkeys(int(word) for word in words))


COMMANDS = (leaderboard, compare, inspect, curve, distillation_report, export, submit, verify, reproduce)
