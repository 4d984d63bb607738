import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from episodes import Dataset, EpisodeBatch, EpisodeSampler, FixedTask, VariableTask
from metabench.evaluation.calibration import WIDEST, fit_temperature, learner_temperature
from metabench.evaluation.loop import predict_episodes
from metabench.evaluation.score import tabulate
from metabench.learner import Learner, Problem, TrainingOptions
from metabench.registry import get_learner
from metabench.stats.diagnostics import calibration_error
from tests.made_banks import numbered_bank

TASK = FixedTask(ways=3, shots=1, queries=10)


def drawn(temperature: float, count: int = 4000, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and labels as likely as softmax(logits / temperature) says."""
    generator = np.random.default_rng(seed)
    logits = 3 * generator.normal(size=(count, 4))
    chances = np.exp(log_softmax(logits / temperature, axis=1))
    labels = (chances.cumsum(1) < generator.random((count, 1))).sum(1)
    return torch.from_numpy(logits), torch.from_numpy(labels)


@pytest.mark.parametrize("temperature", [0.2, 1.0, 5.0])
def test_it_is_the_best_of_a_grid_and_near_the_true_one(temperature: float) -> None:
    logits, labels = drawn(temperature)
    found = fit_temperature(logits, labels)
    grid = found * np.geomspace(0.5, 2, 201)
    losses = [-log_softmax(logits.numpy() / one, axis=1)[np.arange(len(labels)), labels].mean() for one in grid]
    assert int(np.argmin(losses)) == 100
    assert found == pytest.approx(temperature, rel=0.15)


def test_it_follows_the_logits_scale_and_no_constant_of_a_query() -> None:
    logits, labels = drawn(1.0)
    found = fit_temperature(logits, labels)
    assert fit_temperature(1e6 * logits + 100 * torch.arange(len(logits))[:, None], labels) == pytest.approx(
        1e6 * found, rel=1e-3
    )


def test_classes_that_a_task_lacks_have_no_part() -> None:
    logits, labels = drawn(2.0)
    wide = torch.nn.functional.pad(logits, (0, 3), value=-torch.inf)
    assert fit_temperature(wide, labels) == pytest.approx(fit_temperature(logits, labels), rel=1e-4)


def test_where_all_or_none_is_right_it_is_bounded() -> None:
    logits = torch.eye(3).repeat(10, 1)
    right = logits.argmax(1)
    spread = float(logits.std(1, correction=0)[0])
    sharp, blunt = fit_temperature(logits, right), fit_temperature(logits, (right + 1) % 3)
    assert spread / WIDEST <= sharp < spread / 10
    assert spread * 10 < blunt <= spread * WIDEST
    assert fit_temperature(torch.zeros(5, 3), torch.zeros(5, dtype=torch.int64)) == 1


@pytest.mark.parametrize("task", [TASK, VariableTask()])
def test_predictions_stay_and_confidences_follow(task: FixedTask | VariableTask, toy: Dataset) -> None:
    nearest = get_learner("nearest")
    learner = nearest(Problem((1, 28, 28), 8, TASK), nearest.Options())
    source = EpisodeSampler(toy.test, task, 0)
    temperature = learner_temperature(learner, EpisodeSampler(toy.validation, task, 0), 10)
    plain, fitted = (predict_episodes(learner, source, 10, temperature=one) for one in (1.0, temperature))
    assert np.array_equal(plain.predictions, fitted.predictions)
    assert np.array_equal(plain.scores, fitted.scores)
    assert not np.allclose(plain.confidences, fitted.confidences)


def test_tasks_of_many_queries_are_enough_sooner() -> None:
    class Counted(Learner):
        tasks = 0

        def classify(self, episodes: EpisodeBatch) -> torch.Tensor:
            self.tasks += len(episodes)
            return torch.eye(episodes.ways)[torch.arange(episodes.query.shape[1]) % episodes.ways][None].expand(
                len(episodes), -1, -1
            )

    for queries, asked in ((15, 30), (25, 30), (26, 29), (333, 3), (750, 1), (800, 1)):
        task = FixedTask(3, 1, queries)
        learner = Counted(Problem((1, 1, 1), 3, task), TrainingOptions())
        learner_temperature(learner, EpisodeSampler(numbered_bank((queries + 1,) * 3), task, 0), 100)
        assert learner.tasks == asked


def test_it_lowers_the_calibration_error_on_photographs(photographs: Dataset) -> None:
    """Of a ridge head's logits, whose scale is an option."""
    finetune = get_learner("finetune")
    torch.manual_seed(0)
    problem = Problem((3, 32, 32), photographs.train.classes, FixedTask(5, 5, 15))
    learner = finetune(problem, finetune.Options(backbone="conv4:16", logit_scale=40.0))
    validation, test = (EpisodeSampler(bank, problem.task, 0) for bank in (photographs.validation, photographs.test))
    temperature = learner_temperature(learner, validation, 30)
    errors = [
        calibration_error(tabulate(test, predict_episodes(learner, test, 100, temperature=one)))
        for one in (1.0, temperature)
    ]
    assert errors[0] > 0.1
    assert errors[1] < 0.04
