import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from episodes.datasets import dataset_names, load, usage
from metabench.board.columns import COLUMNS
from metabench.cli.main import main
from metabench.records.predictions import digest, encode
from metabench.records.reader import read_record, scores_file
from metabench.stats.stopping import FixedWidth
from tests.conftest import PROJECT
from tests.made_records import UNTRAINED, write_run

QUICK = ["--ways=3", "--shots=2", "--queries=5", "--episodes=20", "--validation-episodes=4", "--threads=1"]
QUICK += ["--backbone=conv4:8"]


def call(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    results = tmp_path_factory.mktemp("results")
    assert call("run", "--learner", "protonet", "--steps", "10", *QUICK, "--output", results) == 0
    return results / "glyphs-3way-2shot-protonet-seed0"


def test_a_run_prints_its_accuracy_and_where_its_record_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "--learner", "distill", "--steps", "5", *QUICK, "--output", tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("distill on glyphs, 3-way 2-shot: accuracy ")
    assert lines[0].endswith(" over 20 test tasks)")
    bars = [
        re.fullmatch(r"  (.+?)  +(\d+\.\d\d)( ± \d+\.\d\d| -\d+\.\d\d \+\d+\.\d\d)?  +(=*)", line)
        for line in lines[2:8]
    ]
    named = {bar[1]: (float(bar[2]), len(bar[4])) for bar in bars if bar}
    assert next(iter(named)) == "distill"
    assert set(named) == {"distill", "its teacher", "its network alone", "chance", "pixels", "random network"}
    assert all(length == round(value * 40 / 100) for value, length in named.values())
    assert f"accuracy {named['distill'][0]:.2f}% " in lines[0]
    assert named["chance"][0] == 33.33
    assert re.fullmatch(r"  worst 5% of tasks [\d.]+%, worst class [\d.]+%, calibration error [\d.]+%", lines[9])
    assert lines[10].startswith("  its teacher: ")
    assert lines[11].startswith("  its network alone: ")
    assert Path(lines[12].removeprefix("record: "), "record.json").is_file()


def test_a_regression_from_run_to_leaderboard_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = ["--dataset", "sinusoid", "--shots", "5"]
    quick = ["--steps", "20", "--episodes", "20", "--validation-episodes", "4", "--threads", "1"]
    assert call("run", *shared, "--learner", "maml", *quick, "--output", tmp_path) == 0
    folder = tmp_path / "sinusoid-5shot-maml-seed0"
    line, _, *floors, _, worst, place = capsys.readouterr().out.splitlines()
    assert [bar.split("  ")[1].strip() for bar in floors] == ["maml", "zero", "support mean"]
    assert re.fullmatch(r"  worst 5% of tasks \d+\.\d{4}", worst)
    assert re.fullmatch(
        r"maml on sinusoid, 5-shot: mean squared error \d+\.\d{4} ± \d+\.\d{4} "
        r"\(95% interval over 20 test tasks\)",
        line,
    )
    assert place == f"record: {folder}"
    assert call("leaderboard", "--results", tmp_path) == 0
    row = pd.read_csv(tmp_path / "leaderboard.csv").iloc[0]
    assert f"{row['mean']:.4f} ± {row['half_width']:.4f}" in line
    assert row["metric"] == "squared_error"
    assert (row["images"], row["task_milliseconds"] > 0) == (20 * 25 * 20, True)
    for arguments in (shared, ["--run", folder]):
        assert call("show", *arguments, "-o", tmp_path / "task.png") == 0
        with Image.open(tmp_path / "task.png") as picture:
            assert picture.size == (900, 525)


def test_a_file_gives_settings_and_the_command_line_wins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        "learner: protonet\nways: 4\nshots: 2\nqueries: 5\nepisodes: 20\nvalidation-episodes: 4\nthreads: 1\n"
        "options: {backbone: 'conv4:8', steps: 5, train_ways: 6}\n"
    )
    assert call("run", "--config", file, "--ways", "3", "--set", "train-ways=5", "--output", tmp_path) == 0
    record = (tmp_path / "glyphs-3way-2shot-protonet-seed0" / "record.json").read_text()
    assert '"train_ways": 5' in record
    assert '"steps": 5' in record
    assert "protonet on glyphs, 3-way 2-shot" in capsys.readouterr().out


