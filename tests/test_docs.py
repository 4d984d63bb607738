"""The pages say what is there: every command, option, learner, dataset and figure."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pandas as pd
import pytest

from episodes.datasets import dataset_names, usage
from metabench.backbone import backbone_names
from metabench.board.columns import COLUMNS
from metabench.board.rows import entries
from metabench.board.text import csv
from metabench.cli.main import cli, main
from metabench.records.runs import read_runs
from metabench.registry import get_learner, learner_names
from tests.conftest import PROJECT

README = (PROJECT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RESULTS = PROJECT / "results" / "reference"
SHELL = [line for block in re.findall(r"```bash\n(.*?)```", README + CONTRIBUTING, re.S) for line in block.splitlines()]
CALLS = [call for line in SHELL for call in line.split("&&") if call.strip().startswith("metabench ")]


def commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield prefix + name, command


def test_readme_names_every_command_and_option() -> None:
    for name, command in commands(cli):
        assert f"`metabench {name}" in README, name
        for parameter in command.params:
            for option in parameter.opts if isinstance(parameter, click.Option) else ():
                assert f"`{option}" in README, f"{name} {option}"


def test_readme_names_every_learner_option_dataset_and_backbone() -> None:
    for name in learner_names():
        for item in fields(get_learner(name).Options):
            assert f"`{item.name}`" in README, f"{name} {item.name}"
    for name in [*learner_names(), *map(usage, dataset_names()), *backbone_names()]:
        assert f"`{name}`" in README, name


def test_readme_explains_the_leaderboards_columns() -> None:
    rows = "\n".join(f"| `{name}` | {text} |" for name, text in COLUMNS.items())
    assert rows in README


@pytest.mark.parametrize("line", CALLS)
def test_the_commands_that_are_shown_are_understood(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    name, command = next((name, each) for name, each in commands(cli) if words[: name.count(" ") + 1] == name.split())
    command.make_context(name, words[name.count(" ") + 1 :])


def test_the_commands_are_found() -> None:
    assert sum("metabench run" in call for call in CALLS) >= 2
    assert sum("metabench compare" in call for call in CALLS) >= 2


@pytest.mark.parametrize("line", [call for call in CALLS if "metabench compare" in call])
def test_comparisons_come_out_as_shown(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(PROJECT)
    words = []
    for word in shlex.split(line)[1:]:
        words += sorted(map(str, Path().glob(word))) if "*" in word else [word]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() in README


def test_the_plug_in_is_the_one_that_the_tests_install() -> None:
    plugin = PROJECT / "tests" / "plugin"
    assert (plugin / "nearest_shot.py").read_text(encoding="utf-8").strip() in README
    shown = re.sub(r"(?m)^   ", "", CONTRIBUTING)
    assert (plugin / "pyproject.toml").read_text(encoding="utf-8").strip() in shown


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    command = (PROJECT / ".ci" / "run").read_text(encoding="utf-8").strip().splitlines()[-1]
    assert command in README
    assert command in CONTRIBUTING


def test_the_leaderboard_is_made_of_the_records() -> None:
    runs, problems = read_runs(RESULTS)
    assert not problems
    rows = entries(runs)
    assert (RESULTS / "leaderboard.csv").read_text(encoding="utf-8") == csv(rows)


def test_readmes_figures_are_the_leaderboards() -> None:
    table = pd.read_csv(RESULTS / "leaderboard.csv")
    figures = {f"{row.mean:.2f} ± {row.half_width:.2f}" for row in table.itertuples()}
    figures |= {f"{row.mean:.4f} ± {row.half_width:.4f}" for row in table.itertuples()}
    shown = set(re.findall(r"\d+\.\d+ ± \d+\.\d+", README.split("## Results")[1].split("## What")[0]))
    assert shown
    assert shown <= figures


def test_results_names_every_record() -> None:
    page = (RESULTS.parent / "README.md").read_text(encoding="utf-8")
    for path in RESULTS.glob("*/record.json"):
        assert f"`{path.parent.name}`" in page, path.parent.name
