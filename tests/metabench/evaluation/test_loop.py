from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines.metric.protonet import ProtoNet
from baselines.transfer.finetune import FineTune
from episodes import (
    Dataset,
    EpisodeBatch,
    EpisodeSampler,
    FixedTask,
    ImageBank,
    RegressionTask,
    SinusoidSampler,
    VariableTask,
    load,
)
from metabench.errors import RunError
from metabench.evaluation.cost import classify_latency, task_multiply_adds
from metabench.evaluation.loop import evaluate, evaluate_until, predict_episodes
from metabench.learner import EmbeddingLearner, Learner, Problem, TrainingOptions
from metabench.stats.stopping import FixedWidth

TASK = FixedTask(ways=3, shots=2, queries=4)


class Oracle(Learner):
    """Knows every image's class, and predicts class 1 for the first query of each task whatever it is."""

    bank: ImageBank

    def classes(self, images: torch.Tensor) -> torch.Tensor:
        pixels, known = (255 * images).round().flatten(2), self.bank.images.float().flatten(1)
        return self.bank.labels[torch.cdist(pixels, known[None], compute_mode="donot_use_mm_for_euclid_dist").argmin(2)]

    def classify(self, episodes: EpisodeBatch) -> torch.Tensor:
        known, asked = self.classes(episodes.support), self.classes(episodes.query)
        right = (asked[:, :, None] == known[:, None]).float()
        logits = right @ torch.nn.functional.one_hot(episodes.support_labels, episodes.ways).float()
        logits[:, 0] = torch.tensor([0.0, 1.0, 0.0])
        return logits


def oracle(dataset: Dataset, learner_class: type[Oracle] = Oracle) -> Oracle:
    learner = learner_class(problem(dataset), TrainingOptions())
    learner.bank = dataset.test
    return learner


def problem(dataset: Dataset) -> Problem:
    return Problem(dataset.train.item_shape, dataset.train.classes, TASK)


def untrained(learner: type[Learner], dataset: Dataset, **options: object) -> Learner:
    torch.manual_seed(0)
    return learner(problem(dataset), learner.Options(**options))  # type: ignore[arg-type]


def test_the_fraction_of_right_answers_of_each_task(toy: Dataset) -> None:
    source = EpisodeSampler(toy.test, TASK, 0)
    accuracies = evaluate(oracle(toy), source, 21)
    first = source.batch(range(21)).query_labels[:, 0].numpy()
    assert 0 < (first == 1).sum() < 21
    assert np.allclose(accuracies, np.where(first == 1, 1, 11 / 12))


@pytest.mark.parametrize("learner", [FineTune, ProtoNet])
def test_until_the_interval_is_narrow_it_is_the_same_tasks_in_order(toy: Dataset, learner: type[Learner]) -> None:
    """Stages leave none out and score none twice."""
    network, tasks = untrained(learner, toy, backbone="conv4:4"), EpisodeSampler(toy.test, TASK, 0)
    made = evaluate_until(network, tasks, FixedWidth(0.03, bounded=True, pilot=20))
    scores = made.scores
    assert len(scores) > 40
    assert scores == pytest.approx(evaluate(network, tasks, len(scores)), abs=1e-5)
    assert evaluate(network, tasks, 21, start=20) == pytest.approx(scores[20:21], abs=1e-5)
    at_once = predict_episodes(network, tasks, len(scores))
    for name in ("ways", "queries", "labels", "predictions"):
        assert np.array_equal(getattr(made, name), getattr(at_once, name))
    assert made.confidences == pytest.approx(at_once.confidences, abs=1e-5)


class Diagonal(Learner):
    """Predicts that a function's output is its input."""

    def classify(self, episodes: EpisodeBatch) -> torch.Tensor:
        return episodes.query


def test_the_mean_squared_error_of_each_task() -> None:
    task = RegressionTask(shots=5, queries=10)
    learner = Diagonal(Problem((1,), 0, task), TrainingOptions())
    source = SinusoidSampler(load("sinusoid").test, task, seed=0)
    errors = evaluate(learner, source, 21)
    drawn = source.batch(range(21))
    inputs, outputs = drawn.query[..., 0].double().numpy(), drawn.query_labels.double().numpy()
    assert errors.shape == (21,)
    assert np.allclose(errors, ((inputs - outputs) ** 2).mean(1))
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
                predictions = learner.eval().classify(episode).argmax(2)
                direct.append(float((predictions == episode.query_labels).float().mean()))
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


def test_answers_that_are_not_finite_are_no_predictions(toy: Dataset) -> None:
    class Diverged(Oracle):
        def classify(self, episodes: EpisodeBatch) -> torch.Tensor:
            return super().classify(episodes) * float("nan")

    with pytest.raises(RunError, match="predictions for tasks 0 to 15 of 'toy/test' are not finite; lower its learn"):
        evaluate(oracle(toy, Diverged), EpisodeSampler(toy.test, TASK, 0), 40)


