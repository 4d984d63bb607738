"""What `metabench inspect` says of runs of entities and of answers, whose learner it asks again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

import metabench
from metabench.cli.main import main
from metabench.metrics.spans import exact_match, span_f1
from metabench.records.record import RunRecord
from metabench.rerun.found import Query, by_kind, by_type, mistakes, queries
from metabench.rerun.inspect import inspect
from metabench.rerun.load import load_trained
from metabench.texts.words import span_text
from tests.made_sentences import conll_file, squad_file


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("found")


def run(place: Path, **settings: Any) -> RunRecord:
    options = {"backbone": "bert-tiny", **settings.pop("options", {})}
    return metabench.run(learner="protonet", options=options, output=place, validation_episodes=2, **settings)


@pytest.fixture(scope="module")
def entities(place: Path) -> RunRecord:
    data = f"conll:{conll_file(place / 'made.conll', 600)}"
    return run(place, dataset=data, ways=2, shots=2, queries=5, episodes=4, options={"steps": 5})


@pytest.fixture(scope="module")
def answers(place: Path) -> RunRecord:
    data = f"squad:{squad_file(place / 'made.json', 18, decoys=True)}"
    return run(place, dataset=data, shots=4, max_tokens=16, episodes=2)


def tags(query: Query, spans: Any) -> list[str]:
    made = ["O"] * len(query.sentence.words)
    for first, last, label in spans:
        made[first:last] = [f"{'B' if place == first else 'I'}-{query.names[label]}" for place in range(first, last)]
    return made


def test_entities_are_counted_as_seqeval_counts_them(place: Path, entities: RunRecord) -> None:
    asked = list(queries(place / entities.id))
    table = by_type(asked).set_index("type").sort_index()
    right, found = [tags(query, query.right) for query in asked], [tags(query, query.found) for query in asked]
    expected = precision_recall_fscore_support(right, found, average=None, zero_division=0)
    assert pytest.approx(np.array(expected)) == table[["precision", "recall", "F1", "mentions"]].to_numpy().T
    assert 0 < table["right"].sum() < table["mentions"].sum()


def test_what_is_found_is_what_was_scored(place: Path, entities: RunRecord, answers: RunRecord) -> None:
    asked, trained = iter(queries(place / entities.id)), load_trained(place / entities.id)
    for number, score in enumerate(trained.of_tasks):
        some = [next(asked) for _ in trained.test.truth([number]).rows]  # type: ignore[union-attr]
        found, right = (
            {(place, *span) for place, spans in enumerate(each) for span in spans}
            for each in ([query.found for query in some], [query.right for query in some])
        )
        assert span_f1(found, right) == pytest.approx(score)  # type: ignore[arg-type]
    table = by_kind(list(queries(place / answers.id))).set_index("answer")
    assert table.loc["exact", "share"] == pytest.approx(answers.score.exact_match)
    assert (table["share"] * table["F1"]).sum() == pytest.approx(answers.score.mean)
    assert table.loc["exact", "F1"] == 1


def test_the_most_confident_mistakes_come_first(place: Path, entities: RunRecord, answers: RunRecord) -> None:
    for record in (entities, answers):
        asked = list(queries(place / record.id))
        wrong = {}
        for query in asked:
            for span, probability in query.found.items():
                accepted = query.sentence.answers
                said = span_text(query.sentence, span)
                if exact_match(said, accepted) if accepted else span in query.right:
                    continue
                wrong[query.sentence.text] = max(probability, wrong.get(query.sentence.text, 0))
        found = [mistake.confidence for mistake in mistakes(asked)]
        assert found == pytest.approx(sorted(wrong.values(), reverse=True)[:10])
        assert found


def test_it_is_printed_and_written_as_a_page(
    place: Path, entities: RunRecord, answers: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    page = place / "x.html"
    with pytest.raises(SystemExit) as ended:
        main(["inspect", str(place / entities.id), "-o", str(page)])
    assert not ended.value.code
    printed = capsys.readouterr().out
    assert "Types, lowest F1 first, all tasks together:\n" in printed
    assert "precision %" in printed
    assert "Wrong entities, the most confident first, each text once:\n" in printed
    assert ", there is " in printed
    assert "there is <bdi>" in page.read_text(encoding="utf-8")
    printed = inspect(place / answers.id)
    assert "Answers:\n" in printed
    assert ", right answer gold" in printed
