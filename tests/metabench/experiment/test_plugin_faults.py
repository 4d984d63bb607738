"""A plug-in may do anything: it is one line that says what and where, and what is computed is kept."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import metabench
import metabench.experiment.runner
from metabench.board.rows import entries
from metabench.cli.main import main
from metabench.errors import InterruptionError, RunError, UsageError
from metabench.learner import (
    EmbeddingLearner,
    EpisodeBatch,
    EpisodeFeatures,
    Episodes,
    FixedTask,
    LabelledEpisodeBatch,
    Learner,
    Stage,
    TrainingOptions,
    option,
)
from metabench.records.runs import read_runs
from metabench.reports.summary import summary
from metabench.rerun.curve import curve
from metabench.rerun.show import show
from metabench.rerun.verify import verify
from tests.made_records import edit_record

TASK: dict[str, Any] = {"ways": 2, "shots": 2, "queries": 3, "episodes": 4, "validation_episodes": 2, "threads": 1}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for number in range(12):
        (folder / f"c{number}").mkdir()
        for image in range(6):
            pixels = generator.integers(0, 256, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"c{number}" / f"{image}.png")
    return folder


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch, pictures: Path, tmp_path: Path) -> Callable[..., Any]:
    """Runs a class as the plug-in `made:Made`."""
    module = ModuleType("made")
    monkeypatch.setitem(sys.modules, "made", module)

    def run(learner: object, **settings: Any) -> Any:
        module.Made = learner  # type: ignore[attr-defined]
        data = {"dataset": f"folder:{pictures}", "image_size": 16, "channels": 1}
        return metabench.run(learner="made:Made", output=tmp_path / "results", **{**TASK, **data, **settings})

    return run


class Healthy(Learner):
    """Class means of pixels, scaled."""

    def __init__(self, problem: Any, options: Any) -> None:
        super().__init__(problem, options)
        self.options = options
        self.scale = nn.Parameter(torch.ones(()))

    def stages(self) -> Any:
        task = FixedTask(2, 1, 3)
        return [Stage("train", Episodes(task, 2), self.loss, self, TrainingOptions(steps=20))]

    def loss(self, episodes: LabelledEpisodeBatch) -> Any:
        return nn.functional.cross_entropy(self.classify(episodes).flatten(0, 1), episodes.query_labels.flatten())

    def adapt(self, support: Tensor, support_labels: Tensor, ways: int) -> Any:
        members = nn.functional.one_hot(support_labels, ways).float().transpose(1, 2)
        return members @ support.flatten(2) / members.sum(2, keepdim=True)

    def predict(self, adapted: Any, query: Tensor) -> Any:
        return -self.scale * torch.cdist(query.flatten(2), adapted)


class Embedding(EmbeddingLearner):
    def embed(self, images: Tensor) -> Any:
        return images.flatten(1)

    def classify_features(self, features: EpisodeFeatures) -> Any:
        members = nn.functional.one_hot(features.support_labels, features.ways).float().transpose(1, 2)
        return -torch.cdist(features.query, members @ features.support / members.sum(2, keepdim=True))


@pytest.mark.parametrize("learner", [Healthy, Embedding])
def test_without_a_fault_it_runs(learner: type, plugin: Callable[..., Any]) -> None:
    record = plugin(learner)
    assert 0 <= record.score.mean <= 1


ERRORS = [
    *[
        KeyError("boom"),
        ValueError("two\nlines \x1b[31m"),
        AssertionError("mine"),
        MemoryError(),
        RecursionError("deep"),
    ],
    *[SystemExit(0), SystemExit("gone"), StopIteration("end"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")],
    *[RuntimeError(), type("Strange", (Exception,), {"__str__": lambda self: "x" * 10_000})()],
]
METHODS = ["__init__", "stages", "loss", "adapt", "predict", "classify", "companions", "scoring_parameters"]


def failing(base: type[Learner], method: str, error: BaseException) -> type[Learner]:
    def fail(self: Any, *args: Any, **more: Any) -> None:
        raise error

    return type("Failing", (base,), {method: fail, "__module__": __name__})


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("method", METHODS)
def test_whatever_it_raises_is_one_line(method: str, error: BaseException, plugin: Callable[..., Any]) -> None:
    with pytest.raises(
        (UsageError, RunError), match=r"learner 'made:Made' failed in fail \(test_plugin_faults.py, line"
    ):
        plugin(failing(Healthy, method, error))


@pytest.mark.parametrize("method", ["embed", "classify_features"])
def test_an_embedding_learner_too(method: str, plugin: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match=r"failed in fail .*: KeyError: 'boom'"):
        plugin(failing(Embedding, method, KeyError("boom")))


def test_what_fails_in_training_says_what_is_kept(plugin: Callable[..., Any]) -> None:
    class Late(Healthy):
        def loss(self, episodes: LabelledEpisodeBatch) -> Any:
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls > 10:
                raise ValueError("late")
            return super().loss(episodes)

    with pytest.raises(RunError, match=r"late; '.*checkpoint.pt' keeps it: the same command with --resume goes on"):
        plugin(Late)
    with pytest.raises(RunError, match="boom; nothing is kept, as there is no checkpoint yet"):
        plugin(failing(Healthy, "loss", ValueError("boom")))


def test_an_interruption_is_still_one(plugin: Callable[..., Any]) -> None:
    with pytest.raises(InterruptionError, match="interrupted"):
        plugin(failing(Healthy, "loss", KeyboardInterrupt()))


def with_method(base: type[Learner], name: str, result: Any) -> type[Learner]:
    return type("Changed", (base,), {name: lambda self, *args, **more: result, "__module__": __name__})


NO_INIT = type("NoInit", (Healthy,), {"__init__": lambda self, problem, options: nn.Module.__init__(self)})
STAGE = Stage("a", Episodes(FixedTask(2, 1, 3)), lambda episodes: torch.zeros(()), nn.Linear(1, 1), TrainingOptions())


@dataclass(frozen=True)
class OfText(TrainingOptions):
    size: int = option("many", "a number")


RESULTS: dict[str, tuple[object, str]] = {
    "options are none": (type("A", (Healthy,), {"Options": None}), "its Options must be a dataclass"),
    "options are a dict": (type("A", (Healthy,), {"Options": {}}), "its Options must be a dataclass"),
    "options of another base": (type("A", (Healthy,), {"Options": int}), "its Options must be a dataclass"),
    "not a class": (Healthy.loss, "not a subclass of"),
    "an instance": (object(), "not a subclass of"),
    "the base": (Learner, "not a subclass of"),
    "no super().__init__": (NO_INIT, r"must call super\(\).__init__"),
    "nothing written": (type("A", (Learner,), {}), r"needs adapt\(\) and predict\(\), or classify\(\)"),
    "stages none": (with_method(Healthy, "stages", None), "the contract is a list of"),
    "stages one": (with_method(Healthy, "stages", STAGE), "the contract is a list of"),
    "stages of text": (with_method(Healthy, "stages", ["a"]), "the contract is a list of"),
    "stages of one name": (with_method(Healthy, "stages", [STAGE, STAGE]), "another stage has the same name"),
    "stage without data": (
        with_method(Healthy, "stages", [Stage("a", None, len, nn.Linear(1, 1), TrainingOptions())]),  # type: ignore[arg-type]
        "the contract is Episodes, Batches or Texts",
    ),
    "stage of nothing to train": (
        with_method(Healthy, "stages", [Stage("a", STAGE.data, len, nn.ReLU(), TrainingOptions())]),  # type: ignore[arg-type]
        "no parameter to train",
    ),
    "loss none": (with_method(Healthy, "loss", None), "gives NoneType; the contract is a scalar tensor"),
    "loss a number": (with_method(Healthy, "loss", 0.5), "gives float; the contract is a scalar tensor"),
    "loss of one per query": (with_method(Healthy, "loss", torch.zeros(3, requires_grad=True)), "a scalar tensor"),
    "loss of a number": (with_method(Healthy, "loss", [1.0]), "gives float; the contract is a scalar tensor"),
    "loss without gradient": (with_method(Healthy, "loss", torch.zeros(())), "without a gradient"),
    "logits none": (with_method(Healthy, "classify", None), "classify gives NoneType"),
    "logits of one shape for all": (with_method(Healthy, "classify", torch.zeros(2, 6, 2)), "neighbours|contract is"),
    "features none": (with_method(Embedding, "embed", None), "embed gives NoneType for .* items, not"),
    "features of images": (type("A", (Embedding,), {"embed": lambda self, images: images}), "embed gives .*, not"),
    "features of one image": (
        type("A", (Embedding,), {"embed": lambda self, images: images[:1].flatten(1)}),
        r"embed gives \(1, 256\) for .* items, not \[n, D\]",
    ),
    "kinds of a name": (type("A", (Healthy,), {"kinds": "images"}), "its kinds are 'images'; give a tuple of images,"),
    "kinds unknown": (type("A", (Healthy,), {"kinds": ("pictures",)}), r"its kinds are \('pictures',\); give a tuple"),
    "presets a number": (type("A", (Healthy,), {"presets": 3}), "its presets are 3; give options by the dataset's"),
    "presets of options": (type("A", (Healthy,), {"presets": {"steps": 3}}), "its presets are {'steps': 3}; give"),
    "preset unknown": (
        type("A", (Healthy,), {"presets": {"images": {"step": 3}}}),
        "has no option 'step', which its presets set; did you mean 'steps'",
    ),
    "default of another type": (type("A", (Healthy,), {"Options": OfText}), "default of its option size: give a whole"),
    "adapt in an embedding learner": (
        type("A", (Embedding,), {"adapt": lambda self, *_: None}),
        r"adapt\(\) is never called; derive from Learner",
    ),
    "parameters none": (with_method(Healthy, "scoring_parameters", None), "scoring_parameters.. gives None"),
    "companions a list": (with_method(Healthy, "companions", ["teacher"]), "companions.. gives .*learners by name"),
}


@pytest.mark.parametrize("what", RESULTS)
def test_whatever_else_is_not_the_contract_is_one_line(what: str, plugin: Callable[..., Any]) -> None:
    learner, message = RESULTS[what]
    with pytest.raises((UsageError, RunError), match=message):
        plugin(learner)


class BatchStatistics(Embedding):
    """Normalises by the batch at hand, and does not say so."""

    def embed(self, images: Tensor) -> Any:
        return super().embed(images - images.mean(0) if len(images) > 1 else images)


class AcrossTasks(Healthy):
    def classify(self, episodes: EpisodeBatch) -> Any:
        logits = super().classify(episodes)
        return logits + torch.arange(logits.shape[2]) * len(episodes) * logits.std()


class Remembers(Healthy):
    def adapt(self, support: Tensor, support_labels: Tensor, ways: int) -> Any:
        self.seen = getattr(self, "seen", 0) + 1
        return super().adapt(support, support_labels, ways) * self.seen


class ByPlace(Healthy):
    def classify(self, episodes: EpisodeBatch) -> Any:
        place = torch.arange(episodes.query.shape[1]) * 2 // episodes.query.shape[1]
        return nn.functional.one_hot(place, 2).float().expand(len(episodes), -1, -1)


LEAKS = {
    BatchStatistics: "embed gives an image other features alone",
    AcrossTasks: "depend on its neighbours",
    Remembers: "predicts differently when called again",
    ByPlace: "depends on the other queries",
    type(
        "Noise", (Healthy,), {"predict": lambda self, adapted, query: torch.rand(*query.shape[:2], 2)}
    ): "called again",
}


@pytest.mark.parametrize("learner", LEAKS)
def test_a_leak_is_refused_before_training(learner: type[Learner], plugin: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"breaks the contract of learners: .*({LEAKS[learner]})"):
        plugin(learner)
    assert not list(tmp_path.glob("results/*"))


class LeaksOnceTrained(Healthy):
    """Looks at the mean of a task's queries as soon as its scale is no longer 1."""

    def predict(self, adapted: Any, query: Tensor) -> Any:
        pixels = query.flatten(2)
        leak = 1000 * (self.scale - 1) * torch.cdist(pixels.mean(1, keepdim=True), adapted)
        return super().predict(adapted, query) + leak