SHAPES = {
    "[B, Q, 1]": lambda e: torch.zeros(*e.query.shape[:2], 1),
    "[B, 1, N]": lambda e: torch.zeros(len(e), 1, e.ways),
    "[1, Q, N]": lambda e: torch.zeros(1, e.query.shape[1], e.ways),
    "[B, Q]": lambda e: torch.zeros(e.query.shape[:2]),
    "[B * Q, N]": lambda e: torch.zeros(len(e) * e.query.shape[1], e.ways),
    "[B, N, Q]": lambda e: torch.zeros(len(e), e.ways, e.query.shape[1]),
    "integers": lambda e: torch.zeros(*e.query.shape[:2], e.ways, dtype=torch.int64),
    "an array": lambda e: np.zeros((*e.query.shape[:2], e.ways)),
    "a tuple": lambda e: (torch.zeros(*e.query.shape[:2], e.ways),),
    "nothing": lambda e: None,
}


@pytest.mark.parametrize("what", SHAPES)
def test_what_is_not_logits_is_not_scored(what: str, toy: Dataset) -> None:
    class Wrong(Learner):
        def classify(self, episodes: EpisodeBatch) -> torch.Tensor:
            return SHAPES[what](episodes)  # type: ignore[no-any-return]

    with pytest.raises(RunError, match=r"learner Wrong breaks its contract: classify gives .*; the contract is .*N"):
        evaluate(Wrong(problem(toy), TrainingOptions()), EpisodeSampler(toy.test, TASK, 0), 4)


def test_an_embedding_learner_with_its_own_classify_is_scored_by_it(toy: Dataset) -> None:
    class Own(ProtoNet):
        def classify(self, episodes: EpisodeBatch) -> torch.Tensor:
            return -super().classify(episodes)

    source = EpisodeSampler(toy.test, TASK, 0)
    assert evaluate(untrained(ProtoNet, toy), source, 10).mean() > 0.9
    assert evaluate(untrained(Own, toy), source, 10).mean() < 0.1


class ByPlace(Learner):
    """Looks at no image: the first Q / N queries are of class 0, and so on."""

    transductive = True

    def classify(self, episodes: EpisodeBatch) -> torch.Tensor:
        place = torch.arange(episodes.query.shape[1]) * episodes.ways // episodes.query.shape[1]
        return torch.nn.functional.one_hot(place, episodes.ways).float().expand(len(episodes), -1, -1)


class Shown(Learner):
    """Keeps what it is shown, and writes over its labels."""

    def classify(self, episodes: EpisodeBatch) -> torch.Tensor:
        self.shown, self.pool = sorted(vars(episodes)), episodes.unlabelled
        episodes.support_labels.zero_()
        return torch.tensor([1.0, 0, 0]).expand(*episodes.query.shape[:2], -1)


def test_a_learner_that_looks_at_no_image_is_at_chance(toy: Dataset) -> None:
    """The standard error of 300 tasks of 12 queries is 0.8 points."""
    for source in (EpisodeSampler(toy.test, TASK, 0), EpisodeSampler(toy.test, VariableTask(), 0)):
        chance = np.mean([1 / source.batch([number]).ways for number in range(300)])
        assert evaluate(ByPlace(problem(toy), TrainingOptions()), source, 300).mean() == pytest.approx(chance, abs=0.03)


def test_a_learner_is_not_shown_the_labels_of_queries(toy: Dataset) -> None:
    learner = Shown(problem(toy), TrainingOptions())
    assert np.allclose(evaluate(learner, EpisodeSampler(toy.test, TASK, 0), 4), 1 / 3)
    assert learner.shown == ["query", "support", "support_labels", "unlabelled", "ways"]


def test_only_a_learner_that_says_so_is_shown_unlabelled_images(toy: Dataset) -> None:
    source = EpisodeSampler(toy.test, replace(TASK, unlabelled=1), 0)
    learner = Shown(problem(toy), TrainingOptions())
    evaluate(learner, source, 2)
    assert learner.pool is None
    task_multiply_adds(learner, source)
    assert learner.pool is None
    learner.semi_supervised = True
    evaluate(learner, source, 2)
    assert learner.pool is not None
    assert learner.pool.shape[1] == 3


class Half(ByPlace):
    """Gives logits of 16 bits, on which gradients depend."""

    def classify(self, episodes: EpisodeBatch) -> torch.Tensor:
        with torch.enable_grad():
            return super().classify(episodes).bfloat16().requires_grad_()


def test_logits_of_any_floats_are_scored(toy: Dataset) -> None:
    source = EpisodeSampler(toy.test, TASK, 0)
    half, whole = (evaluate(made(problem(toy), TrainingOptions()), source, 4) for made in (Half, ByPlace))
    assert np.array_equal(half, whole)