BAD: list[tuple[str, str]] = [
    ("run --learner protonett", "there is no learner 'protonett'; did you mean 'protonet'?"),
    ("run --dataset glyph", "there is no dataset 'glyph'; did you mean 'glyphs'?"),
    ("run --dataset folder:/no/such", "there is no folder '/no/such'"),
    ("run --image-size 100000", "--image-size 100000 is too large; give at most 1024"),
    ("run --dataset omniglot --image-size 100000", "--image-size 100000 is too large; give at most 1024"),
    ("run --dataset glyphs+glyphs", "--dataset glyphs+glyphs has 'glyphs' twice; name each dataset once"),
    ("run --split FILE.json", "glyphs has its published split, which a list, --split 'FILE.json', cannot replace"),
    ("run --split script", "glyphs has no split 'script'; did you mean 'scripts-2'?"),
    ("data download folder:/no/such", "there is no folder '/no/such'"),
    ("data download omniglot+glyphs", "'omniglot+glyphs' is 2 datasets; name one at a time: omniglot, then glyphs"),
    ("data download torchvision", "there is no dataset 'torchvision'; did you mean 'torchvision:NAME'?"),
    ("data download torchvision:FashionMINST", "did you mean 'FashionMNIST'?"),
    (
        "data status omniglot",
        "argument (omniglot); `metabench data status --help` lists what it takes",
    ),
    ("run --backbone conv5", "there is no backbone 'conv5'; did you mean 'conv4'?"),
    ("run --set inner_steps=3", "learner 'protonet' has no option 'inner_steps'"),
    ("run --learner maml --set inner_stps=3", "has no option 'inner_stps'; did you mean 'inner_steps'?"),
    ("run --set steps", "--set steps is not KEY=VALUE, e.g. --set inner_steps=5"),
    ("run --ways 300", "--ways 300 needs at least 300"),
    ("run --shots 30", "has 40 images of class"),
    ("run --ways 1", "--ways 1 is too small; give at least 2"),
    ("run --ways three", "'three' is not a valid integer"),
    ("run --dataset sinusoid", "learner 'protonet' classifies, and --dataset sinusoid asks for regression"),
    ("run --dataset sinusoid --ways 3", "--ways does not go with --dataset sinusoid, whose tasks are functions"),
    ("run --dataset sinusoid --groups within", "--groups does not go with --dataset sinusoid"),
    ("run --dataset sinusoid --query-imbalance dirichlet", "--query-imbalance does not go with --dataset sinusoid"),
    ("run --query-imbalance dirichle", "--query-imbalance: give none, dirichlet, or dirichlet:ALPHA"),
    ("run --query-imbalance dirichlet:0", "with a concentration ALPHA from 0.001 to 1000; found 'dirichlet:0'"),
    ("show -o a.png --query-imbalance dirichlet:abc", "from 0.001 to 1000; found 'dirichlet:abc'"),
    ("run --query-imbalanse dirichlet", "No such option '--query-imbalanse'"),
    ("run --dataset sinusoid --train-task a,b", "--train-task does not go with --dataset sinusoid"),
    ("run --dataset sinusoid --disjoint", "--disjoint does not go with --dataset sinusoid"),
    ("run --dataset sinusoid --learner maml --backbone conv4", "backbone 'conv4' takes images"),
    (
        "run --test-dataset sinusoid",
        "'sinusoid' has functions, which have no classes; it goes alone, as --dataset sinusoid",
    ),
    ("episodes freeze --dataset sinusoid -o x.parquet", "the tasks of 'sinusoid' have no images to freeze"),
    ("run --device cuda", "--device cuda asks for a GPU, but torch finds none"),
    ("run --device gpu", "--device: give 'auto', 'cpu' or 'cuda'; found 'gpu'"),
    ("run --config none.yaml", "cannot read --config 'none.yaml'"),
    ("run --lerner maml", "Did you mean '--learner'?"),
    ("run --output FILE/results", "cannot write to --output"),
    ("run --resume --output none", "--resume finds no unfinished run"),
    ("runn", "there is no command 'runn'; did you mean 'run'?"),
    (
        "freeze -o x.parquet",
        "there is no command 'freeze'; did you mean 'metabench episodes freeze'?",
    ),
    ("status", "there is no command 'status'; did you mean 'metabench data status'?"),
    ("data freeze", "there is no command 'freeze'; did you mean 'metabench episodes freeze'?"),
    ("episodes run", "there is no command 'run'; did you mean 'metabench run'?"),
    ("list learner", "there is no list of 'learner'; did you mean 'learners'?"),
    ("check mamml", "there is no learner 'mamml'; did you mean 'maml'?"),
    ("check no_such_module:Mine", "learner 'no_such_module:Mine' cannot be imported: ModuleNotFoundError: No module"),
    ("check metabench.config:RunConfig", "which is not a subclass of metabench.learner.Learner"),
    ("check maml --set inner_stps=3", "learner 'maml' has no option 'inner_stps'; did you mean 'inner_steps'?"),
    ("check maml --set inner_steps=many", "learner 'maml': --set inner_steps: give a whole number; found 'many'"),
    ("check protonet --set backbone=conv5", "there is no backbone 'conv5'; did you mean 'conv4'?"),
    ("new-learner maml", "learner 'maml' is registered already; choose another name"),
    (
        "new-learner my-learner",
        "'my-learner' cannot be the name of a learner's module; give lower-case letters, digits",
    ),
    ("new-learner class", "'class' cannot be the name of a learner's module"),
    ("new-learner none", "'none' cannot be the name of a learner's module"),
    ("new-learner stage", "'stage' cannot be the name of a learner's module"),
    ("new-learner json", "there is a module 'json' already, which would hide the learner's; choose another name"),
    ("new-learner class_mean --output FILE", "'FILE' is there already; choose another --output"),
    ("new-learner class_mean --output FILE/x", "cannot write --output 'FILE/x': "),
    ("list learners mamml", "there is no learner 'mamml'; did you mean 'maml'?"),
    ("list backbones conv4", "list backbones takes no name; found 'conv4'; leave it out"),
    ("leaderboard --results none", "there is no folder 'none'"),
    ("show -o picture.xyz", "cannot write the picture 'picture.xyz'"),
    ("show -o none/picture.png", "cannot write the picture 'none/picture.png': No such file or directory; choose"),
    ("show --run none -o picture.png", "cannot read record 'none"),
    ("curve none --shots 1;2", "--shots 1;2 is not a list of numbers, e.g. --shots 1,2,5"),
    ("curve none --gradient-steps -1", "--gradient-steps -1 is not a list of numbers, e.g. --gradient-steps 1,2,5"),
    ("curve none", "cannot read record"),
    ("inspect none", "cannot read record"),
    ("show", "Missing option '-o'"),
]


