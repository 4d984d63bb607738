"""What is logged is read back by the packages themselves: TensorBoard's EventAccumulator, and MLflow's client."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import Run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

import metabench
from baselines.metric.protonet import ProtoNet
from metabench.cli.main import main
from metabench.config import make_config
from metabench.errors import RunError
from metabench.learner import Stage
from metabench.loggers.group import Loggers
from metabench.records.record import RunRecord

# MLflow's own tables use an option of SQLAlchemy's that the newest one deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")

QUICK: dict[str, Any] = {"ways": 3, "shots": 2, "queries": 5, "episodes": 20, "validation_episodes": 4, "threads": 1}
PROTONET: dict[str, Any] = {**QUICK, "options": {"backbone": "conv4:8", "steps": 10}}
DISTILL: dict[str, Any] = {
    **QUICK,
    **{"learner": "distill", "options": {"backbone": "conv4:4", "teacher_backbone": "conv4:8", "steps": 10}},
}
Points = dict[str, list[tuple[int, float]]]


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A database of MLflow's; its files go to the working folder."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
            patch.delenv(name, raising=False)
        mlflow.search_experiments()  # makes it, of which MLflow tells on standard error
        yield folder


@pytest.fixture(autouse=True)
def experiment(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """One for each test."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", tmp_path.name)
    return tmp_path.name


