import random

import numpy as np
import pytest
import torch

from baselines.transfer.setfit import SetFit
from episodes.banks.vocabulary import TextShape
from metabench import checks
from metabench.samples import random_episodes, text_problem


@pytest.fixture(scope="module")
def learner() -> SetFit:
    torch.manual_seed(0)
    made = SetFit(text_problem(), SetFit.Options(backbone="bert-tiny", iterations=4, tuning_rate=1e-3))
    return made.eval()


def test_pairs_draw_a_tasks_classes_apart(learner: SetFit) -> None:
    """The features of its support before and after: distances between classes over those within."""
    episodes = random_episodes(1, shape=text_problem().image_shape)
    labels = episodes.support_labels[0]
    (model,) = learner.adapt(episodes.support, episodes.support_labels, 3)
    texts = learner._texts(episodes.support[0])

    def apart(body: object) -> float:
        features = torch.from_numpy(body.encode(texts))  # type: ignore[attr-defined]
        cosines = torch.nn.functional.normalize(features) @ torch.nn.functional.normalize(features).T
        same = labels[:, None] == labels
        own = cosines[same & ~torch.eye(len(labels), dtype=torch.bool)]
        return float(own.mean() - cosines[~same].mean())

    assert apart(model.model_body) > apart(learner._body(torch.device("cpu"))) + 0.1


def test_texts_go_to_the_package_as_the_vocabulary_spells_them(learner: SetFit) -> None:
    shape = text_problem().image_shape
    assert isinstance(shape, TextShape)
    ids, _, _ = shape.vocabulary.encode(["One TWO three"], 16)
    assert learner._texts(torch.from_numpy(ids + 1)[None]) == ["one two three"]


def test_it_prints_nothing_and_leaves_the_generators_as_found(
    learner: SetFit, capfd: pytest.CaptureFixture[str]
) -> None:
    episodes = random_episodes(1, shape=text_problem().image_shape)
    before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
    learner.classify(episodes)
    after = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
    assert before == after
    assert capfd.readouterr() == ("", "")


def test_another_task_beside_it_changes_nothing(learner: SetFit) -> None:
    episodes = random_episodes(2, shape=text_problem().image_shape)
    checks.check_neighbours(learner, episodes.without_query_labels(), 1e-3)
