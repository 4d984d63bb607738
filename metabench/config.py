"""RunConfig: one run, from the command line to the record."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from episodes.errors import nearest
from episodes.named_task import NamedTask
from episodes.names import FOLDER, folders, full_name, join_names, short_name, split_names
from episodes.regression_task import RegressionTask
from episodes.task import FixedTask, Groups, Task
from episodes.variable_task import VariableTask
from metabench.errors import UsageError
from metabench.escape import plain

if TYPE_CHECKING:
    from episodes.dataset import DataOptions
    from metabench.learner import Learner, TrainingOptions


def _class_names(names: object) -> object:
    return split_names(names) if isinstance(names, str) else names


def _named_tasks(tasks: object) -> object:
    """One task or several: `a,b,c`, as a list of its classes, or a list of either."""
    if isinstance(tasks, str):
        return [tasks]
    one = isinstance(tasks, list) and tasks and all(isinstance(name, str) and "," not in name for name in tasks)
    return [tasks] if one else tasks


# The settings that say which test tasks there are, as a file of frozen tasks has them: of the data, the task's numbers,
# and how tasks are drawn.
DATA = ("dataset", "split", "test_dataset", "test_split", "image_size", "channels")
NUMBERS = ("ways", "shots", "queries")
VARIANT = ("task", "groups", "imbalance", "label_noise", "unlabelled", "distractors", "disjoint", "test_task")
RECIPE = (*VARIANT, "test_seed")
# Those that have no sense where tasks are functions, in place of classes and images.
OF_CLASSES = ("ways", *VARIANT, "train_task", "tasks", *DATA[1:])

MOST_EPISODES = 10_000_000  # whose scores and predictions still fit in memory

Names = Annotated[tuple[str, ...], BeforeValidator(_class_names)]
NamedTasks = Annotated[tuple[Names, ...], BeforeValidator(_named_tasks)]


class RunConfig(BaseModel):
    """Everything that decides a run's figures, and where its files go.

    Attributes:
        learner: a registered name, or `package.module:Class`.
        options: the learner's own options (`metabench list learners`).
        dataset: see `metabench list datasets`.
        data_root, split, image_size, channels: see `episodes.DataOptions`.
        test_dataset, test_split: another dataset to test on (see `episodes.combine.cross_domain`).
        ways, shots, queries: the task; queries are per class. In regression ways is 1, the others points.
        task: `fixed` (see `episodes.FixedTask`), or `variable` (see `episodes.VariableTask`): then ways, shots and
            queries are those of training episodes alone.
        groups, imbalance, label_noise, unlabelled, distractors: see `episodes.FixedTask`. Like `task` they hold for
            validation and test; how it trains is the learner's own.
        train_task, test_task: tasks by the names of their classes, `cat,sheep,boar` each; ways is their number of
            classes. Training has then only the named classes, and episodes of it are the named tasks.
        tasks: a file of frozen tasks to be tested on. Other settings of data and tasks are then its own.
        disjoint: no image is in two test tasks; there are as many as the images suffice for.
        episodes: test tasks, at least 2; None for 600, or all of a list.
        until_interval: draw test tasks until the 95% interval is ± so many points, or in regression so much squared
            error (see `metabench.stopping.FixedWidth`); episodes is then the most, None for 100,000 or all of a list.
        validation_episodes: validation tasks, each time.
        seed: from which weights and training order derive.
        test_seed: which test tasks; the same for all learners and training seeds unless changed.
        device: `auto` takes a GPU where there is one.
        precision: of training; `auto` is mixed bfloat16 on a GPU and float32 on CPU. Scoring is in float32.
        threads: CPU threads; None for torch's choice.
        output: the folder that gets the run's folder. Like data_root and tasks it is no part of the record: they are
            places on one machine, and fingerprints say which data and tasks it was. Of folder:PATH the record keeps
            the folder's name.
        tensorboard, mlflow: log the run there too (see `metabench.loggers`); no part of the record either.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    learner: str = "protonet"
    options: dict[str, Any] = Field(default_factory=dict)
    dataset: str = "glyphs"
    data_root: Path | None = Field(None, exclude=True)
    split: str | None = None
    image_size: int | None = None
    channels: int | None = None
    test_dataset: str | None = None
    test_split: str | None = None
    ways: int = Field(5, lt=2**31)
    shots: int = Field(1, lt=2**31)
    queries: int = Field(15, lt=2**31)
    task: Literal["fixed", "variable"] = "fixed"
    groups: Groups = "any"
    imbalance: Literal["none", "step", "dirichlet"] = "none"
    label_noise: float = 0.0
    unlabelled: int = 0
    distractors: int = 0
    train_task: NamedTasks = ()
    test_task: NamedTasks = ()
    tasks: Path | None = Field(None, exclude=True)
    disjoint: bool = False
    episodes: int | None = Field(None, ge=2, le=MOST_EPISODES)
    until_interval: float | None = Field(None, gt=0, allow_inf_nan=False)
    validation_episodes: int = Field(100, ge=1, le=MOST_EPISODES)
    seed: int = Field(0, ge=0, lt=2**63)
    test_seed: int = Field(0, ge=0, lt=2**63)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int | None = Field(None, ge=1, le=1024)
    output: Path = Field(Path("results"), exclude=True)
    tensorboard: bool = Field(False, exclude=True)
    mlflow: bool = Field(False, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _ways_that_follow(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        if values.get("dataset") == "sinusoid":
            return {"ways": RegressionTask.ways, **values}
        named = _named_tasks(values.get("test_task") or values.get("train_task"))
        given = {"ways", "tasks"} & values.keys()
        if given or not named or not isinstance(named, (list, tuple)):
            return values
        try:
            first = _class_names(named[0])
        except ValueError:  # the field's own check says it
            return values
        return {**values, "ways": len(first)} if isinstance(first, (list, tuple)) else values

    @property
    def regression(self) -> bool:
        """Whether the tasks are functions, in place of classes."""
        return self.dataset == "sinusoid"

    @property
    def shape(self) -> FixedTask | RegressionTask:
        """What the learner is built for, and told of the tasks that it will be scored on."""
        if self.regression:
            return RegressionTask(self.shots, self.queries)
        return FixedTask(
            *(self.ways, self.shots, self.queries, self.groups, self.imbalance, self.label_noise),
            unlabelled=self.unlabelled,
            distractors=self.distractors,
        )

    @property
    def test_recipe(self) -> Task | RegressionTask:
        """The recipe of test tasks.

        Raises:
            UsageError, episodes.DataError: settings that do not go together.
        """
        if self.disjoint:
            self._refuse_variable("--disjoint")
        if self.test_task:
            self._refuse_variable("--test-task")
            if self.disjoint:
                raise UsageError("--disjoint does not go with --test-task; leave one of them out")
            return NamedTask(**vars(self.shape), names=self.test_task)
        return self.validation_recipe

    @property
    def validation_recipe(self) -> Task | RegressionTask:
        """The recipe of validation tasks: as at test, but for the names."""
        if self.task == "fixed":
            return self.shape
        for name in self.shape.variant:
            if name != "groups":
                self._refuse_variable(f"--{name.replace('_', '-')}")
        if self.groups == "across":
            self._refuse_variable("--groups across")
        return VariableTask(self.groups)  # type: ignore[arg-type]

    def _refuse_variable(self, other: str) -> None:
        if self.task == "variable":
            raise UsageError(f"--task variable does not go with {other}; leave one of them out")

    @property
    def variant(self) -> str:
        """What makes the test tasks other than plain N-way K-shot, in one line; empty if nothing does."""
        words: list[str] = [self.task] if self.task != "fixed" else []
        words += [f"{name}={value}" for name, value in self.shape.variant.items()]
        words += ["disjoint"] if self.disjoint else []
        words += [
            f"{kind} {join_names(names)}" for kind in ("train", "test") for names in getattr(self, f"{kind}_task")
        ]
        return "; ".join(words)

    @property
    def numbers(self) -> dict[str, int]:
        """Ways, shots and queries of the test tasks; nothing where they vary."""
        return {} if self.task == "variable" else {name: getattr(self, name) for name in NUMBERS}

    @property
    def recorded(self) -> RunConfig:
        """What a record keeps of it: folders of pictures by their names alone, and no place on this machine."""
        test_dataset = self.test_dataset and short_name(self.test_dataset)
        return self.model_copy(update={"dataset": short_name(self.dataset), "test_dataset": test_dataset})

    @property
    def data_options(self) -> DataOptions:
        from episodes.dataset import DataOptions  # with torch, which reading records needs none of

        return DataOptions(self.data_root, self.split, self.image_size, self.channels)


def describe_task(config: RunConfig) -> str:
    """The test tasks in a few words: `5-way 1-shot, groups=within`."""
    ways = "" if config.regression else f"{config.ways}-way "
    numbers = "" if config.task == "variable" else f"{ways}{config.shots}-shot"
    return ", ".join(part for part in (numbers, config.variant) if part)


def make_config(**values: Any) -> RunConfig:
    """A RunConfig from its fields.

    Raises:
        UsageError: an unknown field (names the nearest), or a value that does not fit.
    """
    for name in values:
        if name not in RunConfig.model_fields:
            raise UsageError(f"there is no setting '{name}'{nearest(name, RunConfig.model_fields)}")
    _check_given(values, {name: item.annotation for name, item in RunConfig.model_fields.items()}, "--")
    try:
        config = RunConfig(**values)
    except ValidationError as error:
        raise UsageError(_first_problem(error, "--")) from None
    config = _with_full_names(config)
    if config.test_split and not config.test_dataset:
        raise UsageError(f"--test-split {config.test_split} needs --test-dataset; the split of --dataset is --split")
    if config.regression:
        _refuse_classes(config)
    return config


def _with_full_names(config: RunConfig) -> RunConfig:
    """The same with nameless paths, such as `.`, written in full.

    Raises:
        UsageError: two folders of one name, which a record could not keep apart.
    """
    names = {name: full_name(value) for name in ("dataset", "test_dataset") if (value := getattr(config, name))}
    known: dict[str, str] = {}
    for path in itertools.chain.from_iterable(map(folders, names.values())):
        other = known.setdefault(short_name(FOLDER + path), path)
        if Path(path).resolve() != Path(other).resolve():
            raise UsageError(
                f"'{other}' and '{path}' are two folders of one name, by which records know them; rename one of them, "
                "or give a link to it"
            )
    return config.model_copy(update=names)


def _refuse_classes(config: RunConfig) -> None:
    for name in OF_CLASSES:
        default = RegressionTask.ways if name == "ways" else RunConfig.model_fields[name].default
        if getattr(config, name) != default:
            raise UsageError(
                f"--{name.replace('_', '-')} does not go with --dataset {config.dataset}, whose tasks are functions "
                "and have no classes or images; leave it out"
            )


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
    types = get_type_hints(learner.Options)
    _check_given(given, types, f"learner '{name}': --set ")
    no_value = {name for name, value in given.items() if value == "none" and type(None) in get_args(types[name])}
    values = {**preset(learner, dataset), **given, **dict.fromkeys(no_value)}
    try:
        options: TrainingOptions = TypeAdapter(learner.Options).validate_python(values)
    except ValidationError as error:
        raise UsageError(f"learner '{name}': {_first_problem(error, '--set ')}") from None
    return options


def changed_options(learner: type[Learner], name: str, dataset: str, options: dict[str, Any]) -> dict[str, Any]:
    """Those of a run's options that are not the learner's defaults for the dataset, and of a part in its result."""
    defaults = asdict(learner_options(learner, name, dataset, {}))
    beside = {item.name for item in fields(learner.Options) if item.metadata.get("beside")}
    return {name: value for name, value in options.items() if value != defaults.get(name) and name not in beside}


def preset(learner: type[Learner], dataset: str) -> dict[str, Any]:
    """The learner's other defaults for that dataset."""
    return dict(learner.presets.get(dataset, {}))


def _first_problem(error: ValidationError, prefix: str) -> str:
    problem = error.errors()[0]
    name = ".".join(str(part) for part in problem["loc"][:1])
    wanted = WANTED.get(problem["type"])
    message = wanted.format(**problem.get("ctx", {})) if wanted else problem["msg"][0].lower() + problem["msg"][1:]
    name = name if prefix.endswith(" ") else name.replace("_", "-")
    return f"{prefix}{name}: {message}; found {plain(repr(problem['input']), 100)}"


WANTED = {  # by pydantic's names of what is wrong
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float", "int_parsing_size"), "give a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "give a number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "give true or false"),
    "finite_number": "give a finite number",
    "greater_than": "give more than {gt}",
    "greater_than_equal": "give at least {ge}",
    "less_than": "give less than {lt}",
    "less_than_equal": "give at most {le}",
    "literal_error": "give {expected}",
    "string_type": "give text",
    "path_type": "give a path",
    "tuple_type": "give class names, such as cat,sheep,boar",
    "dict_type": "give names with values",
    "value_error": "{error}",
}


def _check_given(values: Mapping[str, Any], types: Mapping[str, Any], prefix: str) -> None:
    """Raise UsageError for what types let pass: True as a number, and text that no file or record can hold."""
    for name, value in values.items():
        option = f"{prefix}{name if prefix.endswith(' ') else name.replace('_', '-')}"
        if isinstance(value, bool) and name in types and bool not in (types[name], *get_args(types[name])):
            raise UsageError(f"{option}: it is not a matter of true or false; found {value}")
        if isinstance(value, str | Path):
            # A path may have bytes that are not UTF-8, which Python keeps as these surrogates.
            bytes_of_paths = range(0xDC80, 0xDD00) if isinstance(value, Path) else range(0)
            bad = [each for each in map(ord, str(value)) if each == 0 or (0xD800 <= each < 0xE000)]
            if any(each not in bytes_of_paths for each in bad):
                shown = str(value).encode("utf-8", "backslashreplace").decode()
                raise UsageError(f"{option}: {shown[:100]!r} has bytes that are not UTF-8, or a NUL; name it otherwise")
