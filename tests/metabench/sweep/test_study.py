"""A study's file becomes the runs that it means, or is refused in one line."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from episodes.errors import DataError
from metabench.cli.config_file import read_config_file
from metabench.errors import UsageError
from metabench.sweep import cells
from metabench.sweep.cells import refuse_imports, resolve
from metabench.sweep.study import Point, points


def read(tmp_path: Path, text: str) -> list[Point]:
    file = tmp_path / "study.yaml"
    file.write_text(text)
    return points(read_config_file(file, "study"))


def test_lists_are_a_grid(tmp_path: Path) -> None:
    study = """
learner: [protonet, maml]
dataset: [glyphs, omniglot]
task: {ways: 5, shots: [1, 5]}
seed: [0, 1, 2]
"""
    found = read(tmp_path, study)
    assert len(found) == 2 * 2 * 2 * 3
    assert len({point.title for point in found}) == len(found)
    assert found[0].settings == {"learner": "protonet", "dataset": "glyphs", "ways": "5", "shots": "1", "seed": "0"}
    assert [point.settings["seed"] for point in found[:4]] == ["0", "1", "2", "0"]
    assert found[-1].title == "maml on omniglot, shots 5, seed 2"


def test_a_study_without_lists_is_one_run(tmp_path: Path) -> None:
    (only,) = read(tmp_path, "shots: 5\ntest_task: [[cat, ewe], [dog, boar]]\n")
    assert only.settings == {
        "learner": "protonet",
        "dataset": "glyphs",
        "shots": "5",
        "test_task": [["cat", "ewe"], ["dog", "boar"]],
    }


def test_learners_and_datasets_have_settings_of_their_own(tmp_path: Path) -> None:
    study = """
learner:
  protonet:
  maml: {inner-steps: [1, 3], steps: 20}
dataset:
- glyphs
- omniglot: {split: [lake, vinyals], data: {image_size: 32}}
steps: 500
"""
    found = read(tmp_path, study)
    assert len(found) == (1 + 2) * (1 + 2)
    of_maml = [point for point in found if point.settings["learner"] == "maml"]
    assert {point.options["inner_steps"] for point in of_maml} == {"1", "3"}
    assert all(point.options["steps"] == "20" and not point.common for point in of_maml)
    assert found[0].common == {"steps": "500"}
    assert {point.settings.get("split") for point in found} == {None, "lake", "vinyals"}
    assert all((point.settings.get("image_size") == "32") == ("split" in point.settings) for point in found)


def test_one_learner_may_come_twice_with_other_options(tmp_path: Path) -> None:
    found = read(tmp_path, "learner: [maml: {inner_steps: 1}, maml: {inner_steps: 3}]\n")
    assert [point.title for point in found] == ["maml on glyphs, inner_steps 1", "maml on glyphs, inner_steps 3"]


def test_what_is_excluded_is_left_out(tmp_path: Path) -> None:
    study = """