@pytest.mark.parametrize(("line", "message"), BAD, ids=[line for line, _ in BAD])
def test_bad_input_is_one_line_and_exit_code_2(
    line: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    if "cuda" in line and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("in the way")
    assert call(*line.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith("metabench: ")
    assert message in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["FILE"]


def test_the_leaderboard_names_a_broken_record_and_ranks_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import numpy as np

    write_run(tmp_path / "good", np.array([0.5, 0.75]))
    write_run(tmp_path / "broken", np.array([0.5, 0.75])).write_text('{"schema_version": 1,')
    assert call("leaderboard", "--results", tmp_path) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith(f"metabench: '{tmp_path / 'broken' / 'record.json'}' is not a valid record")
    assert printed.err.count("\n") == 1
    assert "62.50 -" in printed.out
    table = pd.read_csv(tmp_path / "leaderboard.csv")
    assert list(table.columns) == list(COLUMNS)
    assert table["mean"].tolist() == [62.5]


def test_the_leaderboard_of_real_runs(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("leaderboard", "--results", finished.parent, "--csv", tmp_path / "table.csv") == 0
    assert "protonet" in capsys.readouterr().out
    row = pd.read_csv(tmp_path / "table.csv").iloc[0]
    assert row["settings"] == "backbone=conv4:8 steps=10 validation_episodes=4"
    assert not row["transductive"]


def test_the_leaderboard_in_three_forms_and_filtered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, changes in {
        "one": {},
        "two": {"learner": "maml", "shots": 5, **UNTRAINED},
        "three": {"dataset": "cub"},
    }.items():
        write_run(tmp_path / "results" / name, np.array([0.25, 0.5]), **changes)
    results = ["--results", tmp_path / "results"]
    forms = {form: tmp_path / f"table.{form}" for form in ("csv", "markdown", "html")}
    targets = [word for form, path in forms.items() for word in (f"--{form}", path)]
    assert call("leaderboard", *results, *targets, "--dataset", "glyphs", "--shots", "5", "--no-transductive") == 0
    printed = capsys.readouterr().out
    assert [line.removeprefix("wrote ") for line in printed.splitlines()[-3:]] == [str(path) for path in forms.values()]
    assert pd.read_csv(forms["csv"])["learner"].tolist() == ["maml"]
    assert "| 1 | maml |" in forms["markdown"].read_text()
    assert "1 result of 1 run on 1 dataset" in forms["html"].read_text()
    assert call("leaderboard", *results, "--ways", "5", "--ways", "3") == 0  # a part only: leaderboard.csv is of all
    assert not (tmp_path / "results" / "leaderboard.csv").exists()
    assert call("leaderboard", *results) == 0
    assert len(pd.read_csv(tmp_path / "results" / "leaderboard.csv")) == 3
    capsys.readouterr()
    shutil.rmtree(tmp_path / "results" / "two")
    assert call("leaderboard", *results, "--outside-data") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "metabench: no record has outside data yes; the 2 records have outside data no"


def test_a_picture_of_a_task_and_of_a_learners_predictions(finished: Path, tmp_path: Path) -> None:
    plain, answered = tmp_path / "task.png", tmp_path / "answers.png"
    assert call("show", "--ways", "3", "--shots", "2", "--queries", "5", "-o", plain) == 0
    assert call("show", "--run", finished, "-o", answered) == 0
    pictures = [Image.open(path).convert("RGB") for path in (plain, answered)]
    assert pictures[0].size == pictures[1].size
    colours = [{colour for _, colour in picture.getcolors(1 << 24) or []} for picture in pictures]
    green = (0x1A, 0x7F, 0x37)
    assert green not in colours[0]
    assert green in colours[1]


def test_a_run_is_inspected_in_text_and_picture(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("inspect", finished, "-o", tmp_path / "answers.png") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("protonet on glyphs, 3-way 2-shot: accuracy ")
    for part in ("Calibration, in 15 bins", "Classes, lowest", "Groups, lowest", "Confused pairs, the most often"):
        assert f"\n\n{part}" in printed
    predictions = pd.read_parquet(finished / "predictions.parquet")
    wrong = predictions[predictions["class"].astype(str) != predictions["prediction"].astype(str)].astype(
        {"class": str, "prediction": str}
    )
    most = pd.crosstab(wrong["class"], wrong["prediction"]).to_numpy().max()
    first_pair = printed.split("Confused pairs")[1].splitlines()[2].split()
    assert int(first_pair[2]) == most
    with Image.open(tmp_path / "answers.png") as picture:
        assert picture.width > 1000


def test_orders_for_the_terminal_are_not_printed_and_dollars_are_no_formulas(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names of learners and classes of a record that may be anybody's."""
    for number, folder in enumerate((tmp_path / "one", tmp_path / "other")):
        shutil.copytree(finished, folder)
        predictions = pd.read_parquet(folder / "predictions.parquet")
        names = {predictions["class"].iloc[0]: "$\\nope$ \x1b]0;owned\x07"}
        predictions = predictions.assign(
            **{name: predictions[name].cat.rename_categories(names) for name in ("class", "prediction")}
        )
        (folder / "predictions.parquet").write_bytes(encode(predictions))
        record = json.loads((folder / "record.json").read_text())
        record["predictions"] = digest((folder / "predictions.parquet").read_bytes())
        record["config"]["learner"] = f"$\\nope$\x1b[31m{number}"
        (folder / "record.json").write_text(json.dumps(record))
    assert call("inspect", tmp_path / "one", "-o", tmp_path / "answers.png") == 0
    assert call("compare", tmp_path / "one", tmp_path / "other") == 0
    assert call("inspect", tmp_path / "no\x1b[2J") == 2
    printed = "".join(capsys.readouterr())
    assert "$\\nope$" in printed
    assert not set(printed) & {"\x1b", "\x07"}


def test_trouble_with_a_picture_costs_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metabench.pictures.hardest.GREYS", 0)  # which no picture has
    with pytest.warns(RuntimeWarning, match="there is no picture of the hardest tasks: "):
        assert call("run", "--learner", "protonet", "--steps", "1", *QUICK, "--output", tmp_path) == 0
    (folder,) = tmp_path.iterdir()
    assert {path.name for path in folder.iterdir()} == {
        "record.json",
        "scores.csv",
        "predictions.parquet",
        "learner.pt",
    }


def test_runs_that_cannot_be_inspected_say_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "regression", np.array([0.5, 0.75]), dataset="sinusoid")
    write_run(tmp_path / "old", np.array([0.5, 0.75]))
    for name, message in (
        ("regression", "is a regression, whose predictions are numbers; inspect a run of classification"),
        (
            "old",
            "predictions.parquet', where a run of classification keeps its predictions (since records of version 2)",
        ),
        ("none", "cannot read record"),
    ):
        assert call("inspect", tmp_path / name) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_a_learner_of_other_ways_does_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--set", "meta_batch=1", "--set", "inner_steps=1", "--set", "test_inner_steps=1"]
    assert call("run", "--learner", "maml", "--steps", "1", *QUICK, *options, "--output", tmp_path) == 0
    run = next(tmp_path.glob("*maml*"))
    assert call("show", "--run", run, "--ways", "4", "-o", tmp_path / "x.png") == 2
    assert "do not fit the learner for these images and ways" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (
            "learners",
            ["gradient\n  anil ", "  maml ", "(Snell et al. 2017, Ren et al. 2018)", "`metabench list"],
        ),
        ("datasets", ["glyphs", "omniglot", "folder:PATH", "torchvision:NAME"]),
        ("backbones", ["conv4", "conv4-strided", "resnet12"]),
    ],
)
def test_lists(what: str, expected: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("list", what) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in expected)


def test_help_and_what_reads_records_do_not_wait_for_torch(tmp_path: Path) -> None:
    reference, table = PROJECT / "results" / "reference", str(tmp_path / "table.tex")
    runs = [str(reference / f"glyphs-5way-1shot-{learner}-seed0") for learner in ("protonet", "maml")]
    for arguments, printed in {
        ("--help",): "metabench run --learner maml --ways 3 --shots 5",
        ("leaderboard", "--results", str(reference), "--latex", table): f"wrote {table}",
        ("compare", *runs): "the accuracy of protonet is",
        ("inspect", runs[0]): "protonet",
        ("new-learner", "class_mean", "--output", str(tmp_path / "mine")): f"wrote '{tmp_path / 'mine'}'; next: pip",
    }.items():
        program = f"import sys; from metabench.cli.main import main\ntry: main({list(arguments)})\n"
        program += "finally: assert 'torch' not in sys.modules"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert printed in done.stdout
    version = subprocess.run([sys.executable, "-m", "metabench", "--version"], capture_output=True, text=True)
    assert version.stdout.startswith("metabench 0.")


def test_control_c_keeps_the_checkpoint_and_resume_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "metabench", "run", "--learner", "protonet", *QUICK]

    def start(*arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, "--steps", "70", *map(str, arguments)],
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": os.environ},
        )

    interrupted = start("--output", tmp_path / "a")
    folder = tmp_path / "a" / "glyphs-3way-2shot-protonet-seed0"
    while not (folder / "checkpoint.pt").exists():
        assert interrupted.poll() is None, interrupted.communicate()
        time.sleep(0.01)
    interrupted.send_signal(signal.SIGINT)
    _, error = interrupted.communicate(timeout=120)
    assert interrupted.returncode == 1
    assert error.startswith("metabench: interrupted at step ")
    assert "the same command with --resume goes on" in error
    assert error.count("\n") == 1
    assert not (folder / "record.json").exists()

    resumed, whole = start("--output", tmp_path / "a", "--resume"), start("--output", tmp_path / "b")
    assert [process.communicate(timeout=300)[1] for process in (resumed, whole)] == ["", ""]
    tables = [path.read_text() for path in sorted(tmp_path.glob("*/*/scores.csv"))]
    assert tables[0] == tables[1]
    assert not (folder / "checkpoint.pt").exists()


