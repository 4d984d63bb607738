"""The most confident mistakes of a run of texts, found again by asking its learner."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from metabench.cli.main import main
from metabench.errors import UsageError
from metabench.reports.inspect import inspect as report
from metabench.rerun.inspect import inspect
from metabench.rerun.load import load_trained
from metabench.rerun.mistakes import MOST, confident_mistakes
from metabench.texts.terminal import WRONG, Terminal


def mistakes_by_hand(folder: Path) -> dict[str, tuple[float, str, str]]:
    """Of each text that was predicted wrong the highest confidence, with its class and the prediction."""
    run, found = load_trained(folder, "cpu"), {}
    bank = run.dataset.test
    for number in range(run.config.test.episodes or 0):
        drawn = run.test.indices([number])  # type: ignore[attr-defined]
        with torch.no_grad():
            logits = run.learner.classify(run.test.batch([number]).without_query_labels())[0]
        shares = torch.softmax(logits / run.record.score.temperature, dim=1)
        names = [bank.class_names[each] for each in drawn.classes[0]]
        for row, label, share in zip(drawn.query[0], drawn.query_labels[0], shares, strict=True):
            best = int(share.argmax())
            entry = (round(float(share[best]), 3), names[label], names[best])
            if best != label and entry[0] > found.get(bank.text(row), (0.0,))[0]:
                found[bank.text(row)] = entry
    return found


def test_the_most_confident_mistakes_are_those_of_the_learner(of_texts: Callable[[str], Path]) -> None:
    folder = of_texts("tfidf")
    expected = mistakes_by_hand(folder)
    mistakes = confident_mistakes(folder, report(folder))
    assert len(mistakes) == min(MOST, len(expected)) > 2
    confidences = [mistake.confidence for mistake in mistakes]
    assert confidences == pytest.approx(
        sorted((each[0] for each in expected.values()), reverse=True)[:MOST], abs=1.1e-3
    )
    for mistake in mistakes:
        confidence, true, prediction = expected["".join(piece.text for piece in mistake.text)]
        assert mistake.confidence == pytest.approx(confidence, abs=1.1e-3)
        assert (mistake.true, mistake.prediction) == (true, prediction)


def test_they_are_printed_below_the_tables_and_are_on_the_page(
    of_texts: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = of_texts("tfidf")
    with pytest.raises(SystemExit) as ended:
        main(["inspect", str(folder), "-o", str(tmp_path / "inspect.html")])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith("tfidf on csv:texts.csv, 3-way 2-shot: accuracy ")
    tables, below = printed.split("\n\nWrong queries, the most confident first, each text once (")
    assert "Classes, lowest accuracy first" in tables
    mistakes = confident_mistakes(folder, report(folder))
    page = (tmp_path / "inspect.html").read_text()
    for mistake in mistakes:
        assert mistake.text[0].text in below
        assert mistake.text[0].text in page
    assert below.count(f"\n{WRONG} class ") == page.count('<li class="wrong">') == len(mistakes)
    assert "<h2>Confused pairs, the most often first" in page
    inspect(folder, tmp_path / "inspect.png")
    assert (tmp_path / "inspect.png").stat().st_size > 10_000


def test_without_the_data_the_rest_is_printed(
    of_texts: Callable[[str], Path], texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = of_texts("tfidf")
    whole = inspect(folder, terminal=Terminal(80))
    aside = texts.rename(tmp_path / "aside.csv")
    try:
        shown = inspect(folder, tmp_path / "inspect.html")
    finally:
        aside.rename(texts)
    tables, below = shown.split("\n\nThe texts of its queries are not here: ")
    assert whole.startswith(tables)
    assert "there is no file" in below
    assert "there is no file" in (tmp_path / "inspect.html").read_text()
    (tmp_path / "other" / texts.name).parent.mkdir()
    (tmp_path / "other" / texts.name).write_text(texts.read_text().replace("class 00", "class 0"))
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path))  # the place of the others is not to be remembered
    assert "have fingerprint" in inspect(folder, data_root=tmp_path / "other").rpartition("not here: ")[2]


def test_predictions_of_other_queries_are_noticed(of_texts: Callable[[str], Path]) -> None:
    folder = of_texts("tfidf")
    found = report(folder)
    turned = found.predictions.assign(**{"class": found.predictions["class"].array[::-1]})
    found = replace(found, predictions=turned)
    with pytest.raises(UsageError, match="are of other queries than task"):
        confident_mistakes(folder, found)


def test_weights_are_for_runs_that_kept_no_predictions(of_texts: Callable[[str], Path]) -> None:
    with pytest.raises(UsageError, match=r"--weights: '.*' kept its predictions, and needs none; leave it out"):
        inspect(of_texts("tfidf"), weights="encoder.safetensors")
