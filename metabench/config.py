"""RunConfig: one run, from the command line to the record."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from episodes.datasets import DataOptions
from episodes.errors import nearest
from episodes.task import FixedTask
from metabench.errors import UsageError
from metabench.learner import Learner, TrainingOptions


class RunConfig(BaseModel):
    """Everything that decides a run's figures, and where its files go.

    Attributes:
        learner: a registered name, or `package.module:Class`.
        options: the learner's own options (`metabench list learners`).
        dataset: see `metabench list datasets`.
        data_root, split, image_size, channels: see `episodes.DataOptions`.
        ways, shots, queries: the task; queries are per class.
        episodes: test tasks, at least 2.
        validation_episodes: validation tasks, each time.
        seed: from which weights and training order derive.
        test_seed: which test tasks; the same for all learners and training seeds unless changed.
        device: `auto` takes a GPU where there is one.
        precision: of training; `auto` is mixed bfloat16 on a GPU and float32 on CPU. Scoring is in float32.
        threads: CPU threads; None for torch's choice.
        output: the folder that gets the run's folder. Like data_root it is no part of the record: both are places on
            one machine, and the fingerprints say which data it was.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    learner: str = "protonet"
    options: dict[str, Any] = Field(default_factory=dict)
    dataset: str = "glyphs"
    data_root: Path | None = Field(None, exclude=True)
    split: str | None = None
    image_size: int | None = None
    channels: int | None = None
    ways: int = 5
    shots: int = 1
    queries: int = 15
    episodes: int = Field(600, ge=2)
    validation_episodes: int = Field(100, ge=1)
    seed: int = Field(0, ge=0, lt=2**63)
    test_seed: int = Field(0, ge=0, lt=2**63)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int | None = Field(None, ge=1, le=1024)
    output: Path = Field(Path("results"), exclude=True)

    @property
    def task(self) -> FixedTask:
        return FixedTask(self.ways, self.shots, self.queries)

    @property
    def data_options(self) -> DataOptions:
        return DataOptions(self.data_root, self.split, self.image_size, self.channels)


def make_config(**values: Any) -> RunConfig:
    """A RunConfig from its fields.

    Raises:
        UsageError: an unknown field (names the nearest) or a value that does not fit.
    """
    for name in values:
        if name not in RunConfig.model_fields:
            raise UsageError(f"there is no setting '{name}'{nearest(name, RunConfig.model_fields)}")
    try:
        return RunConfig(**values)
    except ValidationError as error:
        raise UsageError(_first_problem(error, "--")) from None


def read_config_file(path: Path) -> dict[str, Any]:
    """The settings of a YAML file whose keys are RunConfig's fields, `backbone` and `steps` short for options.

    Raises:
        UsageError: missing or unreadable file, bad YAML, or not a mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read --config '{path}': {getattr(error, 'strerror', None) or error}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"--config '{path}' is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise UsageError(f"--config '{path}' must hold lines like 'learner: maml'; found {type(content).__name__}")
    settings = {str(key).replace("-", "_"): value for key, value in content.items()}
    options = settings.get("options") or {}
    if not isinstance(options, dict):
        raise UsageError(f"--config '{path}': options must be lines like 'inner_steps: 5'; found {options!r}")
    options = {str(key).replace("-", "_"): value for key, value in options.items()}
    short = {name: settings.pop(name) for name in ("backbone", "steps") if name in settings}
    return {**settings, "options": {**options, **short}}


def learner_options(learner: type[Learner], name: str, dataset: str, given: dict[str, Any]) -> TrainingOptions:
    """The learner's options: its defaults, its preset for the dataset, and what was given, in rising order.

    Raises:
        UsageError: an option that the learner does not have (names the nearest), or a value that does not fit.
    """
    known = [item.name for item in fields(learner.Options)]
    for key in given:
        if key not in known:
            raise UsageError(
                f"learner '{name}' has no option '{key}'{nearest(key, known)}; it has {', '.join(sorted(known))}"
            )
    values = {**preset(learner, dataset), **given}
    try:
        options: TrainingOptions = TypeAdapter(learner.Options).validate_python(values)
    except ValidationError as error:
        raise UsageError(f"learner '{name}': {_first_problem(error, '--set ')}") from None
    return options


def preset(learner: type[Learner], dataset: str) -> dict[str, Any]:
    """The learner's other defaults for that dataset."""
    return dict(learner.presets.get(dataset, {}))


def _first_problem(error: ValidationError, prefix: str) -> str:
    problem = error.errors()[0]
    name = ".".join(str(part) for part in problem["loc"][:1])
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{prefix}{name if prefix.endswith(' ') else name.replace('_', '-')}: {message}; found {problem['input']!r}"
