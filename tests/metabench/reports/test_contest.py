"""Records to verdicts, on made records and on the real ones."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from metabench.errors import UsageError
from metabench.records.reader import read_record
from metabench.reports.compare import describe_pair, describe_ranking, describe_table
from metabench.reports.contest import compare, contests, ranking
from tests.conftest import PROJECT
from tests.made_records import write_run

REFERENCE = PROJECT / "results" / "reference"


def words(text: str) -> str:
    """Without the breaks of lines."""
    return " ".join(text.split())


TASKS = np.linspace(0.5, 0.9, 40)
NOISE = 0.01 * np.tile([-1, 1], 20)


def test_the_real_records_of_two_learners() -> None:
    (found,) = contests([REFERENCE / f"glyphs-5way-1shot-{name}-seed0" for name in ("protonet", "maml")])
    text = words(describe_pair(found))
    assert "glyphs, 5-way 1-shot, on the same 600 test tasks:" in text
    tables = (REFERENCE / f"glyphs-5way-1shot-{name}-seed0" / "scores.csv" for name in ("protonet", "maml"))
    one, two = (pd.read_csv(table)["learner"] for table in tables)
    differences = one - two
    low, high = (100 * end for end in stats.t.interval(0.95, 599, differences.mean(), stats.sem(differences)))
    assert f"accuracy of protonet is higher by {100 * differences.mean():.2f} points, 95% interval {low:.2f} to" in text
    assert f"to {high:.2f}, p < 0.0001, over test tasks." in text
    assert "Nothing is known of the learners" in text


def test_the_real_records_of_a_regression() -> None:
    folders = [REFERENCE / f"sinusoid-5shot-maml-seed0{end}" for end in ("", "-2")]
    (found,) = contests(folders)
    text = words(describe_pair(found))
    means = [read_record(folder / "record.json")[1].mean() for folder in folders]
    assert f"the mean squared error of maml is lower by {means[1] - means[0]:.4f}," in text
    assert f"To see {0.1 * means[0]:.4f}, a tenth of the lower error, between two networks takes about" in text


def test_lines_fit_a_terminal_and_nothing_is_no_number(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", TASKS)
    two = write_run(tmp_path / "two", TASKS, learner="a_learner_with_a_long_name")
    (found,) = contests([one, two])
    for text in (describe_pair(found), describe_table(found)):
        assert max(map(len, text.splitlines())) <= 80
        assert "nan" not in text
    assert "Effect size" not in describe_pair(found)  # of differences that are all 0


def test_a_record_file_is_as_good_as_its_folder(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", TASKS)
    write_run(tmp_path / "two", TASKS - 0.1 + NOISE, learner="maml")
    (found,) = contests([one, tmp_path / "two"])
    assert "the accuracy of protonet is higher by 10.00 points" in words(describe_pair(found))


def test_runs_that_differ_in_the_seed_alone_are_one_learner(tmp_path: Path) -> None:
    paths = []
    for seed in range(3):
        for learner, lead in (("maml", 0.05), ("protonet", 0.0)):
            scores = TASKS + lead + 0.001 * seed + np.roll(NOISE, seed)
            paths.append(write_run(tmp_path / f"{learner}{seed}", scores, learner=learner, seed=seed))
    (found,) = contests(paths)
    assert {name: scores.shape for name, scores in found.scores.items()} == {"maml": (3, 40), "protonet": (3, 40)}
    text = words(describe_pair(found))
    assert "maml is better than protonet: its accuracy is higher by 5.00 points, 95% interval" in text
    assert "over training seeds and test tasks. These networks alone, over test tasks: 5.00 points" in text


def test_transductive_learners_are_marked(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", TASKS)
    two = write_run(tmp_path / "two", TASKS - 0.05 + NOISE, learner="pt_map", transductive=True)
    (found,) = contests([one, two])
    assert "Transductive, as other queries may change a prediction: pt_map." in words(describe_pair(found))
    assert compare(one, two)["transductive"].tolist() == [(False, True)]
    two = write_run(tmp_path / "three", TASKS - 0.05 + NOISE, learner="maml")
    assert "ransductive" not in describe_pair(contests([one, two])[0])


def test_two_runs_of_one_learner_are_compared_as_they_are(tmp_path: Path) -> None:
    paths = [write_run(tmp_path / name, TASKS + lead, seed=5) for name, lead in (("one", 0.0), ("two", 0.05))]
    (found,) = contests(paths)
    assert list(found.scores) == [str(path) for path in paths]
    with pytest.raises(UsageError, match="are the same run; give a run of another learner or seed"):
        contests([paths[0], shutil.copytree(paths[0].parent, tmp_path / "copy")])


def test_of_runs_with_different_numbers_of_tasks_the_common_ones_count(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", TASKS)
    two = write_run(tmp_path / "two", TASKS[:30] - 0.05 + NOISE[:30], learner="maml")
    (found,) = contests([one, two])
    text = words(describe_pair(found))
    assert "on the same 30 test tasks, the first of up to 40: those that all have:" in text
    assert "the accuracy of protonet is higher by 5.00 points" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shots": 5}, "shots 1 and 5"),
        ({"queries": 10}, "queries 15 and 10"),
        ({"test_seed": 1}, "test seed 0 and 1"),
        ({"groups": "within"}, "task plain and groups=within"),
        ({"test_images": "cd" * 16}, "test data abababab and cdcdcdcd"),
        ({"dataset": "sinusoid"}, "metric accuracy and mean squared error"),
    ],
)
def test_other_tasks_are_refused(change: dict[str, object], message: str, tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", TASKS)
    two = write_run(tmp_path / "two", TASKS, learner="maml", **change)
    with pytest.raises(UsageError) as error:
        contests([one, two])
    assert f"'{one}' and '{two}' were not scored on the same tasks (" in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_other_training_is_another_learner_on_the_same_tasks(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", TASKS)
    two = write_run(tmp_path / "two", TASKS - 0.1 + NOISE, train_task=("a,b,c,d,e",), train_images="cd" * 16)
    (found,) = contests([one, two])
    assert list(found.scores) == ["protonet", "protonet (trained on a,b,c,d,e)"]


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", TASKS)
    again = write_run(tmp_path / "again", TASKS)
    other = write_run(tmp_path / "other", TASKS, learner="maml")
    with pytest.raises(UsageError, match="only one learner to compare, protonet; give the runs of another too"):
        contests([one])
    with pytest.raises(UsageError, match="are both of protonet, seed 0, on the same tasks; leave one of them out"):
        contests([one, again, other])
    with pytest.raises(UsageError, match=r"cannot read record '.*nothing'"):
        contests([one, tmp_path / "nothing"])


def many(tmp_path: Path) -> list[Path]:
    """Three learners, two seeds each, on six datasets: finetune ahead on all, maml and protonet alike."""
    random, paths = np.random.default_rng(0), []
    for number in range(6):
        hard = random.uniform(0.4, 0.6, 40)
        data = {"dataset": f"data{number}", "test_images": f"{number}a" * 16}
        for learner, lead in (("maml", 0.001 * (-1) ** number), ("protonet", 0.0), ("finetune", 0.2)):
            for seed in (0, 1):
                scores = hard + lead + random.normal(0, 0.02, 40)
                folder = tmp_path / f"{learner}{number}-{seed}"
                paths.append(write_run(folder, scores, learner=learner, seed=seed, **data))
    return paths


def test_several_datasets_make_a_ranking(tmp_path: Path) -> None:
    found = contests(many(tmp_path))
    assert len(found) == 6
    result = ranking(found)
    assert result.average_ranks.index[0] == "finetune"
    assert result.average_ranks["finetune"] == 1
    text = describe_ranking(found)
    row = next(line for line in text.splitlines() if line.endswith("6/0/0"))
    assert row.split() == ["3", "finetune", "6/0/0", "6/0/0"]
    assert "Average ranks: finetune 1.00, " in text
    assert "(an approximation, rough for 6)" in words(text)
    assert "A seed of finetune is better than one of" in text
    for each in found:
        table = describe_table(each)
        assert "Not significantly different: maml and protonet." in table
        assert [line.split()[0] for line in table.splitlines()[2:5]] == ["1", "2-3", "2-3"]
        assert "finetune" in table.splitlines()[2]


def test_tasks_of_one_dataset_are_one_block(tmp_path: Path) -> None:
    """Else three tasks of one dataset would pass for three datasets."""
    paths = many(tmp_path)
    hard = np.random.default_rng(1).uniform(0.4, 0.6, 40)
    for place, learner in enumerate(("maml", "protonet", "finetune")):
        data = {"dataset": "data0", "test_images": "0a" * 16, "shots": 5}
        paths.append(write_run(tmp_path / f"{learner}-more", hard + 0.1 * place, learner=learner, **data))
    result = ranking(contests(paths))
    assert result.blocks == 6


def test_below_five_datasets_there_are_wins_and_aggregates_alone(tmp_path: Path) -> None:
    paths = many(tmp_path)
    with pytest.raises(UsageError, match="needs three learners, each on 5 or more of them; found 3 on 4"):
        ranking(contests(paths[:24]))
    few = contests(paths[:24])
    assert "Friedman's and Nemenyi's tests take 5 datasets and three learners; here 4 datasets." in words(
        describe_ranking(few)
    )
    assert "Average ranks" not in describe_ranking(few)
    assert "Interquartile mean of finetune: 7" in describe_ranking(few)
    two = contests([path for path in paths if "finetune" not in str(path)])
    with pytest.raises(UsageError, match="found 2 on 6"):
        ranking(two)
    assert "Average ranks" not in describe_ranking(two)


def test_without_several_seeds_there_are_no_ranks(tmp_path: Path) -> None:
    found = contests([path for path in many(tmp_path) if str(path.parent).endswith("-0")])
    assert "There are no ranks: no learner here has two training seeds" in words(describe_table(found[0]))
    assert "wins/ties/losses" not in describe_ranking(found)
