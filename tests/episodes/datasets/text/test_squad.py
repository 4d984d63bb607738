import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from episodes import DataError, DataOptions, load
from episodes.banks.spans import Sentence
from episodes.datasets.text.spans import all_way_spans
from episodes.datasets.text.squad import ANSWER, read_squad

TEXT = "The Panthers gave up just 308 points, ranking sixth."


def asked(question: str = "How many?", name: str = "q1", **answers: int) -> dict[str, Any]:
    """A question whose answers are the keywords, with `_` for a space, at the places given."""
    places = [{"text": text.replace("_", " "), "answer_start": place} for text, place in answers.items()]
    return {"id": name, "question": question, "answers": places}


def write(folder: Path, articles: list[list[tuple[str, list[dict[str, Any]]]]], name: str = "x.json") -> Path:
    data = [{"title": "t", "paragraphs": [{"context": text, "qas": qas} for text, qas in each]} for each in articles]
    path = folder / name
    path.write_text(json.dumps({"version": "1.1", "data": data}), encoding="utf-8")
    return path


def only(path: Path) -> Sentence:
    (((found,),),) = read_squad(path)
    return found


def labelled(found: Sentence) -> str:
    """The words that the labels call the answer."""
    ((first, last, name),) = found.mentions
    assert name == ANSWER
    return found.text[found.words[first][0] : found.words[last - 1][1]]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (asked(**{"308": 26}), "308"),
        (asked(**{"just_308_points": 21}), "just 308 points"),
        (asked(**{"sixth": 46}), "sixth"),
        (asked(**{"The": 0}), "The"),
        (asked(**{"anther": 5}), "Panthers"),  # in the middle of a word: the words that it touches
        (asked(**{"points,_rank": 30}), "points, ranking"),
    ],
)
def test_labels_are_the_words_that_the_answer_touches(tmp_path: Path, question: dict[str, Any], answer: str) -> None:
    found = only(write(tmp_path, [[(TEXT, [question])]]))
    assert labelled(found) == answer
    assert found.answers == (question["answers"][0]["text"],)
    assert (found.question, found.text) == ("How many?", TEXT)


def test_all_answers_are_accepted_and_the_first_is_in_the_labels(tmp_path: Path) -> None:
    question = asked(**{"308": 26, "308_points": 26})
    question["answers"].append(question["answers"][0])
    found = only(write(tmp_path, [[(TEXT, [question])]]))
    assert labelled(found) == "308"
    assert found.answers == ("308", "308 points")


def test_words_are_letters_together_and_other_signs_alone(tmp_path: Path) -> None:
    words = ["Ame\u0301lie", "'", "s", "7\u00bd", "-", "km", "run", "\N{GRINNING FACE}", "\u4e1c", "\u4eac", "$", "5"]
    text = "Ame\u0301lie's 7\u00bd-km run \N{GRINNING FACE}\u4e1c\u4eac $5"
    found = only(write(tmp_path, [[(text, [asked(run=text.index("run"))])]]))
    assert [found.text[first:last] for first, last in found.words] == words


def test_control_characters_move_no_answer(tmp_path: Path) -> None:
    text = "a\r\nb\x07c\ud800 answer"
    found = only(write(tmp_path, [[(text, [asked(answer=text.index("answer"))])]]))
    assert labelled(found) == "answer"
    assert found.text.isprintable() or "\n" in found.text


@pytest.mark.parametrize("place", [25, 27, -1, 10**9, None, "26", 26.5])
def test_an_answer_elsewhere_is_found_and_said(tmp_path: Path, place: Any) -> None:
    question = asked(**{"308": place})
    path = write(tmp_path, [[(TEXT, [question])]])
    said = "has 1 answer not where answer_start says, '308' of question 'q1' first; the nearest"
    with pytest.warns(UserWarning, match=said):
        assert labelled(only(path)) == "308"


def test_the_nearest_of_several_places_is_taken(tmp_path: Path) -> None:
    path = write(tmp_path, [[("one two one two one", [asked(one=9)])]])
    with pytest.warns(UserWarning, match="nearest such place"):
        assert only(path).mentions == ((2, 3, ANSWER),)