def test_tasks_are_frozen_drawn_and_run_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = tmp_path / "tasks.parquet"
    recipe = ["--ways=3", "--shots=2", "--queries=5", "--groups=within"]
    assert call("episodes", "freeze", *recipe, "--episodes=12", "-o", tasks) == 0
    assert capsys.readouterr().out.startswith(f"wrote 12 tasks of glyphs/test to {tasks} (digest ")
    assert call("episodes", "show", "--tasks", tasks, "--episode", "11", "-o", tmp_path / "task.png") == 0
    with Image.open(tmp_path / "task.png") as picture:
        assert picture.width > 300
    quick = ["--validation-episodes=4", "--threads=1", "--backbone=conv4:8", "--steps=3"]
    assert call("run", "--learner=finetune", "--tasks", tasks, *quick, "--output", tmp_path) == 0
    assert "3-way 2-shot, groups=within: accuracy" in capsys.readouterr().out
    assert call("episodes", "show", "--tasks", tasks, "--episode", "12", "-o", tmp_path / "task.png") == 2
    assert "there is no task 12 for 'glyphs/test': it has 12, from 0 on" in capsys.readouterr().err


def test_named_tasks_stand_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        "learner: protonet\nshots: 2\nqueries: 5\nepisodes: 6\nvalidation-episodes: 4\nthreads: 1\n"
        "train-task:\n  - [armenian_small_letter_et, armenian_small_letter_to, armenian_small_letter_ja]\n"
        "test-task: ['infinity,not_sign, greek_small_letter_san']\noptions: {backbone: 'conv4:8', steps: 2}\n"
    )
    assert call("run", "--config", file, "--output", tmp_path) == 0
    assert "3-way 2-shot, train armenian_small_letter_et," in capsys.readouterr().out
    assert call("run", "--test-task", "infinty,not_sign", "--output", tmp_path) == 2
    assert "'glyphs' has no class 'infinty'; did you mean 'infinity'?" in capsys.readouterr().err


