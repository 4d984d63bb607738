"""What makes records one row."""

import numpy as np

from metabench.records.keys import learner_name, row_of
from tests.made_records import WEIGHTS, make_record

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
