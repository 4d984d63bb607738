"""docs/cli-reference.md, from the commands: `python -m metabench.cli.reference > docs/cli-reference.md`."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from metabench.cli.main import cli


def reference() -> str:
    """The page: every command with its arguments and options, in the order of `--help`."""
    made = "This page is made from the commands themselves by `python -m metabench.cli.reference`."
    parts = [f"# Commands and options\n\n{made}"]
    parts += [section(path, command) for path, command in commands(cli, "metabench")]
    return "\n\n".join(parts) + "\n"


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with its whole name."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def section(path: str, command: click.Command) -> str:
    """One command: its usage, its help, a row per option."""
    context = click.Context(command, info_name=path, help_option_names=cli.context_settings["help_option_names"])
    usage = " ".join(command.collect_usage_pieces(context))
    rows = [row for parameter in command.get_params(context) if (row := option_row(parameter, context))]
    table = "\n".join(["| Option | |", "|---|---|", *rows])
    text = "\n\n".join(" ".join(each.split()) for each in (command.help or "").split("\n\n"))
    return f"## {path}\n\n```text\n{path} {usage}\n```\n\n{text}\n\n{table}"


def option_row(parameter: click.Parameter, context: click.Context) -> str | None:
    record = parameter.get_help_record(context)
    if record is None:
        return None
    names, text = record
    escaped = re.sub(r"([|\[])", r"\\\1", " ".join(text.split()))  # of a table, and of links
    return f"| `{names}` | {escaped} |"


if __name__ == "__main__":
    click.echo(reference(), nl=False)
