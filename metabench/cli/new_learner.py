"""`metabench new-learner`: a package to begin from, of the files in `templates`."""

from __future__ import annotations

import keyword
import re
import shlex
import tempfile
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

import click

FILES = {
    "pyproject.toml.txt": "pyproject.toml",
    "README.md.txt": "README.md",
    "learner.py.txt": "$name.py",
    "test_learner.py.txt": "tests/test_$name.py",
}
LONGEST = 50  # characters of a name, which is that of files, too


@click.command("new-learner")
@click.argument("name")
@click.option("--output", type=click.Path(path_type=Path), help="Folder to write. It must not exist.  [default: NAME]")
def new_learner(name: str, output: Path | None) -> None:
    """Write an installable package with a learner that works, its tests and a README.

    NAME is the learner's name and its module's, e.g. class_mean.
    """
    _check_name(name)
    folder = output or Path(name)
    if folder.exists() or folder.is_symlink():
        raise click.UsageError(f"'{folder}' is there already; choose another --output")
    try:
        _write(name, folder)
    except OSError as error:
        raise click.UsageError(
            f"cannot write --output '{folder}': {error.strerror or error}; choose a folder that can be written"
        ) from None
    click.echo(f"wrote '{folder}'; next: pip install -e {shlex.quote(str(folder))} && metabench check {name}")


def _check_name(name: str) -> None:
    known = {*keyword.kwlist, *re.findall(r"\w+", " ".join(re.findall(r"import (.+)", _template("learner.py.txt"))))}
    fits = re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) and len(name) <= LONGEST
    if not fits or {name, _class_name(name)} & known:
        raise click.UsageError(
            f"'{name}' cannot be the name of a learner's module; give lower-case letters, digits and single "
            "underscores, a letter first, and no word of Python, e.g. class_mean"
        )
    from episodes.plugins import plugin_names

    if name in plugin_names("metabench.learners"):
        raise click.UsageError(f"learner '{name}' is registered already; choose another name")
    found = find_spec(name)
    if found and found.origin:  # else a folder of that name
        raise click.UsageError(
            f"there is a module '{name}' already, which would hide the learner's; choose another name"
        )


def _class_name(name: str) -> str:
    return name.title().replace("_", "")


def _template(name: str) -> str:
    return (files("metabench.cli") / "templates" / name).read_text(encoding="utf-8")


def _write(name: str, folder: Path) -> None:
    """The folder appears whole or not at all."""
    words = {"name": name, "project": name.replace("_", "-"), "class_name": _class_name(name)}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        made = Path(temporary) / "made"
        for template, path in FILES.items():
            target = made / Template(path).substitute(words)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(Template(_template(template)).substitute(words), encoding="utf-8")
        made.rename(folder)