def call(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def runs(experiment: str) -> list[Run]:
    found: list[Run] = mlflow.search_runs(experiment_names=[experiment], output_format="list")
    return found


def in_mlflow(run: Run) -> Points:
    client = mlflow.MlflowClient()
    histories = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    return {name: [(each.step, each.value) for each in history] for name, history in histories.items()}


def in_tensorboard(folder: Path) -> Points:
    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    return {name: [(each.step, each.value) for each in events.Scalars(name)] for name in events.Tags()["scalars"]}


def parameters(folder: Path) -> dict[str, Any]:
    """What TensorBoard's table of hyperparameters shows."""
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    content = events.PluginTagToContent("hparams")
    assert set(content) == {f"_hparams_/{name}" for name in ("experiment", "session_start_info", "session_end_info")}
    start = HParamsPluginData.FromString(content["_hparams_/session_start_info"]).session_start_info
    about = HParamsPluginData.FromString(content["_hparams_/experiment"]).experiment
    assert {item.name for item in about.hparam_infos} == set(start.hparams)
    assert [item.name.tag for item in about.metric_infos] == ["score/accuracy", "score/half_width"]
    return {name: getattr(value, str(value.WhichOneof("kind"))) for name, value in start.hparams.items()}


def expected(record: RunRecord) -> Points:
    """The curve, worked from the record alone."""
    points: Points = {}
    for row in record.training.curve:
        for name in row.keys() - {"stage", "step"}:
            points.setdefault(f"{row['stage']}/{name}", []).append((row["step"], row[name]))
    return points


def check_curve(found: Points, record: RunRecord) -> None:
    for name, points in expected(record).items():
        assert [step for step, _ in found[name]] == [step for step, _ in points]
        assert [value for _, value in found[name]] == pytest.approx([value for _, value in points], rel=1e-6)


def test_a_run_is_logged_and_its_result_is_the_same(tmp_path: Path, experiment: str) -> None:
    record = metabench.run(**DISTILL, output=tmp_path, tensorboard=True, mlflow=True)
    plain = metabench.run(**DISTILL, output=tmp_path / "plain")
    assert record.training.curve == plain.training.curve
    kept = [json.loads((each.config.output.output / each.id / "record.json").read_text()) for each in (record, plain)]
    assert kept[0]["config"] == kept[1]["config"]
    assert not {"tensorboard", "mlflow"} & kept[0]["config"].keys()
    tables = [(each.config.output.output / each.id / "scores.csv").read_text() for each in (record, plain)]
    assert tables[0] == tables[1]

    (run,) = runs(experiment)
    assert (run.info.run_name, run.info.status) == (record.id, "FINISHED")
    for found in (in_mlflow(run), in_tensorboard(tmp_path / record.id)):
        assert {"teacher/validation_accuracy", "student/loss"} <= set(found)
        check_curve(found, record)
        score, teacher = record.score, record.companions["teacher"]
        for name, value in {
            **{f"score/{name}": getattr(score, name) for name in ("half_width", "low", "high")},
            "score/accuracy": score.mean,
            "companion/teacher/accuracy": teacher.mean,
            "floor/random_network/mean": record.floors["random network"].mean,
            "floor/chance/mean": 1 / 3,
            "training/seconds": record.training.seconds,
        }.items():
            assert found[name] == [(0, pytest.approx(value, rel=1e-6))], name

    assert run.data.params["options.teacher_backbone"] == "conv4:8"
    assert run.data.params["ways"] == "3"
    assert run.data.params["disjoint"] == "false"
    shown = parameters(tmp_path / record.id)
    assert (shown["options.teacher_backbone"], shown["ways"], shown["learner"]) == ("conv4:8", 3, "distill")
    files = {each.path for each in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
    assert files == {"record.json", "scores.csv", "hardest.png"}


def test_a_run_within_a_run_of_the_user_is_nested_and_a_regression_is_logged(tmp_path: Path, experiment: str) -> None:
    options = {"steps": 10, "inner_steps": 1, "test_inner_steps": 1, "meta_batch": 2}
    shape = {"dataset": "sinusoid", "shots": 5, "episodes": 10, "validation_episodes": 4, "threads": 1}
    with mlflow.start_run() as outer:
        record = metabench.run(learner="maml", options=options, **shape, output=tmp_path, mlflow=True, tensorboard=True)
        active = mlflow.active_run()
        assert active is not None
        assert active.info.run_id == outer.info.run_id
    inner = next(run for run in runs(experiment) if run.info.run_name == record.id)
    assert inner.data.tags["mlflow.parentRunId"] == outer.info.run_id
    for found in (in_mlflow(inner), in_tensorboard(tmp_path / record.id)):
        check_curve(found, record)
        assert found["score/squared_error"] == [(0, pytest.approx(record.score.mean))]


def test_an_interrupted_run_is_killed_and_goes_on_where_it_was(tmp_path: Path, experiment: str) -> None:
    settings = {**QUICK, "options": {"backbone": "conv4:8", "steps": 100}, "output": str(tmp_path)}
    (tmp_path / "run.yaml").write_text(json.dumps({**settings, "tensorboard": True, "mlflow": True}))
    command = [sys.executable, "-m", "metabench", "run", "--config", str(tmp_path / "run.yaml")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ)
    folder = tmp_path / "glyphs-3way-2shot-protonet-seed0"
    while not list(folder.glob("tensorboard/*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=120)[1].startswith("metabench: interrupted at step ")
    (run,) = runs(experiment)
    assert run.info.status == "KILLED"
    before = in_mlflow(run)["train/loss"]
    assert before
    assert in_tensorboard(folder)["train/loss"] == [(step, pytest.approx(value)) for step, value in before]

    assert call("run", "--config", tmp_path / "run.yaml", "--resume") == 0
    record = RunRecord.model_validate_json((folder / "record.json").read_text())
    (again,) = runs(experiment)
    assert (again.info.run_id, again.info.status) == (run.info.run_id, "FINISHED")
    assert (folder / "mlflow-run.txt").read_text().strip() == run.info.run_id
    assert len(list(folder.glob("tensorboard/*"))) == 2
    for found in (in_mlflow(again), in_tensorboard(folder)):
        check_curve(found, record)  # neither doubled nor missing
        assert len(found["train/loss"]) == 10


def test_a_failed_run_is_failed_and_leaves_no_folder(tmp_path: Path, experiment: str) -> None:
    options = {"backbone": "conv4:8", "steps": 300, "learning_rate": 1e30}
    with pytest.raises(RunError, match="the loss is "):
        metabench.run(**QUICK, options=options, output=tmp_path, mlflow=True, tensorboard=True)
    (run,) = runs(experiment)
    assert run.info.status == "FAILED"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_missing_package_is_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    assert call("run", f"--{name}", "--output", tmp_path / "results") == 2
    said = f"metabench: --{name} needs the package {name}; pip install metabench[{name}]\n"
    assert capsys.readouterr().err == said
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_not_reached_is_one_line_without_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        port = taken.getsockname()[1]
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{port}")
        began = time.perf_counter()
        assert call("run", "--mlflow", "--output", tmp_path / "results") == 2
    assert time.perf_counter() - began < 60  # MLflow's own way takes minutes
    assert capsys.readouterr().err == (
        f"metabench: --mlflow cannot log to 'http://127.0.0.1:{port}' (MLFLOW_TRACKING_URI): Connection refused; "
        "put that right, or leave --mlflow out\n"
    )
    assert not list((tmp_path / "results").iterdir())
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_a_database_that_is_none_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}")
    assert call("run", "--mlflow", "--output", tmp_path / "results") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "(sqlite3.OperationalError) unable to open database file; put that right" in line


def test_a_logger_that_fails_in_training_does_not_cost_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = ProtoNet.stages

    def spoiling(learner: ProtoNet) -> list[Stage]:
        (stage,) = stages(learner)

        def loss(data: Any) -> Any:
            (tmp_path / "glyphs-3way-2shot-protonet-seed0" / "tensorboard").write_text("in the way")
            return stage.loss(data)

        return [Stage(stage.name, stage.data, loss, stage.module, stage.options, stage.scored)]

    plain = metabench.run(**PROTONET, output=tmp_path / "plain")
    monkeypatch.setattr(ProtoNet, "stages", spoiling)
    capsys.readouterr()
    record = metabench.run(**PROTONET, output=tmp_path, tensorboard=True)
    assert capsys.readouterr().err == "metabench: --tensorboard could not log: File exists; the run goes on\n"
    assert record.training.curve == plain.training.curve
    assert record.score.mean == plain.score.mean


def test_what_could_not_be_logged_is_caught_up_with(
    store: Path, tmp_path: Path, experiment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stage of a plug-in may have any name, and a store may fail for a while."""
    names = {"tensorboard": True, "mlflow": True}
    loggers = Loggers(
        tmp_path, make_config(**names, test_task=["a,b", "c,d"], split="\x1b[31m" + "long" * 1000), "accuracy"
    )
    loggers.start()
    curve = [{"stage": "../ä\n:", "step": step, "loss": step / 8, "validation_accuracy": 0.5} for step in range(1, 5)]
    loggers.rows(curve[:1])
    (events,) = (tmp_path / "tensorboard").iterdir()
    away, database = tmp_path / "away", store / "mlflow.db"
    content = database.read_bytes()
    (tmp_path / "tensorboard").rename(away)
    (tmp_path / "tensorboard").write_text("in the way")
    database.write_bytes(b"no database" * 1000)
    capsys.readouterr()
    for rows in (2, 3):
        loggers.rows(curve[:rows])
    said = capsys.readouterr().err.splitlines()
    assert [line.split(" could not log: ")[0] for line in said] == ["metabench: --tensorboard", "metabench: --mlflow"]
    (tmp_path / "tensorboard").unlink()
    away.rename(tmp_path / "tensorboard")
    database.write_bytes(content)
    for _ in range(2):
        loggers.rows(curve)
    loggers.stop("FAILED")

    (run,) = runs(experiment)
    assert run.info.status == "FAILED"
    for found in (in_mlflow(run), in_tensorboard(tmp_path)):
        assert found["_/loss"] == [(1, 0.125), (2, 0.25), (3, 0.375), (4, 0.5)]
    assert [events] == list((tmp_path / "tensorboard").iterdir())
    assert run.data.params["test_task"] == '[["a", "b"], ["c", "d"]]'
    assert run.data.params["split"].startswith("\N{REPLACEMENT CHARACTER}[31mlonglong")
    assert len(run.data.params["split"]) <= 501
    assert capsys.readouterr().err == ""


def test_a_full_disk_leaves_no_half_event(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loggers = Loggers(tmp_path, make_config(tensorboard=True), "accuracy")
    loggers.start()
    curve = [{"stage": "train", "step": step, "loss": step / 8} for step in range(1, 4)]
    loggers.rows(curve[:1])
    (events,) = (tmp_path / "tensorboard").iterdir()
    size, limits = events.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, limits[1]))  # the next event is longer
    try:
        loggers.rows(curve[:2])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert capsys.readouterr().err == "metabench: --tensorboard could not log: File too large; the run goes on\n"
    assert events.stat().st_size == size
    loggers.rows(curve)
    assert in_tensorboard(tmp_path)["train/loss"] == [(1, 0.125), (2, 0.25), (3, 0.375)]
