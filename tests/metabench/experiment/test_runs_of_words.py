"""Runs on sentences whose mentions are easy to find, from the command's settings to the record."""

from pathlib import Path
from typing import Any

import pytest
import torch

import metabench
from episodes import DataError
from metabench.cli.main import main
from metabench.config import make_config
from metabench.errors import UsageError
from metabench.evaluation.loop import _Direct, evaluate, predicted_logits
from metabench.experiment.prepare import prepare
from metabench.records.reader import read_record, record_file
from metabench.records.record import RunRecord
from metabench.records.shown import read_shown
from metabench.rerun.verify import verify
from tests.made_sentences import conll_file, squad_file


@pytest.fixture(scope="module")
def conll(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return conll_file(tmp_path_factory.mktemp("conll") / "made.conll", 600)


def run(tmp_path: Path, conll: Path, learner: str, options: dict[str, Any], **settings: Any) -> RunRecord:
    given = {"dataset": f"conll:{conll}", "episodes": 6, "validation_episodes": 4, "output": tmp_path, **settings}
    return metabench.run(learner=learner, options=options, **given)


@pytest.mark.parametrize(
    ("learner", "options"),
    [
        ("protonet", {"backbone": "bert-tiny", "steps": 30, "learning_rate": 1e-3}),
        ("protonet", {"backbone": "minilm", "steps": 2}),
        ("finetune", {"backbone": "bert-tiny", "steps": 20, "batch_size": 16, "learning_rate": 1e-3, "ridge": 1e-3}),
        ("maml", {"backbone": "bert-tiny", "steps": 3, "inner_steps": 1, "test_inner_steps": 2}),
    ],
)
def test_n_types_of_the_test_split(tmp_path: Path, conll: Path, learner: str, options: dict[str, Any]) -> None:
    record = run(tmp_path, conll, learner, options, ways=2, shots=2, queries=5)
    assert (record.score.metric, record.dataset.kind, record.dataset.name) == (
        "span_f1",
        "entities",
        "conll:made.conll",
    )
    assert record.contract == ()
    assert {"tokenizers", "transformers"} < record.environment["packages"].keys()
    assert record.predictions is None
    assert record.score.exact_match is None
    assert list(record.floors) == ["random network"]
    assert 0 <= record.score.mean <= 1
    if learner == "protonet":
        assert record.score.mean > 0.2
    again, scores = read_record(record_file(tmp_path / record.id))
    assert again.score == record.score
    assert len(scores) == 6


@pytest.mark.parametrize("backbone", ["bert-tiny", pytest.param("minilm", marks=pytest.mark.slow)])
def test_all_types_with_the_network_fine_tuned(tmp_path: Path, backbone: str) -> None:
    options = {"backbone": backbone, "scope": "all", "tuning_steps": 10, "tuning_rate": 1e-3}
    small = conll_file(tmp_path / "small.conll", 90)
    record = run(tmp_path, small, "finetune", options, task="all-way", shots=2, episodes=2)
    assert record.config.task.ways == 6
    assert record.score.mean > 0.5
    assert str(verify(tmp_path / record.id)).endswith("(on all 2 tasks)")


@pytest.mark.slow
def test_training_on_other_types_of_real_messages_helps(tmp_path: Path, data_root: Path) -> None:
    options = {"backbone": "minilm", "steps": 60}
    settings = {"dataset": "wnut17", "data_root": data_root, "ways": 2, "episodes": 40, "validation_episodes": 20}
    record = metabench.run(learner="protonet", options=options, output=tmp_path, **settings)
    assert record.score.low > record.floors["random network"].mean + record.floors["random network"].half_width


def test_features_of_each_sentence_are_the_same_alone(conll: Path) -> None:
    """What the evaluator embeds once gives the predictions that the learner gives when asked."""
    settings = {"dataset": f"conll:{conll}", "ways": 2, "queries": 4, "max_tokens": 10}
    run = prepare(make_config(learner="protonet", options={"backbone": "bert-tiny"}, **settings))
    direct = _Direct(run.learner.eval(), run.test)
    with torch.no_grad():
        for number, (logits, labels) in enumerate(predicted_logits(run.learner, run.test, range(3))):
            expected, right, ways = direct(range(number, number + 1))
            torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
            assert torch.equal(labels, right)
            assert ways == 3
    assert evaluate(run.learner, run.test, 3).shape == (3,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learner": "nearest", "ways": 2}, "learner 'nearest' takes images or text, and --dataset .* has entities"),
        ({"learner": "tfidf", "ways": 2}, "learner 'tfidf' takes text, and --dataset .* has entities"),
        ({"groups": "within"}, "--groups does not go with --dataset .*, whose tasks are the words of sentences"),
        ({"task": "variable"}, "--task does not go with --dataset"),
        ({"query_imbalance": "dirichlet"}, "--query-imbalance does not go with --dataset"),
        ({"disjoint": True}, "--disjoint does not go with --dataset"),
        ({"test_task": "place,river"}, "--test-task does not go with --dataset"),
        ({"ways": 3}, "has 2 types; --ways 3 needs as many"),
        ({"task": "all-way", "ways": 2}, "'conll:made.conll' has 6 classes"),
        ({"learner": "maml", "options": {"meta_batch": 4}, "ways": 2}, "it asks for 4 tasks at a time"),
    ],
)
def test_what_does_not_go_with_words(tmp_path: Path, conll: Path, settings: dict[str, Any], message: str) -> None:
    given = {"learner": "protonet", "options": {}, **settings}
    with pytest.raises((UsageError, DataError), match=message):
        run(tmp_path, conll, **given)


