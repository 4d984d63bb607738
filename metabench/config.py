"""RunConfig: one run, from the command line to the record."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from episodes.banks.bank import SPANS
from episodes.errors import nearest
from episodes.names import FILES, full_name, join_names, placed, short_name, split_names
from episodes.tasks.all_way import AllWayTask
from episodes.tasks.dirichlet import canonical
from episodes.tasks.fixed import FixedTask
from episodes.tasks.named import NamedTask
from episodes.tasks.regression import RegressionTask
from episodes.tasks.spans import AllWaySpans, EntityTask, QuestionTask
from episodes.tasks.task import Groups, Task
from episodes.tasks.variable import VariableTask
from metabench.errors import UsageError
from metabench.values import check_given, first_problem

if TYPE_CHECKING:
    from episodes.banks.bank import Kind
    from episodes.dataset import DataOptions


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
DATA = ("dataset", "split", "test_dataset", "test_split", "image_size", "channels", "across")
NUMBERS = ("ways", "shots", "queries")
# Of FixedTask, beyond its numbers.
SHAPE = ("groups", "imbalance", "label_noise", "unlabelled", "distractors", "query_imbalance")
RECIPE = ("task", *SHAPE, "disjoint", "test_task", "test_seed")
# Those that have no meaning where tasks are functions, and where they are of words.
OF_CLASSES = ("task", *SHAPE, "disjoint", "test_task", "train_task", "tasks")
OF_ROWS = ("image_size", "channels", *OF_CLASSES[1:])
OF_TYPES = (*OF_ROWS, "queries", "split", "test_dataset")  # which questions have not

VALIDATION_QUERIES = 5  # per class in the validation tasks of `all-way`
MOST_EPISODES = 10_000_000  # whose scores and predictions still fit in memory

Names = Annotated[tuple[str, ...], BeforeValidator(_class_names)]
NamedTasks = Annotated[tuple[Names, ...], BeforeValidator(_named_tasks)]
QueryImbalance = Annotated[str, AfterValidator(canonical)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(_Section):
    """Where the images are from.

    Attributes:
        dataset: see `metabench list datasets`.
        data_root, split, image_size, channels, max_tokens, across: see `episodes.DataOptions`.
        test_dataset, test_split: another dataset to test on (see `episodes.datasets.combine.cross_domain`), by a split
            of its own, or `all` to test on all its classes.
    """

    dataset: str = "glyphs"
    data_root: Path | None = Field(default=None, exclude=True)
    split: str | None = None
    test_dataset: str | None = None
    test_split: str | None = None
    image_size: int | None = None
    channels: int | None = None
    max_tokens: int | None = None
    across: str | None = None

    @property
    def options(self) -> DataOptions:
        from episodes.dataset import DataOptions  # imports torch, which reading records does not need

        return DataOptions(self.data_root, self.split, self.image_size, self.channels, self.max_tokens, self.across)


class TaskConfig(_Section):
    """The recipe of tasks.

    Attributes:
        ways, shots, queries: the task; queries are per class. In regression ways is 1, the others points.
        task: `fixed` (see `episodes.FixedTask`); `variable` (see `episodes.VariableTask`): then ways, shots and
            queries are those of training episodes alone; or `all-way` (see `episodes.AllWayTask`): then ways is the
            number of the dataset's classes, and there is no training on other classes.
        groups, imbalance, label_noise, unlabelled, distractors, query_imbalance: see `episodes.FixedTask`. Like `task`
            they hold for validation and test; how it trains is the learner's own.
        train_task, test_task: tasks by the names of their classes, `cat,sheep,boar` each; ways is their number of
            classes. Training has then only the named classes, and episodes of it are the named tasks.
    """

    ways: int = Field(default=5, lt=2**31)
    shots: int = Field(default=1, lt=2**31)
    queries: int = Field(default=15, lt=2**31)
    task: Literal["fixed", "variable", "all-way"] = "fixed"
    groups: Groups = "any"
    imbalance: Literal["none", "step", "dirichlet"] = "none"
    label_noise: float = 0.0
    unlabelled: int = 0
    distractors: int = 0
    query_imbalance: QueryImbalance = "none"
    train_task: NamedTasks = ()
    test_task: NamedTasks = ()


class TestConfig(_Section):
    """Which test tasks, and how many.

    Attributes:
        tasks: a file of frozen tasks to be tested on. Other settings of data and tasks are then its own.
        disjoint: no image is in two test tasks; there are as many as the images suffice for.
        episodes: test tasks, at least 2 unless there is but one; None for 600, for 10 draws of `all-way`, or for all
            of a list.
        until_interval: draw test tasks until the 95% interval is ± so many points, or in regression so much squared
            error (see `metabench.stats.stopping.FixedWidth`); episodes is then the most, None for 100,000 or all of a
            list.
        test_seed: which test tasks; the same for all learners and training seeds unless changed.
    """

    __test__ = False  # a class whose name begins like this is a test to pytest

    tasks: Path | None = Field(default=None, exclude=True)
    disjoint: bool = False
    episodes: int | None = Field(default=None, ge=1, le=MOST_EPISODES)
    until_interval: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    test_seed: int = Field(default=0, ge=0, lt=2**63)


class TrainingConfig(_Section):
    """How the learner is trained, beside its own options.

    Attributes:
        validation_episodes: validation tasks, each time.
        seed: from which weights and training order derive.
        precision: of training; `auto` is mixed bfloat16 on a GPU and float32 on CPU. Scoring is in float32.
    """

    validation_episodes: int = Field(default=100, ge=1, le=MOST_EPISODES)
    seed: int = Field(default=0, ge=0, lt=2**63)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"


class MachineConfig(_Section):
    """What it runs on.

    Attributes:
        device: `auto` takes a GPU where there is one.
        threads: CPU threads; None for torch's choice.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = Field(default=None, ge=1, le=1024)


