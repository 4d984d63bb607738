from pathlib import Path

import pytest

from baselines.gradient.maml import MAML
from baselines.metric.protonet import ProtoNet
from metabench.cli.config_file import read_config_file
from metabench.config import OutputConfig, RunConfig, TaskConfig, make_config
from metabench.errors import UsageError
from metabench.registry import get_learner, learner_options


def test_values_are_converted_and_defaults_kept() -> None:
    config = make_config(ways="3", output="somewhere")
    assert config == RunConfig(task=TaskConfig(ways=3), output=OutputConfig(output=Path("somewhere")))
    assert config.shape("images").queries == 15


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lerner": "maml"}, "there is no setting 'lerner'; did you mean 'learner'?"),
        ({"episodes": 0}, "--episodes: give at least 1; found 0"),
        ({"ways": "many"}, "--ways: give a whole number; found 'many'"),
        ({"device": "gpu"}, "--device: give 'auto', 'cpu' or 'cuda'; found 'gpu'"),
        ({"test_split": "lake"}, "--test-split lake needs --test-dataset; the split of --dataset is --split"),
        ({"split": "all"}, "--split all makes every class a test class, and leaves none to train on; train on another"),
        ({"validation_episodes": 0}, "--validation-episodes: give at least 1"),
    ],
)
def test_bad_settings_are_one_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as error:
        make_config(**values)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_options_come_from_defaults_then_the_datasets_preset_then_the_user() -> None:
    defaults = learner_options(ProtoNet, "protonet", "folder:x", {})
    preset = learner_options(ProtoNet, "protonet", "omniglot", {})
    given = learner_options(ProtoNet, "protonet", "omniglot", {"train_ways": "7"})
    assert isinstance(defaults, ProtoNet.Options)
    assert isinstance(preset, ProtoNet.Options)
    assert isinstance(given, ProtoNet.Options)
    assert defaults.train_ways is None
    assert preset.train_ways == 60  # Snell et al. 2017, section 3.1
    assert given.train_ways == 7
    assert given.steps == preset.steps


@pytest.mark.parametrize(
    "written",
    ["a, b,c", ["a", "b", "c"], [["a", "b", "c"]], ["a,b,c"], ("a,b,c",)],
)
def test_a_named_task_may_be_written_as_people_do(written: object) -> None:
    config = make_config(test_task=written)
    assert config.task.test_task == (("a", "b", "c"),)
    assert config.task.ways == 3


def test_a_class_name_may_have_a_comma_in_a_list_of_lists() -> None:
    config = make_config(train_task=[["goose, honker", "b"], ["c", "d"]])
    assert config.task.train_task == (("goose, honker", "b"), ("c", "d"))
    assert config.task.ways == 2


@pytest.mark.parametrize("written", [5, [5], {"a": 1}, [["a", 5]]])
def test_what_is_no_named_task_is_one_line(written: object) -> None:
    with pytest.raises(UsageError, match=r"^--test-task: give (class names, such as cat,sheep,boar|text); found"):
        make_config(test_task=written)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"inner_step": 3},
            "learner 'maml' has no option 'inner_step'; did you mean 'inner_steps'?",
        ),
        ({"inner_steps": "few"}, "learner 'maml': --set inner_steps: give a whole number"),
        ({"meta_batch": 0}, "learner 'maml': --set meta_batch: give at least 1; found 0"),
        ({"steps": -1}, "learner 'maml': --set steps: give at least 0; found -1"),
        ({"first_order": "perhaps"}, "learner 'maml': --set first_order: give true or false"),
        ({"schedule": "cosin"}, "learner 'maml': --set schedule: give 'cosine', 'linear', 'constant' or 'halving'"),
    ],
)
def test_bad_options_are_one_line(given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as error:
        learner_options(MAML, "maml", "glyphs", given)
    assert str(error.value).startswith(message)


def test_a_file_may_use_the_command_lines_spelling(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("learner: maml\ntest-seed: 4\noptions:\n  inner_steps: 2\n")
    assert read_config_file(file) == {"learner": "maml", "test_seed": "4", "options": {"inner_steps": "2"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [("learner: [", "is not valid YAML"), ("- maml", "must hold lines like 'learner: maml'; found a list")],
)
def test_bad_files_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=message) as error:
        read_config_file(file)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read --config '.*none.yaml': No such file"):
        read_config_file(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("learner", "option", "value"),
    [
        *((name, "learning_rate", value) for name in ("protonet", "maml") for value in ("-1", "0", "nan", "inf")),
        ("protonet", "weight_decay", "-1"),
        ("protonet", "train_ways", "1"),
        ("maml", "inner_learning_rate", "-1"),
        *(("finetune", "ridge", value) for value in ("-1", "0", "nan")),
        *(("finetune", option, "1e999") for option in ("tuning_rate", "logit_scale")),
        ("finetune", "batch_size", "1"),
        *(("distill", "temperature", value) for value in ("-4", "0", "nan")),
        *(("distill", "mixing", value) for value in ("-3", "2", "nan")),
    ],
)
def test_values_out_of_range_are_refused(learner: str, option: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"learner '{learner}': --set {option}: "):
        learner_options(get_learner(learner), learner, "glyphs", {option: value})


def test_a_file_may_use_the_short_options_and_hyphens(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("validation-episodes: 3\nsteps: 7\nbackbone: resnet12\noptions: {train-ways: 6}\n")
    assert read_config_file(file) == {
        "validation_episodes": "3",
        "options": {"train_ways": "6", "steps": "7", "backbone": "resnet12"},
    }


def test_two_folders_of_one_name_are_refused(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place / "birds").mkdir(parents=True)
    one, other = (f"folder:{tmp_path / place / 'birds'}" for place in ("a", "b"))
    for settings in ({"dataset": one, "test_dataset": other}, {"dataset": f"{one}+{other}"}):
        with pytest.raises(
            UsageError, match="are two folders with the same name, and records know folders by their names"
        ):
            make_config(**settings)
    assert make_config(dataset=one, test_dataset=f"{one}/", test_split="seed=1").data.test_dataset == f"{one}/"
    with pytest.raises(UsageError, match="are two files with the same name, and records know files by their names"):
        make_config(dataset="csv:/a/b.csv", test_dataset="csv:/c/b.csv")
    assert make_config(dataset="csv:/a/b", test_dataset="jsonl:/c/b").data.dataset == "csv:/a/b"


def test_what_is_recorded_has_no_place(tmp_path: Path) -> None:
    config = make_config(dataset=f"folder:{tmp_path}", test_dataset="folder:/data/b/", output=tmp_path)
    assert config.recorded.data.dataset == f"folder:{tmp_path.name}"
    assert config.recorded.data.test_dataset == "folder:b"
    assert str(tmp_path) not in config.recorded.model_dump_json()
    texts = make_config(dataset=f"csv:{tmp_path / 'a.csv'}", test_dataset=f"txt:{tmp_path}").recorded
    assert (texts.data.dataset, texts.data.test_dataset) == ("csv:a.csv", f"txt:{tmp_path.name}")
    assert make_config().recorded == make_config()


def test_class_names_with_commas_are_quoted() -> None:
    config = make_config(test_task='"sheep, wild",cat')
    assert (config.task.test_task, config.task.ways) == ((("sheep, wild", "cat"),), 2)
    assert config.variant == 'test "sheep, wild",cat'
    assert make_config(test_task=[["sheep, wild", "cat"]]) == config
    with pytest.raises(UsageError, match=r"--test-task: the quotation mark of .* is not closed"):
        make_config(test_task='"sheep, wild')
