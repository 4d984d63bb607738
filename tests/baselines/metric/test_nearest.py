import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from baselines.metric.nearest import Nearest
from episodes import Dataset, EpisodeSampler, FixedTask, ImageBank
from metabench.learner import Problem, TrainingOptions

TASK = FixedTask(ways=4, shots=3, queries=5)


def assert_as_scikit_learn_does(bank: ImageBank) -> None:
    episodes = EpisodeSampler(bank, TASK, seed=0).batch(range(25)).to_float()
    predictions = Nearest(Problem(bank.item_shape, 9, TASK), TrainingOptions()).classify(episodes).argmax(2)
    for number in range(25):
        neighbour = KNeighborsClassifier(1, algorithm="brute")
        neighbour.fit(episodes.support[number].flatten(1), episodes.support_labels[number])
        expected = neighbour.predict(episodes.query[number].flatten(1))
        assert np.array_equal(predictions[number], expected), number


def test_on_characters_it_is_scikit_learns_nearest_neighbour(glyphs: Dataset) -> None:
    assert_as_scikit_learn_does(glyphs.test)


def test_on_photographs_too(photographs: Dataset) -> None:
    assert_as_scikit_learn_does(photographs.test)


def test_the_logit_is_the_distance_to_the_nearest_image_of_the_class() -> None:
    """By hand: two classes of two one-pixel images; a query at 0.5 is 0.1 from class 1 and 0.3 from class 0."""
    support = torch.tensor([0.0, 0.6, 0.2, 0.9]).view(1, 4, 1, 1, 1)
    learner = Nearest(Problem((1, 1, 1), 2, TASK), TrainingOptions())
    logits = learner.predict(
        learner.adapt(support, torch.tensor([[0, 1, 0, 1]]), ways=2), torch.full((1, 1, 1, 1, 1), 0.5)
    )
    assert torch.allclose(logits, torch.tensor([[[-0.3, -0.1]]]))


@pytest.mark.parametrize("seed", [0, 1])
def test_it_has_nothing_to_train(seed: int) -> None:
    torch.manual_seed(seed)
    learner = Nearest(Problem((1, 28, 28), 9, TASK), TrainingOptions())
    assert list(learner.stages()) == []
    assert learner.scoring_parameters() == 0