def test_what_breaks_once_trained_is_recorded_and_not_ranked(
    plugin: Callable[..., Any], pictures: Path, tmp_path: Path
) -> None:
    record = plugin(LeaksOnceTrained)
    assert any("depends on the other queries" in point for point in record.contract)
    assert "gets no rank: a query's prediction depends" in summary(record)
    folder = tmp_path / "results" / record.id
    assert not verify(folder, data_root=pictures).problems
    edit_record(folder, contract=[])
    assert any(
        problem.startswith("contract: a query's prediction depends")
        for problem in verify(folder, data_root=pictures).problems
    )
    edit_record(folder, contract=record.contract)
    for seed in (0, 1):
        assert plugin(Healthy, options={"steps": 7}, seed=seed).contract == ()
    ranks = {entry.record.id: entry.rank for entry in entries(read_runs(tmp_path)[0])}
    assert ranks.pop(record.id) is None
    assert list(map(str, ranks.values())) == ["1"]


class LeakyTeacher(Healthy):
    """Healthy itself, beside a companion that looks at the other queries."""

    def __init__(self, problem: Any, options: Any) -> None:
        super().__init__(problem, options)
        self.teacher = LeaksOnceTrained(problem, options)
        nn.init.constant_(self.teacher.scale, 2.0)

    def companions(self) -> Any:
        return {"teacher": self.teacher}


