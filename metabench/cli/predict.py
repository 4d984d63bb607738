"""`metabench predict`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.argument("queries", metavar="[QUERY]...", nargs=-1)
@click.option(
    "--support",
    type=click.Path(path_type=Path),
    required=True,
    help="Labelled examples. Texts: .csv or .jsonl with text and label, or a folder of .txt files per class. Pictures: "
    "a folder of class folders.",
)
@click.option(
    "--queries",
    "file",
    type=click.Path(path_type=Path),
    help="Texts: .txt with one on each line, or .csv or .jsonl with a column text. Pictures: a picture or a folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of a table.")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the run's data, where they are needed.")
@click.option("--weights", type=click.Path(path_type=Path), help="The file of weights that the run began with.")
@click.option("--device", default="auto", help="auto, cpu or cuda.  [default: auto]")
def predict(
    run_folder: Path,
    queries: tuple[str, ...],
    support: Path,
    file: Path | None,
    as_json: bool,
    data_root: Path | None,
    weights: Path | None,
    device: str,
) -> None:
    """Teach a trained learner your own classes by a few examples, and predict the labels of queries.

    RUN_FOLDER is a finished run with its weights (learner.pt). QUERY is a text; if the run is of pictures, a picture or
    a folder of them. Give 2 classes or more, with any number of examples each; MAML takes as many classes as in its
    run. A confidence is the probability of the prediction, by the temperature that the run fitted on its validation
    tasks. On classes that are unlike those it may be too high.
    """
    if bool(queries) == bool(file):
        raise click.UsageError(
            "give the queries either as arguments or by --queries, and not both ways"
            if file
            else "there are no queries; give them as arguments, or a file of them by --queries"
        )
    from metabench.rerun.predict import predict as classify

    table = classify(run_folder, support, file or queries, device, data_root, weights)
    click.echo(json.dumps(table.to_dict("records"), indent=2) if as_json else printable(table))


def printable(table: pd.DataFrame) -> str:
    """A line for each query, within the terminal's width: prediction, confidence, and what was asked."""
    from metabench.escape import cells, readable, shortened

    columns = shutil.get_terminal_size((80, 24)).columns
    labels = [shortened(readable(label), max(12, columns // 3)) for label in table["prediction"]]
    width = max(map(cells, ["prediction", *labels]))
    lines = [f"{'prediction':{width}}  confidence  query"]
    for label, confidence, query in zip(labels, table["confidence"], table["query"], strict=True):
        left = max(20, columns - width - 14)
        lines.append(f"{label}{' ' * (width - cells(label))}  {confidence:10.1%}  {shortened(readable(query), left)}")
    return "\n".join(lines)
