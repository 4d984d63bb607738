import numpy as np
import pytest
import torch

from baselines.finetune import FineTune
from baselines.protonet import ProtoNet
from episodes import Dataset, EpisodeBatch, EpisodeSampler, FixedTask, RegressionTask, SinusoidDataset, SinusoidSampler
from metabench.errors import RunError
from metabench.evaluator import answer_episodes, classify_latency, evaluate, evaluate_until
from metabench.learner import EmbeddingLearner, Learner, Problem, TrainingOptions
from metabench.stopping import FixedWidth

TASK = FixedTask(ways=3, shots=2, queries=4)


class Oracle(Learner):
    """Knows the answer of all queries but the first of each task: accuracy 11/12, or 12/12 where that is class 0."""

    def classify(self, episodes: EpisodeBatch) -> torch.Tensor:
        logits = torch.nn.functional.one_hot(episodes.query_labels, episodes.ways).float()
        logits[:, 0] = torch.tensor([0.0, 1.0, 0.0])
        return logits


def problem(dataset: Dataset) -> Problem:
    return Problem(dataset.train.image_shape, dataset.train.classes, TASK)


def untrained(learner: type[Learner], dataset: Dataset, **options: object) -> Learner:
    torch.manual_seed(0)
    return learner(problem(dataset), learner.Options(**options))  # type: ignore[arg-type]


def test_the_fraction_of_right_answers_of_each_task(toy: Dataset) -> None:
    accuracies = evaluate(Oracle(problem(toy), TrainingOptions()), EpisodeSampler(toy.test, TASK, 0), 21)
    assert accuracies.shape == (21,)
    assert np.allclose(accuracies, 11 / 12)


@pytest.mark.parametrize("learner", [FineTune, ProtoNet])
def test_until_the_interval_is_narrow_it_is_the_same_tasks_in_order(toy: Dataset, learner: type[Learner]) -> None:
    """Stages leave none out and score none twice."""
    network, tasks = untrained(learner, toy, backbone="conv4:4"), EpisodeSampler(toy.test, TASK, 0)
    made = evaluate_until(network, tasks, FixedWidth(0.03, bounded=True, pilot=20))
    scores = made.scores
    assert len(scores) > 40
    assert scores == pytest.approx(evaluate(network, tasks, len(scores)), abs=1e-5)
    assert evaluate(network, tasks, 21, start=20) == pytest.approx(scores[20:21], abs=1e-5)
    at_once = answer_episodes(network, tasks, len(scores))
    for name in ("ways", "queries", "labels", "answers"):
        assert np.array_equal(getattr(made, name), getattr(at_once, name))
    assert made.confidences == pytest.approx(at_once.confidences, abs=1e-5)


class OffByTwo(Learner):
    """Predicts the outputs of a function, but for the first two queries, where it is 2 and 3 too high."""

    def classify(self, episodes: EpisodeBatch) -> torch.Tensor:
        answers = episodes.query_labels.clone()
        answers[:, :2] += torch.tensor([2.0, 3.0])
        return answers[..., None]


def test_the_mean_squared_error_of_each_task() -> None:
    """By hand: (2 * 2 + 3 * 3) / 10."""
    task = RegressionTask(shots=5, queries=10)
    learner = OffByTwo(Problem((1,), 0, task), TrainingOptions())
    source = SinusoidSampler(SinusoidDataset().test, task, seed=0)
    errors = evaluate(learner, source, 21)
    assert errors.shape == (21,)
    assert np.allclose(errors, 1.3, atol=1e-5)
    assert 0 < classify_latency(learner, source, 2, repeats=3) < 10_000


def test_embedding_each_image_once_answers_as_classifying_each_task(toy: Dataset) -> None:
    plain = EpisodeSampler(toy.test, TASK, 0)
    pool = EpisodeSampler(toy.test, FixedTask(3, 2, 4, unlabelled=3, distractors=2), 0)
    cases = [(ProtoNet, {}, plain), (FineTune, {}, plain), (ProtoNet, {"refine_steps": 1}, pool)]
    for learner_class, options, sampler in cases:
        learner = untrained(learner_class, toy, **options)  # type: ignore[arg-type]
        assert isinstance(learner, EmbeddingLearner)
        assert learner.frozen_embedding
        embedded = evaluate(learner, sampler, 50)
        direct = []
        with torch.no_grad():
            for number in range(50):
                episode = sampler.batch([number]).to_float()
                answers = learner.eval().classify(episode).argmax(2)
                direct.append(float((answers == episode.query_labels).float().mean()))
        assert np.abs(embedded - direct).max() <= 1 / 12  # one query may be a tie that rounding breaks
        assert np.abs(embedded - direct).mean() < 1e-3


def test_more_tasks_begin_with_the_same_tasks(toy: Dataset) -> None:
    sampler, learner = EpisodeSampler(toy.test, TASK, 0), untrained(ProtoNet, toy)
    assert np.array_equal(evaluate(learner, sampler, 40)[:17], evaluate(learner, sampler, 17))


def test_training_mode_is_left_as_it_was(toy: Dataset) -> None:
    learner = untrained(ProtoNet, toy).train()
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    evaluate(learner, EpisodeSampler(toy.test, TASK, 0), 4)
    assert learner.training
    assert all(torch.equal(before[name], value) for name, value in learner.state_dict().items())


def test_latency_is_a_time(toy: Dataset) -> None:
    assert 0 < classify_latency(untrained(ProtoNet, toy), EpisodeSampler(toy.test, TASK, 0), 2, repeats=3) < 10_000


def test_answers_that_are_not_finite_are_no_answers(toy: Dataset) -> None:
    class Diverged(Oracle):
        def classify(self, episodes: EpisodeBatch) -> torch.Tensor:
            return super().classify(episodes) * float("nan")

    with pytest.raises(RunError, match="answers to tasks 0 to 15 of 'toy/test' are not finite; lower its learning"):
        evaluate(Diverged(problem(toy), TrainingOptions()), EpisodeSampler(toy.test, TASK, 0), 40)
