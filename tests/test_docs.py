"""The pages say what is there: every command, option, learner, dataset and figure."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import click
import pandas as pd
import pytest
import yaml

from episodes.datasets import dataset_names, usage
from metabench.backbone import backbone_names
from metabench.board.columns import COLUMNS
from metabench.board.rows import entries
from metabench.board.text import csv
from metabench.cli import reference as cli_reference
from metabench.cli.main import cli, main
from metabench.config import SETTINGS
from metabench.records.runs import read_runs
from metabench.registry import get_learner, learner_names
from tests.conftest import PROJECT

README = (PROJECT / "README.md").read_text(encoding="utf-8")
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((PROJECT / "docs").glob("*.md"))}
DOCS = "\n".join([README, *PAGES.values()])
CONTRIBUTING = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RESULTS = PROJECT / "results" / "reference"
SHELL = [line for block in re.findall(r"```bash\n(.*?)```", DOCS + CONTRIBUTING, re.S) for line in block.splitlines()]
CALLS = [call for line in SHELL for call in line.split("&&") if call.strip().startswith("metabench ")]


def test_the_reference_of_commands_is_made_from_them() -> None:
    assert PAGES["cli-reference.md"] == cli_reference.reference(), (
        "run python -m metabench.cli.reference > docs/cli-reference.md"
    )


def test_defaults_in_the_help_are_the_real_ones() -> None:
    """Those that are one value; others, as `all cores`, are chosen when a run starts."""
    checked = 0
    for name, command in cli_reference.commands(cli, "metabench"):
        for option in command.params if name in ("metabench run", "metabench episodes freeze") else ():
            said = re.search(r"\[default: ([^\], ]+)\]", getattr(option, "help", None) or "")
            if said and option.name in SETTINGS:
                assert said[1] == str(SETTINGS[option.name].default), f"{name} --{option.name}"
                checked += 1
    assert checked >= 15


def test_the_pages_name_every_learner_option_dataset_and_backbone() -> None:
    for name in learner_names():
        for item in fields(get_learner(name).Options):
            assert f"`{item.name}`" in PAGES["learners.md"], f"{name} {item.name}"
        for paper in get_learner(name).source.papers:
            assert paper.short in PAGES["learners.md"], f"{name} {paper.short}"
    for name in [*learner_names(), *map(usage, dataset_names()), *backbone_names()]:
        assert f"`{name}`" in README, name
    for name in map(usage, dataset_names()):
        assert f"`{name}`" in PAGES["datasets.md"], name


def test_readme_is_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) <= 220


def test_every_page_is_in_the_menu_and_every_link_leads_somewhere() -> None:
    menu = yaml.safe_load((PROJECT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    assert set(re.findall(r"[\w-]+\.md", str(menu))) == set(PAGES)
    for folder, text in [
        (PROJECT, README),
        (PROJECT, CONTRIBUTING),
        *[(PROJECT / "docs", page) for page in PAGES.values()],
    ]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (folder / target).exists(), target


def test_the_leaderboards_columns_are_explained() -> None:
    rows = "\n".join(f"| `{name}` | {text} |" for name, text in COLUMNS.items())
    assert rows in PAGES["leaderboard.md"]


def cli_commands() -> list[tuple[str, click.Command]]:
    return [(path.removeprefix("metabench "), each) for path, each in cli_reference.commands(cli, "metabench")]


@pytest.mark.parametrize("line", CALLS)
def test_the_commands_that_are_shown_are_understood(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    name, command = next((name, each) for name, each in cli_commands() if words[: name.count(" ") + 1] == name.split())
    command.make_context(name, words[name.count(" ") + 1 :])


def test_the_commands_are_found() -> None:
    assert sum("metabench run" in call for call in CALLS) >= 2
    assert sum("metabench compare" in call for call in CALLS) >= 2


@pytest.mark.parametrize("line", [call for call in CALLS if "metabench compare results/reference" in call])
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
    assert capsys.readouterr().out.strip() in DOCS


def test_the_plug_in_is_the_one_that_the_tests_install() -> None:
    plugin = PROJECT / "tests" / "plugin"
    assert (plugin / "nearest_shot.py").read_text(encoding="utf-8").strip() in README
    assert (plugin / "nearest_shot.py").read_text(encoding="utf-8").strip() in PAGES["plugins.md"]
    assert (plugin / "pyproject.toml").read_text(encoding="utf-8").strip() in PAGES["plugins.md"]


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    command = (PROJECT / ".ci" / "run").read_text(encoding="utf-8").strip().splitlines()[-1]
    assert command in README
    assert command in CONTRIBUTING


def test_the_leaderboard_is_made_of_the_records() -> None:
    runs, problems = read_runs(RESULTS)
    assert not problems
    rows = entries(runs)
    assert (RESULTS / "leaderboard.csv").read_text(encoding="utf-8") == csv(rows)


def test_the_values_are_the_leaderboards_and_the_studies() -> None:
    table = pd.read_csv(RESULTS / "leaderboard.csv")
    values = {f"{row.mean:.2f} ± {row.half_width:.2f}" for row in table.itertuples()}
    values |= {f"{row.mean:.4f} ± {row.half_width:.4f}" for row in table.itertuples()}
    against_shots = pd.read_csv(PROJECT / "results" / "studies" / "shots.csv")
    values |= {f"{row.accuracy:.1f} ± {row.half_width:.1f}" for row in against_shots.itertuples()}
    shown = set(
        re.findall(r"\d+\.\d+ ± \d+\.\d+", README.split("## Results")[1].split("## Learners")[0] + PAGES["results.md"])
    )
    assert shown
    assert shown <= values


def test_results_names_every_study() -> None:
    page = (RESULTS.parent / "README.md").read_text(encoding="utf-8")
    for path in (RESULTS.parent / "studies").glob("*.yaml"):
        assert f"`{path.name}`" in page, path.name
