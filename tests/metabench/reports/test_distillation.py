"""What records say of teachers, students and the students' networks alone."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from metabench.errors import UsageError
from metabench.records.record import Score, write_scores
from metabench.reports.distillation import Measured, describe, distillations, table
from tests.made_records import edit_record, write_run

TASKS = np.linspace(0.5, 0.9, 40)
NOISE = 0.02 * np.tile([-1, 0, 1, 2], 10)


def student_run(folder: Path, student: np.ndarray, companions: dict[str, np.ndarray], **changes: Any) -> Path:
    """The folder of a run of a student with its companions, of these scores."""
    about = {"metric": "accuracy", "half_width": 0.01, "task_milliseconds": 2.0}
    scores = {
        name: Score(mean=values.mean(), parameters=100 * number, task_multiply_adds=10**6 * number, **about)
        for number, (name, values) in enumerate(companions.items(), start=1)
    }
    options = {"backbone": "conv4:16", "teacher_backbone": "resnet12", "steps": 7}
    write_run(folder, student, learner="distill", options=options, companions=scores, **changes)
    write_scores(folder, {"learner": student, **companions})
    return folder


def missing(folder: Path) -> dict[str, Measured]:
    raise UsageError("no weights are here")


COMPANIONS = {"teacher": TASKS + 0.05 + NOISE, "network alone": TASKS - 0.01 + NOISE[::-1]}


def test_a_row_per_network_with_the_paired_difference_of_the_student(tmp_path: Path) -> None:
    found = distillations([student_run(tmp_path / "run", TASKS, COMPANIONS)], missing)
    rows = table(found).set_index("network")
    assert [*rows.index] == ["teacher", "student", "network alone"]
    assert rows["backbone"].tolist() == ["resnet12", "conv4:16", "conv4:16"]
    assert rows["parameters"].tolist() == [100, 10, 200]
    means = [each.mean() for each in (COMPANIONS["teacher"], TASKS, COMPANIONS["network alone"])]
    assert rows["mean"].tolist() == pytest.approx([100 * mean for mean in means], abs=1e-3)
    for name, scores in COMPANIONS.items():
        differences = 100 * (TASKS - scores)
        ends = stats.t.interval(0.95, 39, differences.mean(), stats.sem(differences))
        row = rows.loc[name]
        assert row["lead_mean"] == pytest.approx(differences.mean(), abs=1e-2)
        assert (row["lead_low"], row["lead_high"]) == pytest.approx(ends, abs=1e-2)
        assert row["lead_p_value"] == pytest.approx(stats.ttest_rel(TASKS, scores).pvalue, rel=1e-2, abs=1e-9)
    assert "agreement_mean" not in rows


def test_the_text_has_a_column_per_network_and_says_what_is_missing(tmp_path: Path) -> None:
    companions = {**COMPANIONS, "generation 0": TASKS - 0.2}
    folder = student_run(tmp_path / "run", TASKS, companions, environment={"device": "Some GPU", "threads": 3})
    text = describe(distillations([folder], missing))
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert re.search(r"\n +teacher +student +network alone +generation 0\n", text)
    assert lines["backbone"].split()[1:] == ["resnet12", "conv4:16", "conv4:16", "conv4:16"]
    assert lines["accuracy, %"].split()[2::3] == ["76.00", "70.00", "70.00", "50.00"]
    assert lines["million multiply-adds"].split()[2:] == ["1.0", "-", "2.0", "3.0"]
    words = " ".join(text.split())
    assert "on Some GPU, 3 threads. Sizes and agreement are not here, of" in words
    assert "no weights are here" in words
    assert "Student and teacher: these two networks differ significantly: the accuracy of teacher is higher by" in words
    assert "Student and network alone: these two networks do not differ significantly" in words
    assert "on disk" not in text


def test_what_is_measured_stands_below(tmp_path: Path) -> None:
    agreement = np.linspace(0.7, 0.9, 40)
    sizes = {"float32": 4_000, "float16": 2_000, "int8": 1_234}
    measured = {
        "teacher": Measured({name: 10 * size for name, size in sizes.items()}, None),
        "student": Measured(sizes, agreement),
        "network alone": Measured(sizes, agreement - 0.2),
    }
    found = distillations([student_run(tmp_path / "run", TASKS, COMPANIONS)], lambda folder: measured)
    rows = table(found).set_index("network")
    assert rows["bytes_int8"].tolist() == [12_340, 1_234, 1_234]
    assert rows["agreement_mean"].tolist() == pytest.approx([np.nan, 80, 60], nan_ok=True)
    text = describe(found)
    assert max(map(len, text.splitlines())) <= 80
    assert re.search(r"kB on disk, int8 +12\.3 +1\.2 +1\.2\n", text)
    assert re.search(r"agreement with teacher, % +- +80\.00 ± \d\.\d\d +60\.00 ± \d\.\d\d\n", text)


def test_agreement_is_of_all_seeds_or_not_there(tmp_path: Path) -> None:
    paths = [student_run(tmp_path / str(seed), TASKS, COMPANIONS, seed=seed) for seed in range(2)]
    agreement = np.linspace(0.7, 0.9, 40)

    def of_the_first(folder: Path) -> dict[str, Measured]:
        if folder.name != "0":
            return missing(folder)
        return {name: Measured({"float32": 4_000}, agreement) for name in ("teacher", "student", "network alone")}

    found = distillations(paths, of_the_first)
    assert "agreement_mean" not in table(found)
    text = " ".join(describe(found).split())
    assert "kB on disk, float32" in text
    assert "Agreement is not here, of" in text
    assert "agreement with teacher" not in text


def test_seeds_of_one_student_are_one_report_over_seeds(tmp_path: Path) -> None:
    paths = [
        student_run(
            tmp_path / str(seed),
            TASKS + 0.001 * seed,
            {name: scores + 0.002 * seed for name, scores in COMPANIONS.items()},
            seed=seed,
        )
        for seed in range(3)
    ]
    (found,) = distillations(paths, missing)
    assert (found.seeds, found.tasks) == (3, 40)
    text = " ".join(describe([found]).split())
    assert "3 training seeds:" in text
    assert "teacher is better than student: its accuracy is higher by" in text
    assert "over training seeds and test tasks." in text
    other = student_run(tmp_path / "other", TASKS, COMPANIONS, changed_options={"mixing": 0.5})
    assert [each.seeds for each in distillations([*paths, other], missing)] == [3, 1]


def test_without_a_network_alone_that_is_said(tmp_path: Path) -> None:
    folder = student_run(tmp_path / "run", TASKS, {"teacher": COMPANIONS["teacher"]})
    text = describe(distillations([folder], missing))
    assert "There is no network alone to compare with: alone_steps was 0." in text


def test_runs_without_a_teacher_and_runs_twice_are_refused(tmp_path: Path) -> None:
    alone = write_run(tmp_path / "alone", TASKS).parent
    with pytest.raises(UsageError, match="has no teacher: its learner is protonet; give runs of a"):
        distillations([alone], missing)
    folder = student_run(tmp_path / "run", TASKS, COMPANIONS)
    with pytest.raises(UsageError, match="are the same run; leave one of them out"):
        distillations([folder, folder / "record.json"], missing)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"learner": TASKS, "teacher": TASKS}, "it has no column 'network alone'"),
        ({"learner": TASKS, **COMPANIONS, "teacher": TASKS}, "it has another mean"),
        ({"learner": TASKS, **COMPANIONS, "teacher": 2 * COMPANIONS["teacher"]}, "which is not a valid accuracy"),
    ],
)
def test_scores_of_companions_that_do_not_fit_are_refused(
    columns: dict[str, np.ndarray], message: str, tmp_path: Path
) -> None:
    folder = student_run(tmp_path / "run", TASKS, COMPANIONS)
    write_scores(folder, columns)
    with pytest.raises(UsageError, match=message):
        distillations([folder], missing)


def test_times_on_a_processor_name_it(tmp_path: Path) -> None:
    folder = student_run(tmp_path / "run", TASKS, COMPANIONS, device="cpu")
    edit_record(folder, environment={"device": "x86_64", "processor": "Made 9000", "threads": 2})
    assert distillations([folder], missing)[0].device == "Made 9000, 2 threads"