def test_questions_without_answers_are_left_out_and_counted(tmp_path: Path) -> None:
    qas = [asked(**{"308": 26}), asked(name="none"), asked(name="lost", Broncos=3)]
    path = write(tmp_path, [[(TEXT, qas), ("", [asked(x=0)])]])
    with pytest.warns(UserWarning, match="not in their texts|without an answer") as said:
        found = only(path)
    nowhere, empty = (str(each.message) for each in said)
    assert labelled(found) == "308"
    assert "has 2 answers not in their texts, 'Broncos' of question 'lost' first; they are left" in nowhere
    assert "left out 3 questions without an answer in the text" in empty


def test_a_question_without_words_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, [[(TEXT, [asked(" ", **{"308": 26}), asked(**{"308": 26})])]])
    with pytest.warns(UserWarning, match="x.json': left out 1 question without words"):
        assert only(path).question == "How many?"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not valid JSON"),
        ('{"data": [], "data": [1]}', "has the key 'data' twice; leave it once"),
        ("{", "is not valid JSON: .*; give a file of SQuAD's form"),
        ("[]", "is not of SQuAD's form: the file needs 'data', a list; found a list in place of"),
        ('{"Data": []}', "the file needs 'data', a list; found keys 'Data'; rename 'Data' to 'data'"),
        ('{"data": 3}', "the file needs 'data', a list; found a number"),
        ('{"data": [1]}', "article 1 needs 'paragraphs', a list; found a number in place of"),
        ('{"data": [{"paragraphs": [{"qas": []}]}]}', "paragraph 1 of article 1 needs 'context', a text"),
        (
            '{"data": [{"paragraphs": [{"context": "a", "qas": [{"answers": []}]}]}]}',
            "question 1 of paragraph 1 of article 1 needs 'question'",
        ),
        (
            '{"data": [{"paragraphs": [{"context": "a", "qas": [{"id": "z", "question": "b"}]}]}]}',
            "question 'z' needs 'answers', a list",
        ),
        ('{"data": []}', "has no question with an answer in its text"),
    ],
)
def test_what_is_not_of_its_form_is_said_in_one_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(DataError, match=message) as error:
        read_squad(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def articles(count: int, paragraphs: int = 2) -> list[list[tuple[str, list[dict[str, Any]]]]]:
    """Two questions about each paragraph."""

    def paragraph(text: str) -> tuple[str, list[dict[str, Any]]]:
        return f"{text} here", [asked(f"Where is {each}?", here=len(text) + 1) for each in "xy"]

    return [[paragraph(f"text{number} {part}") for part in range(paragraphs)] for number in range(count)]


def test_whole_articles_are_split(tmp_path: Path) -> None:
    dataset = load(f"squad:{write(tmp_path, articles(12))}")
    assert (dataset.name, dataset.split) == ("squad:x.json", "articles")
    banks = (dataset.train, dataset.validation, dataset.test)
    assert [len(bank) for bank in banks] == [24, 8, 16]
    seen = [{text.split()[0] for text in bank.texts()} for bank in banks]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 12


def test_of_few_articles_paragraphs_are_split(tmp_path: Path) -> None:
    path = write(tmp_path, articles(2, 3))
    assert [len(getattr(load(f"squad:{path}"), part)) for part in ("train", "validation", "test")] == [6, 2, 4]
    with pytest.raises(DataError, match=r"'squad:y\.json' has questions about 5 texts; it needs at least 6"):
        load(f"squad:{write(tmp_path, articles(1, 5), 'y.json')}")


def test_queries_are_held_out_after_the_training_questions(tmp_path: Path) -> None:
    path = write(tmp_path, articles(12))
    packed = path.with_suffix(".json.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    dataset = all_way_spans(f"squad:{packed}", DataOptions())
    assert (len(dataset.test), dataset.test.held) == (40, 16)
    assert (len(dataset.validation), dataset.validation.held) == (32, 8)
    assert not set(dataset.test.documents[:24]) & set(dataset.test.documents[24:])
    with pytest.raises(DataError, match="has no split 'seed=1'"):
        load(f"squad:{path}", DataOptions(split="seed=1"))
