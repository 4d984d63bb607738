from pathlib import Path

import pytest

from baselines.maml import MAML
from baselines.protonet import ProtoNet
from metabench.config import RunConfig, learner_options, make_config, read_config_file
from metabench.errors import UsageError


def test_values_are_converted_and_defaults_kept() -> None:
    config = make_config(ways="3", output="somewhere")
    assert config == RunConfig(ways=3, output=Path("somewhere"))
    assert config.task.queries == 15


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lerner": "maml"}, "there is no setting 'lerner'; did you mean 'learner'?"),
        ({"episodes": 1}, "--episodes: input should be greater than or equal to 2; found 1"),
        ({"ways": "many"}, "--ways: input should be a valid integer, unable to parse string as an integer; found"),
        ({"device": "gpu"}, "--device: input should be 'auto', 'cpu' or 'cuda'; found 'gpu'"),
        ({"validation_episodes": 0}, "--validation-episodes: input should be greater than or equal to 1"),
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
    ("given", "message"),
    [
        (
            {"inner_step": 3},
            "learner 'maml' has no option 'inner_step'; did you mean 'inner_steps'?; it has backbone, ",
        ),
        ({"inner_steps": "few"}, "learner 'maml': --set inner_steps: input should be a valid integer"),
        ({"inner_steps": 0}, "learner 'maml': --set inner_steps: 0 is too small; give at least 1"),
        ({"steps": -1}, "learner 'maml': --set steps: -1 is too small; give at least 0"),
        ({"first_order": "perhaps"}, "learner 'maml': --set first_order: input should be a valid boolean"),
        ({"schedule": "cosin"}, "learner 'maml': --set schedule: input should be 'cosine', 'constant' or 'halving'"),
    ],
)
def test_bad_options_are_one_line(given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as error:
        learner_options(MAML, "maml", "glyphs", given)
    assert str(error.value).startswith(message)


def test_a_file_may_use_the_command_lines_spelling(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("learner: maml\ntest-seed: 4\noptions:\n  inner_steps: 2\n")
    assert read_config_file(file) == {"learner": "maml", "test_seed": 4, "options": {"inner_steps": 2}}


@pytest.mark.parametrize(
    ("text", "message"),
    [("learner: [", "is not valid YAML"), ("- maml", "must hold lines like 'learner: maml'; found list")],
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
