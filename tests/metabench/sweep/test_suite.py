from pathlib import Path

import pytest
from PIL import Image

from episodes.dataset import DataOptions, with_data_root
from episodes.datasets import find
from episodes.errors import DataError
from metabench.cli.config_file import read_config_file
from metabench.cli.main import main
from metabench.errors import UsageError
from metabench.sweep.cells import refuse_imports
from metabench.sweep.suite import ABOUT, resolve_suite, set_name, suite_file, suite_names, suite_points

MINE = """
about: pictures of one colour each
dataset:
  folder:warm:
  folder:nowhere:
  folder:cold: {queries: 2}
ways: 2
queries: 3
image_size: 16
validation_episodes: 2
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a suite of three sets, of which one is not there."""
    for number, name in enumerate(("warm", "cold")):
        for label in range(6):
            folder = tmp_path / name / f"{name}{label}"
            folder.mkdir(parents=True)
            for item in range(5):
                Image.new("RGB", (16, 16), (200 * number, 40 * label, 9 * item)).save(folder / f"{item}.png")
    (tmp_path / "mine.yaml").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("METABENCH_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", suite_names())
def test_shipped_suites_are_studies_that_name_no_code_and_say_what_they_are(name: str) -> None:
    values = read_config_file(suite_file(name), "suite")
    points = suite_points(values, "protonet", {})
    refuse_imports(points)
    assert len(points) > 3
    assert len({set_name(point) for point in points}) == len(points)
    assert values[ABOUT] == values[ABOUT].strip(" .")


def test_the_offline_suite_has_five_sets_that_are_there(data_root: Path) -> None:
    values = read_config_file(suite_file("offline"), "suite")
    points = suite_points({**values, "shots": "5"}, "nearest", {})
    assert [set_name(point) for point in points] == [
        "glyphs",
        "emoji",
        "omniglot",
        "mini-imagenet",
        "tiny-imagenet-160",
    ]
    for point in points:
        options = with_data_root(DataOptions(data_root, point.settings.get("split"), download=False))
        assert (find(point.settings["dataset"], options) is None) == (point.settings["dataset"] == "glyphs")
        assert options.split is None or Path(options.split).is_file()
    assert {point.settings["shots"] for point in points} == {"5"}


def test_a_missing_set_is_named_and_the_others_run(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "suite",
                "mine.yaml",
                *["--learner", "nearest", "--episodes", "10", "--device", "cpu", "--csv", "table.csv"],
            ]
        )
    assert ended.value.code == 0
    out, err = capfd.readouterr()
    assert "metabench: nowhere is left out: there is no folder 'nowhere'" in err
    assert "2 of 2 runs made; records: results" in out
    heading, row = out[out.index("rank ") :].splitlines()[:2]
    assert heading.split() == ["rank", "mean", "warm", "cold", "learner"]
    assert row.split()[0] == "1.00"
    assert " nearest " in row
    assert len((place / "table.csv").read_text().splitlines()) == 2
    assert len(list(place.glob("results/*/record.json"))) == 2


def test_one_training_that_is_tested_on_two_sets_is_shared(place: Path) -> None:
    values = {**read_config_file(Path("mine.yaml"), "suite"), "shots": "1"}
    values["dataset"] = [{"folder:warm": {}}, {"folder:warm": {"test_dataset": "folder:cold", "test_split": "all"}}]
    options = {"backbone": "conv4:4", "steps": "2"}
    cells = [cell for _, cell in resolve_suite(suite_points(values, "finetune", options), None).cells]
    assert len({cell.digest for cell in cells}) == 2
    assert cells[0].stage
    assert {cell.stage for cell in cells} == {cells[0].stage}


def test_none_of_its_sets_is_there(place: Path) -> None:
    with pytest.raises(DataError, match=r"^none of the suite's sets is there; no: there is no folder"):
        resolve_suite(suite_points({"dataset": ["folder:no", "folder:not"]}, "nearest", {}), None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ofline", r"^there is no suite 'ofline'; did you mean 'offline'\?; a file of your own ends in .yaml$"),
        ("\x1b[2J", r"^there is no suite '.\[2J'; there are .*offline"),
    ],
)
def test_an_unknown_suite(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        suite_file(name)


def test_a_suite_with_learners_is_a_study() -> None:
    with pytest.raises(UsageError, match=r"^a suite is the same for every learner; leave 'learner' out of its file"):
        suite_points({"learner": "maml", "dataset": "glyphs"}, "protonet", {})
    with pytest.raises(UsageError, match=r"^a suite chooses no options; leave 'select' out of its file"):
        suite_points({"dataset": "glyphs", "select": "validation"}, "protonet", {"steps": ["1", "2"]})


def test_a_file_may_not_name_code_but_the_command_line_may(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (place / "theirs.yaml").write_text("dataset: theirs:code\n")
    with pytest.raises(SystemExit) as ended:
        main(["suite", "theirs.yaml", "--dry-run"])
    assert ended.value.code == 2
    assert "dataset: 'theirs:code' names code" in capfd.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["suite", "mine.yaml", "--dry-run", "--learner", "baselines.metric.nearest:Nearest"])
    assert ended.value.code == 0
    assert "baselines.metric.nearest:Nearest on folder:warm" in capfd.readouterr().out
