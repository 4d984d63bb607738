from metabench.records.reader import read_record
from metabench.sweep.estimate import OVERHEAD, estimate
from metabench.sweep.store import Known
from tests.conftest import PROJECT
from tests.made_sweeps import cells_of


def known(name: str) -> Known:
    return Known.of(read_record(PROJECT / "results" / "reference" / name / "record.json")[0])


def test_time_is_in_proportion_to_steps_tasks_and_pixels() -> None:
    small, large = cells_of(image_size=["28", "56"], ways="5", learner="protonet")
    reference = known("glyphs-5way-1shot-protonet-seed0")
    training = reference.training_seconds * small.steps / reference.steps
    test = reference.evaluation_seconds * small.episodes / reference.episodes
    assert abs((estimate(small, [reference]) or 0) - (OVERHEAD + training + test)) < 1e-9
    assert abs((estimate(large, [reference]) or 0) - (OVERHEAD + 4 * (training + test))) < 1e-9


def test_a_run_of_the_same_size_tells_more_than_one_of_the_same_task() -> None:
    small, large = cells_of(image_size=["28", "56"], ways="3", learner="protonet")
    reference = known("glyphs-3way-5shot-protonet-seed0").model_copy(update={"backbone": "conv4:4", "shots": 1})
    measured = reference.model_copy(
        update={"pixels": 56**2, "ways": 5, "training_seconds": 70.0, "evaluation_seconds": 0.0, "steps": 10}
    )
    assert estimate(large, [reference, measured]) == OVERHEAD + 70
    assert estimate(small, [reference, measured]) == estimate(small, [reference])


def test_a_network_that_scales_pictures_has_its_own_size() -> None:
    assert known("glyphs-5way-1shot-protonet-seed0").pixels == 28**2
    assert known("efficientnet-emoji-5way-1shot-simpleshot-seed0").pixels == 64**2  # of pictures of 32