def test_a_companion_is_held_to_the_contract_too(plugin: Callable[..., Any]) -> None:
    with pytest.raises(
        UsageError, match="breaks the contract of learners: its teacher: a query's prediction depends on"
    ):
        plugin(LeakyTeacher)


def test_a_fault_after_training_is_one_line_too(
    plugin: Callable[..., Any], pictures: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    record = plugin(Healthy)
    folder = tmp_path / "results" / record.id
    monkeypatch.setattr(Healthy, "adapt", failing(Healthy, "adapt", KeyError("boom")).adapt)
    fault = r"learner 'made:Made' failed in fail \(test_plugin_faults.py, line .*boom"
    for again in (verify, partial(curve, shots=(1,))):
        with pytest.raises(RunError, match=fault):
            again(folder, data_root=pictures)
    with pytest.raises(RunError, match=fault):
        show(tmp_path / "task.png", run_folder=folder, data_root=pictures)
    monkeypatch.setattr(Healthy, "__init__", failing(Healthy, "__init__", SystemExit(0)).__init__)
    with pytest.raises(UsageError, match=r"it ended the program"):
        verify(folder, data_root=pictures)


def test_what_is_declared_is_not_refused(plugin: Callable[..., Any]) -> None:
    record = plugin(type("Declared", (ByPlace,), {"transductive": True, "stages": lambda self: ()}))
    assert record.transductive


@pytest.mark.parametrize(
    "code", ["raise SystemExit(0)", "import sys; sys.exit('bye')", "1 / 0", "import nothing_there"]
)
def test_a_module_that_cannot_be_imported_is_one_line(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fails_at_import.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main(["run", "--learner", "fails_at_import:A"])
    assert ended.value.code == 2
    assert "learner 'fails_at_import:A' cannot be imported: " in capsys.readouterr().err


def test_its_author_may_see_the_traceback(
    plugin: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, pictures: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError):
        plugin(failing(Healthy, "classify", KeyError("boom")))
    words = ["run", "--learner", "made:Made", "--dataset", f"folder:{pictures}", "--image-size", "16", "--ways", "2"]
    monkeypatch.setenv("METABENCH_TRACEBACK", "1")
    with pytest.raises(UsageError) as raised:
        main([*words, "--queries", "3", "--output", str(tmp_path)])
    assert isinstance(raised.value.__cause__, KeyError)