def test_datasets_are_told_of(tmp_path: Path, data_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("data", "list") == 0
    listed = capsys.readouterr().out
    assert all(f"{usage(name)}\n" in listed for name in dataset_names())
    assert listed.count("icence") + listed.count("research") >= 6
    assert call("data", "status", "--data-root", data_root) == 0
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["glyphs"] == "built in"
    assert lines["omniglot"] == f"in '{data_root / 'omniglot-py'}'"
    assert re.fullmatch(r"\d+ files of [\d.,]+ MB in '.*banks'; `metabench data clear` removes them", lines["cache"])
    assert lines["cub"].startswith("missing; cub needs CUB_200_2011.tgz of https://")
    assert call("data", "download", "mini-imagenet", "--data-root", tmp_path) == 2
    assert "mini-imagenet is not in" in capsys.readouterr().err
    assert call("data", "download", "omniglott") == 2
    assert "there is no dataset 'omniglott'; did you mean 'omniglot'?" in capsys.readouterr().err


def test_the_cache_is_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path))
    for number in range(6):
        (tmp_path / "mine" / f"class{number}").mkdir(parents=True)
        Image.new("RGB", (20, 20), (number, 0, 0)).save(tmp_path / "mine" / f"class{number}" / "a.png")
    load(f"folder:{tmp_path / 'mine'}")
    assert call("data", "clear") == 0
    assert capsys.readouterr().out == (
        f"removed 1 files of 0.1 MB from '{tmp_path / 'banks'}'; downloads stay in '{tmp_path / 'data'}'\n"
    )
    assert not list((tmp_path / "banks").iterdir())
    assert (tmp_path / "mine" / "class0" / "a.png").is_file()
    assert call("data", "download", f"folder:{tmp_path / 'mine'}") == 0
    assert capsys.readouterr().out == f"folder:{tmp_path / 'mine'}: in '{tmp_path / 'mine'}'\n"


