"""What a run says at its end, from records."""

import numpy as np

from metabench.records.record import Floor, Score
from metabench.reports.summary import headline, summary
from tests.made_records import make_record

ABOUT = {"metric": "accuracy", "mean": 0.99, "half_width": 0.02, "parameters": 10, "task_milliseconds": 2.0}
TASKS = np.array([0.98, 1.0])


def test_an_interval_that_is_not_symmetric_says_where_it_ends() -> None:
    even, uneven, old = (
        make_record(TASKS, score=Score(**ABOUT, **ends))
        for ends in ({"low": 0.97, "high": 1.01}, {"low": 0.97, "high": 1}, {})
    )
    assert headline(uneven).endswith("accuracy 99.00% (95% interval 97.00% to 100.00% over 2 test tasks)")
    for record in (even, old):
        assert headline(record).endswith("99.00% ± 2.00 points (95% interval over 2 test tasks)")


def test_an_interval_that_stayed_too_wide_is_owned_up_to() -> None:
    met, missed = (make_record(TASKS, score=Score(**ABOUT), until_interval=points) for points in (2.0, 0.5))
    assert "not met" not in summary(met)
    assert summary(missed).splitlines()[1] == "  --until-interval 0.5 was not met: it takes more tasks than --episodes"


def test_floors_stand_below_the_learner_the_best_first() -> None:
    floors = {name: Floor(mean=mean, half_width=0, episodes=2) for name, mean in (("chance", 0.25), ("pixels", 0.5))}
    lines = summary(make_record(TASKS, score=Score(**ABOUT), floors=floors)).splitlines()[2:5]
    assert [line.split()[0] for line in lines] == ["protonet", "pixels", "chance"]
    assert [line.count("=") for line in lines] == [40, 20, 10]


def test_chance_is_a_known_number_and_no_interval_leaves_its_bounds() -> None:
    """Six tasks that were all right: Clopper and Pearson's interval begins at 0.025^(1/6) = 54.07%."""
    score = Score(**{**ABOUT, "mean": 1.0, "half_width": 0.4593}, low=0.5407, high=1.0)
    floors = {
        "chance": Floor(mean=0.2, half_width=1e-17, episodes=6),
        "pixels": Floor(mean=0.9, half_width=0.6353, episodes=6),
    }
    lines = summary(make_record(np.ones(2), score=score, floors=floors)).splitlines()
    shown = {line.split("  ")[1].strip(): line.split("  ", 2)[2].strip(" =") for line in lines if line.endswith("=")}
    assert shown == {"protonet": "100.00 -45.93 +0.00", "pixels": "90.00 -63.53 +10.00", "chance": "20.00"}
