"""`metabench check`."""

from __future__ import annotations

import os
import sys
import traceback

import click

from metabench.cli.options import RUN_ERROR, TRACEBACK, parse_options


@click.command()
@click.argument("learner", metavar="LEARNER")
@click.option("--set", "options", multiple=True, metavar="KEY=VALUE", help="Set an option of the learner. Repeatable.")
def check(learner: str, options: tuple[str, ...]) -> None:
    """Hold a learner to its contract, point by point, on small made tasks of each kind of data that it takes.

    LEARNER is a name of `metabench list learners`, or package.module:Class. The exit code is 1 if a point is
    broken. `metabench.checks.check_learner` is the same for a test.
    """
    from metabench.checks import ContractError, Verdict, verdicts
    from metabench.registry import get_learner, parsed_options
    from metabench.reports import contract

    learner_class = get_learner(learner)
    asked = parse_options(options)
    parsed = parsed_options(f"learner '{learner}'", learner_class.Options, {}, dict(asked))
    click.echo(f"{learner} ({learner_class.__module__}:{learner_class.__qualname__})")
    found: list[Verdict] = []
    for verdict in verdicts(learner_class, **{name: getattr(parsed, name) for name in asked}):
        if not found or found[-1].kind != verdict.kind:
            click.echo(f"\non {verdict.kind}")
        click.echo(contract.line(verdict, learner_class))
        if verdict.error and not isinstance(verdict.error, ContractError) and os.environ.get(TRACEBACK):
            traceback.print_exception(verdict.error)
        found.append(verdict)
    click.echo(f"\n{contract.total(found)}")
    if any(verdict.error for verdict in found):
        sys.exit(RUN_ERROR)