class OutputConfig(_Section):
    """Where its files go.

    Attributes:
        output: the folder that gets the run's folder.
        tensorboard, mlflow: log the run there too (see `metabench.loggers.group`).
    """

    output: Path = Field(default=Path("results"), exclude=True)
    tensorboard: bool = Field(default=False, exclude=True)
    mlflow: bool = Field(default=False, exclude=True)


class RunConfig(_Section):
    """Everything that decides a run's values, and where its files go.

    Places on one machine (data_root, tasks, all of output) are not part of a record: fingerprints say which data and
    tasks it was. Of folder:PATH the record keeps the folder's name.

    Attributes:
        learner: a registered name, or `package.module:Class`.
        options: the learner's own options (`metabench list learners NAME`).
    """

    learner: str = "protonet"
    options: dict[str, Any] = Field(default_factory=dict)
    data: DataConfig = DataConfig()
    task: TaskConfig = TaskConfig()
    test: TestConfig = TestConfig()
    training: TrainingConfig = TrainingConfig()
    machine: MachineConfig = MachineConfig()
    output: OutputConfig = Field(default=OutputConfig(), exclude=True)

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting by its own name, as the command line has it."""
        return {name: self[name] for name in SETTINGS}

    @property
    def given(self) -> dict[str, Any]:
        """Those of the settings that are not left to their defaults."""
        return {name: self[name] for name in SETTINGS if name in _owner(self, name).model_fields_set}

    def __getitem__(self, name: str) -> Any:
        """A setting by its own name, whatever section it is in."""
        return getattr(_owner(self, name), name)

    def changed(self, **settings: Any) -> RunConfig:
        """The same with other values of some settings, which are taken as they are."""
        parts: dict[str, dict[str, Any]] = {}
        for name, value in settings.items():
            parts.setdefault(SECTION_OF[name], {})[name] = value
        top = parts.pop("", {})
        sections = {name: getattr(self, name).model_copy(update=update) for name, update in parts.items()}
        return self.model_copy(update={**top, **sections})

    def shape(self, kind: Kind) -> FixedTask | RegressionTask:
        """What the learner is built for, and told of the tasks that it will be scored on, of banks of that kind."""
        task = self.task
        if kind == "functions":
            return RegressionTask(task.shots, task.queries)
        if kind in SPANS:
            of_words = EntityTask if kind == "entities" else QuestionTask
            return of_words(task.ways + 1, task.shots, task.queries)
        return FixedTask(**{name: getattr(task, name) for name in (*NUMBERS, *SHAPE)})

    def test_recipe(self, kind: Kind) -> Task | RegressionTask | AllWaySpans:
        """The recipe of test tasks.

        Raises:
            UsageError, episodes.DataError: settings that do not go together.
        """
        if self.test.disjoint:
            self._refuse_with_task("--disjoint")
        if self.task.test_task:
            self._refuse_with_task("--test-task")
            if self.test.disjoint:
                raise UsageError("--disjoint does not go with --test-task; leave one of them out")
            return NamedTask(**vars(self.shape(kind)), names=self.task.test_task)
        if self.task.task == "all-way":
            for name in ("queries", *SHAPE, "test_dataset", "train_task"):
                if self[name] != SETTINGS[name].default:
                    self._refuse_with_task(f"--{name.replace('_', '-')}")
            return AllWaySpans(self.task.shots) if kind in SPANS else AllWayTask(self.task.shots)
        return self.validation_recipe(kind)

    def validation_recipe(self, kind: Kind) -> Task | RegressionTask | AllWaySpans:
        """The recipe of validation tasks: as at test, but for the names."""
        if self.task.task == "fixed":
            return self.shape(kind)
        if self.task.task == "all-way":
            recipe = AllWaySpans if kind in SPANS else AllWayTask
            return recipe(self.task.shots, VALIDATION_QUERIES)
        for name in self._variant:
            if name != "groups":
                self._refuse_with_task(f"--{name.replace('_', '-')}")
        if self.task.groups == "across":
            self._refuse_with_task("--groups across")
        return VariableTask(self.task.groups)  # type: ignore[arg-type]

    def _refuse_with_task(self, other: str) -> None:
        """Raise UsageError if it does not go with tasks of another kind than `fixed`."""
        if self.task.task != "fixed":
            raise UsageError(f"--task {self.task.task} does not go with {other}; leave one of them out")

    @property
    def _variant(self) -> dict[str, Any]:
        return {name: self[name] for name in SHAPE if self[name] != SETTINGS[name].default}

    @property
    def variant(self) -> str:
        """What makes the test tasks other than plain N-way K-shot, in one line; empty if nothing does."""
        words: list[str] = [self.task.task] if self.task.task != "fixed" else []
        words += [f"{name}={value}" for name, value in self._variant.items()]
        words += [f"across={self.data.across}"] if self.data.across else []
        words += ["disjoint"] if self.test.disjoint else []
        words += [f"{kind} {join_names(names)}" for kind in ("train", "test") for names in self[f"{kind}_task"]]
        return "; ".join(words)

    @property
    def numbers(self) -> dict[str, int]:
        """Ways, shots and queries (per class) of the test tasks, as far as all of them have the same."""
        names = {"fixed": NUMBERS, "variable": (), "all-way": ("ways", "shots")}[self.task.task]
        return {name: self[name] for name in names}

    @property
    def recorded(self) -> RunConfig:
        """What a record keeps of it: folders and files by their names alone, and no place on this machine."""
        other = self.data.test_dataset
        return self.changed(dataset=short_name(self.data.dataset), test_dataset=other and short_name(other))

    def on(self, kind: Kind) -> RunConfig:
        """The same where the data are of that kind.

        Raises:
            UsageError: a setting that has no meaning for that kind.
        """
        if kind == "functions":
            self._refuse(OF_CLASSES, RegressionTask.ways, "functions and have no classes or images")
            return self.changed(ways=RegressionTask.ways)
        if kind == "entities":
            self._refuse(OF_ROWS, None, "the words of sentences")
            if self.task.task == "variable":
                self._refuse(("task",), None, "the words of sentences")
        if kind == "questions":
            if self.task.task == "variable":
                self._refuse(("task",), None, "questions about texts")
            self._refuse(OF_TYPES, 1, "questions about texts of the test split, with --shots others as support")
            return self.changed(ways=1, task="all-way")
        return self

    def _refuse(self, names: Iterable[str], ways: int | None, tasks: str) -> None:
        """Raise UsageError if any of these is set, or other ways than the only ones."""
        wrong = [name for name in names if self[name] != SETTINGS[name].default]
        wrong += ["ways"] if ways and self.given.get("ways", ways) != ways else []
        for name in wrong:
            raise UsageError(
                f"--{name.replace('_', '-')} does not go with --dataset {self.data.dataset}, whose tasks are {tasks}; "
                "leave it out"
            )


SECTIONS = ("data", "task", "test", "training", "machine", "output")
_SECTION_FIELDS = {name: RunConfig.model_fields[name].annotation.model_fields for name in SECTIONS}  # type: ignore[union-attr]
SETTINGS: dict[str, FieldInfo] = {
    **{name: RunConfig.model_fields[name] for name in ("learner", "options")},
    **{name: info for fields_of in _SECTION_FIELDS.values() for name, info in fields_of.items()},
}
SECTION_OF = {name: section for section, known in _SECTION_FIELDS.items() for name in known} | {
    "learner": "",
    "options": "",
}

NOT_RECORDED = {name for name, info in SETTINGS.items() if info.exclude}


def _owner(config: RunConfig, name: str) -> BaseModel:
    section = SECTION_OF[name]
    part: BaseModel = getattr(config, section) if section else config
    return part


def describe_task(config: RunConfig, regression: bool) -> str:
    """The test tasks in a few words: `5-way 1-shot, groups=within`."""
    ways = "" if regression else f"{config.task.ways}-way "
    numbers = f"{ways}{config.task.shots}-shot" if config.numbers else ""
    return ", ".join(part for part in (numbers, config.variant) if part)


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by their own names, of a mapping that may have them in sections."""
    settings: dict[str, Any] = {}
    for name, value in values.items():
        settings.update(value if name in SECTIONS and isinstance(value, Mapping) else {name: value})
    return settings