def test_compare_says_who_is_better(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = PROJECT / "results" / "reference"
    names = ("protonet", "finetune", "distill")
    paths = [reference / f"glyphs-{task}-{name}-seed0" for task in ("3way-5shot", "5way-1shot") for name in names]
    means = [100 * pd.read_csv(scores_file(path))["learner"].mean() for path in paths[:2]]
    assert call("compare", *paths[:2]) == 0
    verdict = f"the accuracy of finetune is higher by {means[1] - means[0]:.2f} points, 95% interval "
    assert verdict in " ".join(capsys.readouterr().out.split())
    assert call("compare", *paths) == 0
    assert "tests take 5 datasets and three learners; here 1 dataset" in " ".join(capsys.readouterr().out.split())
    assert call("compare", *paths, "--diagram", tmp_path / "ranks.png") == 2
    assert "needs three learners, each on 5 or more of them; found 3 on 1" in capsys.readouterr().err
    data = ({"dataset": f"data{number}", "test_images": f"{number}a" * 16} for number in range(5))
    made = [
        write_run(tmp_path / f"{name}{number}", np.linspace(0.3, 0.8, 20) + 0.02 * place, learner=name, **each)
        for number, each in enumerate(data)
        for place, name in enumerate(names)
    ]
    assert call("compare", *made, "--diagram", tmp_path / "ranks.png") == 0
    assert "Friedman's test that all are equal: chi-squared 10.00" in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "ranks.png").stat().st_size > 1000
    assert call("compare", paths[0], paths[3]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert call("compare", *paths[:2], "--diagram", tmp_path / "more.png") == 2
    assert "found 2 on 1" in capsys.readouterr().err
    assert call("compare") == 2


def test_tasks_are_drawn_until_the_interval_is_as_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quick = ["run", "--learner=finetune", "--ways=2", "--shots=2", "--queries=5", "--validation-episodes=4"]
    quick += ["--threads=1", "--backbone=conv4:8", "--steps=3", "--output", str(tmp_path)]
    assert call(*quick, "--until-interval=1.5") == 0
    printed = capsys.readouterr().out
    assert "± 1.50 points (95% interval over " in printed
    record, accuracies = read_record(tmp_path / "glyphs-2way-2shot-finetune-seed0" / "record.json")
    assert record.config.test.until_interval == 1.5
    assert record.config.test.episodes == len(accuracies) > 200
    assert 1.96 * accuracies.std(ddof=1) / len(accuracies) ** 0.5 <= 0.015
    rule, drawn = FixedWidth(0.015, bounded=True), 0
    while (enough := rule.needed(accuracies[:drawn])) > drawn:
        drawn = enough
    assert drawn == len(accuracies)
    assert record.score.covers is not None
    assert "not the choice of either, nor training" in record.score.covers
    assert call(*quick, "--until-interval=0.01", "--episodes=210") == 0
    assert "--until-interval 0.01 was not met: it takes more tasks than --episodes" in capsys.readouterr().out
    assert call(*quick, "--until-interval=0") == 2
    assert "--until-interval: give more than 0.0; found 0.0" in capsys.readouterr().err
