"""What makes records one row."""

import numpy as np

from metabench.records.keys import board_of, learner_name, record_digest, row_of, same_tasks
from tests.made_records import WEIGHTS, make_record, selection

SCORES = np.array([0.5, 0.75])


def test_two_files_of_weights_are_two_rows_though_they_have_one_name() -> None:
    other = WEIGHTS.model_copy(update={"sha256": "ab" * 32})
    rows = {
        row_of(make_record(SCORES, weights=weights, changed_options={"weights": "bert.safetensors"}))
        for weights in (WEIGHTS, other)
    }
    assert len(rows) == 2
    assert learner_name(make_record(SCORES, weights=WEIGHTS)) == "protonet (weights=bert.safetensors@cdcdcdcd)"


def test_a_learner_without_training_whose_weights_are_a_files_depends_on_no_seed() -> None:
    training = {"curve": [], "best": {}, "seconds": 0.0, "images": 0}
    assert make_record(SCORES, training=training).seeded
    assert not make_record(SCORES, training=training, weights=WEIGHTS).seeded
    assert make_record(SCORES, weights=WEIGHTS).seeded


def test_tasks_across_styles_are_a_board_of_their_own() -> None:
    records = [make_record(SCORES, dataset="emoji", across=across) for across in (None, "styles")]
    assert [board_of(record).task for record in records] == ["", "across=styles"]
    assert [same_tasks(record)["task"] for record in records] == ["plain", "across=styles"]


def test_each_concentration_of_queries_is_a_board_of_its_own() -> None:
    records = [
        make_record(SCORES, query_imbalance=each)
        for each in ("none", "dirichlet", "dirichlet:2.0", "dirichlet:0.5", "dirichlet:0.50")
    ]
    boards = [board_of(record).task for record in records]
    assert boards == ["", *["query_imbalance=dirichlet"] * 2, *["query_imbalance=dirichlet:0.5"] * 2]
    assert len({board_of(record) for record in records}) == 3
    assert [same_tasks(record)["task"] for record in records] == ["plain", *boards[1:]]


def test_seeds_that_chose_otherwise_from_the_same_are_one_row() -> None:
    made = [
        make_record(SCORES, seed=seed, options={"inner_steps": best}, changed_options={"inner_steps": best}, **chosen)
        for seed, best, chosen in (
            (0, 3, {"selection": selection(s1=0.5, s3=0.75)}),
            (1, 1, {"selection": selection(s1=0.75, s3=0.5)}),
            (0, 3, {"selection": selection(s1=0.5, s3=0.75, s5=0.6)}),
            (0, 3, {}),
        )
    ]
    assert row_of(made[0]) == row_of(made[1])
    assert [row_of(each).settings for each in made[1:]] == [
        "inner_steps=1|3 tries=2",
        "inner_steps=1|3|5 tries=3",
        "inner_steps=3",
    ]
    assert len({record_digest(each) for each in made}) == 4


def test_what_was_chosen_is_a_result_and_no_part_of_the_digest() -> None:
    one, other = (
        make_record(SCORES, options={"inner_steps": best}, selection=chosen)
        for best, chosen in ((3, selection(s1=0.5, s3=0.75)), (1, selection(s1=0.75, s3=None)))
    )
    assert record_digest(one) == record_digest(other)