def make_config(**values: Any) -> RunConfig:
    """A RunConfig from its settings, by themselves or in their sections.

    Raises:
        UsageError: an unknown setting (names the nearest), or a value that does not fit.
    """
    values = flat(values)
    for name in values:
        if name not in SETTINGS:
            raise UsageError(f"there is no setting '{name}'{nearest(name, SETTINGS)}")
    check_given(values, {name: item.annotation for name, item in SETTINGS.items()}, "--")
    parts: dict[str, Any] = {section: {} for section in SECTIONS}
    for name, value in _with_ways(values).items():
        (parts[SECTION_OF[name]] if SECTION_OF[name] else parts)[name] = value
    try:
        config = RunConfig(**parts)
    except ValidationError as error:
        raise UsageError(first_problem(error, "--", SECTIONS)) from None
    config = _with_full_names(config)
    if config.data.test_split and not config.data.test_dataset:
        raise UsageError(
            f"--test-split {config.data.test_split} needs --test-dataset; the split of --dataset is --split"
        )
    refuse_all_classes(config.data.split)
    return config


def refuse_all_classes(split: str | None) -> None:
    """Raise UsageError for a class split that leaves nothing to train on."""
    if split == "all":
        raise UsageError(
            "--split all makes every class a test class, and leaves none to train on; train on another --dataset, and "
            "give this one as --test-dataset with --test-split all"
        )


