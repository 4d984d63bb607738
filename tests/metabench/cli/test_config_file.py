"""The YAML file of --config means what is written in it, or is refused in one short line."""

import os
import re
from pathlib import Path

import pytest

from metabench.cli.config_file import MOST_BYTES, read_config_file
from metabench.cli.main import main
from metabench.config import RunConfig, make_config
from metabench.errors import UsageError


def read(tmp_path: Path, text: str | bytes) -> RunConfig:
    file = tmp_path / "run.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return make_config(**read_config_file(file))


def test_class_names_are_text_as_written(tmp_path: Path) -> None:
    config = read(tmp_path, "test_task: [[no, yes, on], [1, 010, 2021-01-01]]\n")
    assert config.task.test_task == (("no", "yes", "on"), ("1", "010", "2021-01-01"))
    assert config.task.ways == 3


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("shots: 010", "shots", 10),
        ("shots: '7'", "shots", 7),
        ("until-interval: 1e-1", "until_interval", 0.1),
        ("disjoint: true", "disjoint", True),
        ("query-imbalance: dirichlet:0.50", "query_imbalance", "dirichlet:0.5"),
        ("task: {query_imbalance: 'dirichlet:2'}", "query_imbalance", "dirichlet"),
        ("disjoint: no", "disjoint", False),
        ("split: null", "split", None),
        ("split: ~", "split", None),
        ("split:", "split", None),
        ("options:", "options", {}),
        ("output: 2026-11-26", "output", Path("2026-11-26")),
        ("\ufefflearner: maml", "learner", "maml"),
        ("learner: maml\r\nshots: 5\r\n", "shots", 5),
    ],
)
def test_values_are_those_of_the_command_line(tmp_path: Path, text: str, name: str, value: object) -> None:
    assert read(tmp_path, text)[name] == value


def test_settings_may_be_in_sections(tmp_path: Path) -> None:
    sections = """
learner: maml
data: {dataset: omniglot, split: lake}
task:
  ways: 20
  task: fixed
test: {episodes: 60, test-seed: 3}
training: {seed: 1}
machine: {device: cpu}
output: {output: elsewhere}
"""
    by_themselves = """
learner: maml
dataset: omniglot
split: lake
ways: 20
task: fixed
episodes: 60
test_seed: 3
seed: 1
device: cpu
output: elsewhere
"""
    assert read(tmp_path, sections) == read(tmp_path, by_themselves)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task: {seed: 1}", "there is no setting 'seed' under 'task:'; it goes under 'training:'"),
        ("data: {learner: maml}", "there is no setting 'learner' under 'data:'; it goes outside of sections"),
        ("data: {datset: glyphs}", "there is no setting 'datset' under 'data:'; did you mean 'dataset'?"),
        ("shots: 1\ntask: {shots: 5}", "has 'shots' twice; leave one of them out"),
    ],
)
def test_a_setting_in_another_section_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        read(tmp_path, text)


def test_utf_16_is_text_too(tmp_path: Path) -> None:
    assert read(tmp_path, "learner: maml".encode("utf-16")).learner == "maml"


BAD: dict[str, str | bytes] = {
    "yes is no number": "shots: yes",
    "on": "seed: on",
    "true": "steps: true",
    "true as a rate": "options: {learning_rate: true}",
    "octal": "shots: 0o10",
    "a date": "seed: 2020-13-45",
    "binary": "seed: 0b_",
    "hexadecimal": "seed: 0x_",
    "many digits": "seed: " + "9" * 5000,
    "no fraction": "shots: 1.5",
    "infinite": "until_interval: .inf",
    "not a number": "until_interval: .nan",
    "too large": "until_interval: 1e999",
    "a tag": 'seed: !!int "abc"',
    "a float tag": 'seed: !!float "x"',
    "a timestamp tag": 'seed: !!timestamp "x"',
    "an object": "learner: !!python/object/apply:os.system ['true']",
    "a tag of its own": "learner: !mine x",
    "an alias": "learner: &a maml\ndataset: *a",
    "a merge key": "<<: {learner: maml}",
    "a key twice": "shots: 1\nshots: 5",
    "a key in two spellings": "test_seed: 1\ntest-seed: 2",
    "an option twice": "options: {steps: 1, steps: 2}",
    "an option in two spellings": "options: {inner-steps: 1, inner_steps: 2}",
    "steps in two places": "steps: 1\noptions: {steps: 2}",
    "a list": "- learner",
    "text": "learner",
    "nothing": "",
    "a comment": "# nothing",
    "two documents": "learner: maml\n---\nlearner: maml",
    "a list as a key": "? [a, b]\n: c",
    "a mapping as a key": "? {a: b}\n: c",
    "options a list": "options: [1]",
    "options empty": "options: []",
    "options false": "options: false",
    "options 0": "options: 0",
    "an unknown setting": "lerner: maml",
    "a mapping as a value": "learner: {a: b}",
    "a list as a value": "learner: [maml]",
    "not closed": "learner: [",
    "a tab": "\tlearner: maml",
    "deep": "dataset: " + "[" * 3000 + "]" * 3000,
    "a NUL": b"learner: a\0b",
    "a NUL by its name": 'output: "a\\0b"',
    "half a character": 'output: "r\\uD800"',
    "half a character in a name": 'dataset: "folder:\\uDCFF"',
    "Latin-1": "learner: caf\xe9".encode("latin-1"),
    "not text": bytes(range(256)),
    "large": b"learner: maml\n" + b"#" * MOST_BYTES,
    "an escape code": 'dataset: "\\e[31m"',
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_one_short_line(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = BAD[what]
    Path("c.yaml").write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    with pytest.raises(SystemExit) as ended:
        main(["run", "--config", "c.yaml"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert len(line) < 400
    assert line.isprintable()
    assert not list(Path().glob("results/*"))


def test_an_alias_bomb_takes_neither_memory_nor_lines(tmp_path: Path) -> None:
    bomb = "dataset: [&a0 [x,x,x,x,x,x,x,x,x]"
    bomb += "".join(f", &a{level} [{','.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 9)) + "]\n"
    with pytest.raises(UsageError, match=r"line 1 has an alias \(\*\); write it out") as error:
        read(tmp_path, bomb)
    assert len(str(error.value)) < 300


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(UsageError, match="is not a regular file"):
            read_config_file(path)


@pytest.mark.parametrize("name", ["shots", "seed", "ways", "until_interval", "threads", "episodes"])
def test_true_is_no_number_in_python_either(name: str) -> None:
    with pytest.raises(
        UsageError, match=f"--{name.replace('_', '-')}: it is not a matter of true or false; found True"
    ):
        make_config(**{name: True})