learner: {protonet: , maml: {inner_steps: [1, 3]}}
shots: [1, 5]
seed: [0, 1]
exclude:
- {learner: protonet, shots: 05}
- {inner-steps: 3.0, seed: [0, 1], shots: 1}
"""
    found = {point.title for point in read(tmp_path, study)}
    assert found == {
        "protonet on glyphs, shots 1, seed 0",
        "protonet on glyphs, shots 1, seed 1",
        "maml on glyphs, shots 1, seed 0, inner_steps 1",
        "maml on glyphs, shots 1, seed 1, inner_steps 1",
        "maml on glyphs, shots 5, seed 0, inner_steps 1",
        "maml on glyphs, shots 5, seed 1, inner_steps 1",
        "maml on glyphs, shots 5, seed 0, inner_steps 3",
        "maml on glyphs, shots 5, seed 1, inner_steps 3",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lerner: maml", "no setting 'lerner'; did you mean 'learner'?"),
        ("excludes: []", "did you mean 'exclude'?"),
        ("task: {shot: 5}", "there is no setting 'shot' under 'task:'; did you mean 'shots'?"),
        ("seed: []", "seed: give one value, or a list of values"),
        ("seed: [0, [1, 2]]", "seed: give one value, or a list of values"),
        ("seed: [0, ~]", "seed: give one value, or a list of values"),
        ("learner: []", "learner is empty"),
        ("learner: [[maml]]", "learner: give names; found ['maml']"),
        ("learner: {maml: 5}", "maml: give lines like 'steps: 500' below it; found '5'"),
        ("dataset: {glyphs: {seed: 1}}", "takes settings of data, task and test; found 'seed'"),
        ("output: [a, b]", "output is the same for all runs of a study"),
        ("threads: [1, 2]", "threads is the same for all runs of a study"),
        ("exclude: maml", "exclude: give a list of lines"),
        ("exclude: [{lerner: maml}]", "no run of the study sets 'lerner'; did you mean 'learner'?"),
        ("learner: [maml, tim]\nexclude: [{learner: mamml}]", "no run of the study has learner: mamml"),
        ("exclude: [{learner: protonet}]", "everything is excluded"),
        ("learner: maml\nlearner: tim", "'learner' a second time"),
        ("learner: !!python/object/apply:os.system [ls]", "has a tag"),
        ("- maml", "must hold lines like 'learner: maml'; found a list"),
        (f"seed: [{','.join(map(str, range(400)))}]\nshots: [{','.join(map(str, range(400)))}]", "more than 100,000"),
    ],
)
def test_mistakes_are_said_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        read(tmp_path, text)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def quick(**changes: Any) -> list[Point]:
    return points({"episodes": "4", "validation_episodes": "2", "learner": "nearest", **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learner": ["nearest", "protonett"]}, "there is no learner 'protonett'; did you mean 'protonet'?"),
        ({"dataset": "glyfs"}, "there is no dataset 'glyfs'; did you mean 'glyphs'?"),
        ({"learner": {"maml": {"inner_step": "3"}}}, "has no option 'inner_step'; did you mean 'inner_steps'?"),
        ({"options": {"inner_step": "3"}}, "no learner of the study has a use for 'inner_step'"),
        ({"options": {"steps": "3"}}, "no learner of the study has a use for 'steps'"),
        ({"ways": ["3", "five"]}, "nearest on glyphs, ways five: --ways: give a whole number; found 'five'"),
        ({"ways": "300"}, "nearest on glyphs: "),
        ({"dataset": ["glyphs", "glyfs"]}, "nearest on glyfs: there is no dataset 'glyfs'; did you mean 'glyphs'?"),
        ({"dataset": ["glyphs", "folder:/no/such"], "ways": ["5", "300"]}, "nearest on glyphs, ways 300: "),
        ({"dataset": ["folder:/no/such", "folder:/nor/that"]}, "nearest on folder:/no/such: there is no folder"),
        ({"learner": "setfit"}, "setfit on glyphs: "),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((UsageError, DataError)) as raised:
        resolve(quick(**changes), threads=1)
    assert message in str(raised.value)


def test_what_is_missing_is_looked_for_once_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    look_up_one = cells.look_up_one

    def counted(point: Point, threads: int | None) -> object:
        looked.append(point.title)
        return look_up_one(point, threads)

    monkeypatch.setattr(cells, "look_up_one", counted)
    changes = {"dataset": ["folder:/no/such", "glyphs"], "seed": ["0", "1"], "learner": ["nearest", "protonet"]}
    trained = [{"learner": "protonet", "dataset": "glyphs"}]
    made, left = resolve(quick(**changes, options={"steps": "3"}, exclude=trained), threads=1)
    assert [cell.title for cell in made] == ["nearest on glyphs, seed 0", "nearest on glyphs, seed 1"]
    assert [each.point.title for each in left] == [
        f"{learner} on folder:/no/such, {of}"
        for learner, of in itertools.product(("nearest", "protonet"), ("seed 0", "seed 1"))
    ]
    assert looked == ["nearest on folder:/no/such, seed 0", *(cell.title for cell in made)]


def test_common_options_are_of_the_learners_that_have_a_use_for_them() -> None:
    changes = {"learner": ["nearest", "protonet"], "options": {"steps": "3", "backbone": "conv4:4"}}
    (nearest, protonet), _ = resolve(quick(**changes), threads=1)
    assert nearest.config.options == {}
    assert protonet.config.options == {"steps": "3", "backbone": "conv4:4"}
    assert protonet.steps == 3
    assert protonet.config.machine.threads == 1


def test_digests_tell_runs_apart_and_nothing_else() -> None:
    def digests(**changes: Any) -> list[str]:
        return [cell.digest for cell in resolve(quick(**changes), threads=1)[0]]

    (plain,) = digests()
    assert digests(shots="01") == digests(output="/elsewhere") == digests(threads="2") == [plain]
    others = [digests(**{name: "2"})[0] for name in ("shots", "seed", "test_seed", "episodes")]
    assert len({plain, *others}) == 5
    assert digests(shots=["1", "01"]) == [plain]


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"learner": "os:system"}, "learner"),
        ({"learner": "easyfsl:os:system"}, "learner"),
        ({"dataset": "os.path:join"}, "dataset"),
        ({"dataset": "glyphs", "test_dataset": "mine:data"}, "test_dataset"),
        ({"learner": {"protonet": {"backbone": "os:system"}}}, "backbone"),
        ({"learner": {"distill": {"teacher_backbone": "os:system"}}}, "teacher_backbone"),
        ({"options": {"backbone": ["conv4", "os:system"]}}, "backbone"),
    ],
)
def test_code_from_elsewhere_needs_leave(changes: dict[str, Any], setting: str) -> None:
    with pytest.raises(
        UsageError, match=f"^{setting}: .* names code outside of what is installed; give --allow-import"
    ):
        refuse_imports(quick(**changes))


def test_what_is_installed_needs_no_leave() -> None:
    changes = {"learner": ["easyfsl:tim", {"protonet": {"weights": "a:b.pt"}}], "options": {"backbone": "conv4:8"}}
    refuse_imports(quick(**changes, dataset=["folder:/a/b:c", "torchvision:MNIST", "csv:x.csv"]))
