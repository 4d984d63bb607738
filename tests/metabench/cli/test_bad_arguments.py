"""Every command and option with values that it cannot take: one short line, exit code 2, and no traceback."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from PIL import Image

from metabench import run
from metabench.cli.main import cli, main
from metabench.errors import UsageError
from metabench.experiment.environment import choose_device

LONG = "x" * 5000
NUMBERS = ("many", "1.5.5", "1,,2", "true", "nan", "-1", LONG, "9" * 30)  # the last is a fine float
TINY = {"--learner": "nearest", "--image-size": "16", "--ways": "2", "--queries": "1", "--episodes": "2"}


def commands(group: click.Group, *above: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)
        else:
            yield (*above, name), command


COMMANDS = {" ".join(words): command for words, command in commands(cli)}


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    said = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2, f"{words} {said}"
    assert len(said) == 1, (words, said)
    assert said[0].startswith("metabench: ")
    assert "unexpected" not in said[0], words
    assert len(said[0]) < 500, words
    return said[0]


def bad_words(name: str, command: click.Command) -> Iterator[list[str]]:
    start = name.split()
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    place = ["nowhere"] if arguments else []
    tiny = [word for pair in TINY.items() for word in pair] if name == "run" else []
    yield [*start, "--no-such-option"]
    if arguments:
        yield start
        yield [*start, ""]
        yield [*start, LONG]
    for each in command.params:
        if not isinstance(each, click.Option) or each.is_flag:
            continue
        option = each.opts[-1]
        yield [*start, *place, option]
        yield [*start, *place, option, ""]
        if option.startswith("--"):
            yield [*start, *place, f"{option}="]
        if isinstance(each.type, click.types.IntParamType | click.types.FloatParamType):
            given = [word for word in tiny if option not in TINY or word not in (option, TINY[option])]
            for value in NUMBERS[:-1] if isinstance(each.type, click.types.FloatParamType) else NUMBERS:
                yield [*start, *place, *given, option, value]


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_command_cannot_take_is_one_line(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in bad_words(name, COMMANDS[name]):
        refused(words, capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu"], "there is no command 'rnu'; did you mean 'run'?"),
        (["run", "--set", "steps=1", "--set", "steps=2"], "--set steps comes twice"),
        (["run", "--set", "steps=1", "--steps", "2"], "--set steps comes twice"),
        (["run", "--set", "steps=true"], "--set steps: give a whole number; found 'true'"),
        (["run", "--set", "steps=1e3"], "--set steps: give a whole number"),
        (["run", "--set", "steps=99999999999"], "--set steps: give at most 1000000000; found"),
        (["run", "--set", "learning_rate=nan"], "--set learning_rate: give a finite number"),
        (["run", "--set", "learning_rate=1e999"], "--set learning_rate: give a finite number"),
        (["run", "--set", "learing_rate=1"], "did you mean 'learning_rate'?"),
        (["run", "--set", "="], "--set = is not KEY=VALUE"),
        (["run", "--output", ""], "--output is empty; give a value, or leave it out"),
        (["run", "--output="], "--output is empty"),
        (["compare", "", "b"], "an argument is empty"),
        (["run", "--device", "cuda:99"], "--device: give 'auto', 'cpu' or 'cuda'; found 'cuda:99'"),
        (["run", "--threads", "10000"], "--threads: give at most 1024; found 10000"),
        (["run", "--episodes", "1000000000"], "--episodes: give at most 10000000"),
        (["run", "--validation-episodes", "1000000000"], "--validation-episodes: give at most 10000000"),
        (["run", "--image-size", "100000"], "--image-size 100000 is too large"),
        (["run", "--backbone", "conv4:1000000"], "give an even number up to 4096"),
        (["run", "--backbone", "conv4:"], "give an even number up to 4096"),
        (["run", "--output", LONG], "File name too long"),
        (["verify", LONG], "is too long for the name of a file"),
    ],
)
def test_the_line_says_what_to_do(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refused(words, capsys)


@pytest.mark.parametrize("name", ["gpu", "cuda:0", "meta", "", "\udcff", "CPU"])
def test_a_device_that_is_none_is_refused_where_no_configuration_is_made(name: str) -> None:
    with pytest.raises(UsageError, match="--device: give 'auto', 'cpu', 'cuda'"):
        choose_device(name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("output: ''", "line 1 has an empty text; give a value, or leave it out"),
        ('options:\n  steps: ""', "line 2 has an empty text"),
        ("train_task: ['', a]", "line 1 has an empty text"),
    ],
)
def test_an_empty_text_in_a_file_is_refused(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_text(text)
    assert said in refused(["run", "--config", str(tmp_path / "c.yaml")], capsys)


def test_a_config_that_is_no_file_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(["run", "--config", str(tmp_path)], capsys).count("cannot read") == 1


def test_the_clock_of_whoever_calls_goes_on(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    handler = signal.getsignal(signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, 500)
    settings: dict[str, Any] = {"learner": "protonet", "ways": 2, "image_size": 16, "queries": 1, "episodes": 2}
    options = {"steps": 1, "backbone": "conv4:2", "train_ways": 2}
    try:
        run(**settings, options=options, validation_episodes=1, output=tmp_path)
        assert signal.getsignal(signal.SIGALRM) is handler
        assert 100 < signal.getitimer(signal.ITIMER_REAL)[0] < 500
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_too_little_memory_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By torch's own refusal: no machine gives 2^47 bytes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "greedy.py").write_text(
        "import torch\n"
        "from baselines.metric.nearest import Nearest\n"
        "class Greedy(Nearest):\n"
        "    def predict(self, adapted, query):\n"
        "        torch.empty(2**47, dtype=torch.uint8)\n"
    )
    words = ["run", *(word for pair in {**TINY, "--learner": "greedy:Greedy"}.items() for word in pair)]
    assert "there is too little memory; choose a smaller backbone" in refused(words, capsys)


def test_a_cache_folder_that_is_not_utf_8_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "\udcff"))
    assert "set METABENCH_CACHE to another" in refused(["data", "status"], capsys)
    assert not list(tmp_path.iterdir())


def test_a_warning_is_one_line_without_its_place_in_the_code(tmp_path: Path) -> None:
    """A folder of pictures with a copy."""
    for number in range(6):
        folder = tmp_path / "tiny" / f"c{number}"
        folder.mkdir(parents=True)
        for picture in range(4):
            Image.new("L", (16, 16), 40 * number + picture % 3).save(folder / f"{picture}.png")
    command = [sys.executable, "-m", "metabench", "data", "classes", f"folder:{tmp_path / 'tiny'}"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "METABENCH_CACHE": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    (line,) = [each for each in done.stderr.splitlines() if "same class" in each]
    assert line.startswith(f"metabench: warning: '{tmp_path / 'tiny'}' has 6 pictures with the content of others")
    assert "Warning" not in done.stderr