def _with_ways(values: dict[str, Any]) -> dict[str, Any]:
    """With the ways that follow from named tasks, where neither ways nor a file of tasks is given."""
    named = _named_tasks(values.get("test_task") or values.get("train_task"))
    if {"ways", "tasks"} & values.keys() or not named or not isinstance(named, (list, tuple)):
        return values
    try:
        first = _class_names(named[0])
    except ValueError:  # the setting's own check says it
        return values
    return {**values, "ways": len(first)} if isinstance(first, (list, tuple)) else values


def _with_full_names(config: RunConfig) -> RunConfig:
    """The same with nameless paths, such as `.`, written in full.

    Raises:
        UsageError: two folders or files with the same name, which a record could not keep apart.
    """
    names = {name: full_name(value) for name in ("dataset", "test_dataset") if (value := config[name])}
    known: dict[str, str] = {}
    for prefix, path in itertools.chain.from_iterable(map(placed, names.values())):
        other = known.setdefault(short_name(prefix + path), path)
        if Path(path).resolve() != Path(other).resolve():
            noun = "files" if prefix in FILES else "folders"
            raise UsageError(
                f"'{other}' and '{path}' are two {noun} with the same name, and records know {noun} by their names; "
                "rename one of them"
            )
    # A name that is left as it is stays a default where it was one.
    return config.changed(**{name: value for name, value in names.items() if value != config[name]})
