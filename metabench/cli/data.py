"""`metabench data`: datasets and their files."""

from __future__ import annotations

from pathlib import Path

import click

from metabench.cli.options import Group


@click.group(cls=Group)
def data() -> None:
    """What datasets there are, whether their files are here, and fetching them."""


@data.command("list")
def list_data() -> None:
    """Every dataset with its source, licence, split and the files it is read from."""
    from metabench.cli.listings import sources

    click.echo(sources())


@data.command()
@click.argument("name")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the dataset's files.")
@click.option("--split", help="Class split: a name the dataset knows, or a JSON file of class names.")
def classes(name: str, data_root: Path | None, split: str | None) -> None:
    """The names of a dataset's classes in each split, e.g. for --train-task and --test-task."""
    from episodes import DataOptions
    from metabench.cli import listings

    click.echo(listings.classes(name, DataOptions(data_root, split)))


@data.command()
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the datasets' files.")
def status(data_root: Path | None) -> None:
    """Where each dataset's files are, or what is missing; how large the cache is."""
    from episodes import DataOptions
    from metabench.cli import listings

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
    from episodes.files.cache import clear_cache
    from episodes.places import made_folder
    from metabench.cli.listings import how_much

    click.echo(f"removed {how_much(clear_cache())} from '{made_folder()}'; downloads stay in '{DataOptions().folder}'")