@pytest.mark.parametrize(
    ("learner", "options"),
    [
        ("protonet", {"backbone": "bert-tiny"}),
        ("finetune", {"backbone": "bert-tiny"}),
        ("maml", {"backbone": "bert-tiny", "test_inner_steps": 2}),
        ("finetune", {"backbone": "bert-tiny", "scope": "all", "tuning_steps": 15, "tuning_rate": 1e-3}),
        pytest.param("protonet", {"backbone": "minilm"}, marks=pytest.mark.slow),
    ],
)
def test_questions_about_texts(tmp_path: Path, learner: str, options: dict[str, Any]) -> None:
    file = squad_file(tmp_path / "made.json", 18)
    settings = {"dataset": f"squad:{file}", "shots": 4, "max_tokens": 16, "episodes": 2, "output": tmp_path / "out"}
    record = metabench.run(learner=learner, options=options, **settings)
    assert (record.score.metric, record.dataset.kind, record.dataset.name) == (
        "answer_f1",
        "questions",
        "squad:made.json",
    )
    assert (record.config.task.task, record.config.task.ways, record.training.images) == ("all-way", 1, 0)
    assert record.score.exact_match is not None
    assert record.score.exact_match <= record.score.mean <= 1
    if learner != "maml":
        assert record.score.mean > 0.25  # a word at random is right in one of ten
    assert str(verify(tmp_path / "out" / record.id)).endswith("(on all 2 tasks)")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ways": 2}, "--ways does not go with --dataset squad:.*, whose tasks are questions about texts"),
        ({"queries": 4}, "--queries does not go with"),
        ({"split": "seed=1"}, "--split does not go with"),
        ({"task": "variable"}, "--task does not go with"),
        ({"shots": 1000}, "has 18 mentions of 'answer' to draw from, of at least 1000 for --shots 1000: ask"),
        (
            {"options": {"steps": 3}},
            "--set steps=3 does not go with --dataset squad:.*, whose learners see support alone",
        ),
        ({"learner": "setfit"}, "learner 'setfit' takes text, and --dataset .* has questions"),
    ],
)
def test_what_does_not_go_with_squad_file(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    file = squad_file(tmp_path / "made.json", 18)
    given = {"learner": "protonet", "dataset": f"squad:{file}", "output": tmp_path, "episodes": 2, **settings}
    with pytest.raises((UsageError, DataError), match=message):
        metabench.run(**given)


def test_records_of_words_go_where_others_do(tmp_path: Path, conll: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The leaderboard, its page and curves have them; what needs a prediction for each query refuses them."""
    folders = []
    for seed in (0, 1):
        record = run(tmp_path, conll, "protonet", {"backbone": "bert-tiny", "steps": 2}, ways=2, queries=5, seed=seed)
        folders.append(str(tmp_path / record.id))
    page = tmp_path / "page.html"
    hardest = read_shown(Path(folders[0]) / "hardest.html")
    assert hardest
    assert len(hardest) == 3
    assert all(query.right is not None for task in hardest for each in task.classes for query in each.queries)
    assert call("show", "--run", folders[0], "--episode", "2", "-o", str(tmp_path / "x.html")) == 0
    assert ", task 2, protonet: span F1 " in (tmp_path / "x.html").read_text(encoding="utf-8")
    assert call("leaderboard", "--results", str(tmp_path), "--html", str(page)) == 0
    assert "span F1, %" in capsys.readouterr().out
    assert "span F1" in page.read_text(encoding="utf-8")
    assert ", protonet: span F1 " in page.read_text(encoding="utf-8")
    assert call("curve", folders[0], "--shots", "1", "--shots", "2", "--episodes", "3") == 0
    assert capsys.readouterr().out.startswith("span F1, %")
    for arguments, message in (
        (["inspect", folders[0], "-o", str(tmp_path / "x.png")], "what is found in texts is not drawn"),
        (["show", "--run", folders[0], "-o", str(tmp_path / "x.png")], "which are written to .html or .txt"),
        (["predict", folders[0], "--support", str(conll), "a b"], "is about words of sentences"),
    ):
        assert call(*arguments) == 2
        assert message in capsys.readouterr().err


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)
