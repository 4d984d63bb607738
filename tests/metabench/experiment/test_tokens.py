from dataclasses import dataclass
from pathlib import Path

import pytest

from baselines.distillation.distill import Distill
from baselines.metric.protonet import ProtoNet
from episodes import Dataset
from episodes.banks.text import TextBank
from episodes.banks.vocabulary import TextShape, Vocabulary
from metabench.backbone import vocabulary_of
from metabench.config import make_config
from metabench.errors import UsageError
from metabench.experiment.tokens import with_tokens
from metabench.learner import TrainingOptions
from tests.made_texts import saved_encoder

TEXTS = ["the cat sat", "a dog ran home", "birds fly south in winter"]


@pytest.fixture
def texts() -> Dataset[TextBank]:
    banks = [TextBank.from_labels(f"x/{part}", TEXTS, [0, 0, 1], ["a", "b"], ["a", "b"]) for part in "tvs"]
    return Dataset("x", "s", *banks)


def shape_of(texts: Dataset[TextBank], options: TrainingOptions, **settings: object) -> TextShape:
    shape = with_tokens(make_config(**settings), texts, options).train.item_shape
    assert isinstance(shape, TextShape)
    return shape


def test_a_trained_network_brings_its_vocabulary(texts: Dataset[TextBank]) -> None:
    minilm = vocabulary_of("minilm")
    assert minilm is not None
    assert shape_of(texts, ProtoNet.Options(backbone="minilm")).vocabulary.digest == minilm.digest
    # A learner without a network for text has that of general English.
    assert shape_of(texts, TrainingOptions()).vocabulary.digest == minilm.digest


def test_an_untrained_network_has_that_of_the_training_texts(texts: Dataset[TextBank]) -> None:
    shape = shape_of(texts, ProtoNet.Options(backbone="bert-tiny"))
    assert shape.vocabulary.digest == Vocabulary.trained(TEXTS).digest
    assert shape.documents == 3


def test_all_way_tasks_tell_nothing_of_the_training_texts(texts: Dataset[TextBank]) -> None:
    minilm = vocabulary_of("minilm")
    assert minilm is not None
    shape = shape_of(texts, ProtoNet.Options(backbone="bert-tiny"), task="all-way")
    assert shape.vocabulary.digest == minilm.digest
    assert shape.documents == 0


def test_the_most_tokens_are_a_setting(texts: Dataset[TextBank]) -> None:
    assert shape_of(texts, TrainingOptions()) == (128,)
    assert shape_of(texts, TrainingOptions(), max_tokens=16) == (16,)


def test_networks_of_one_learner_share_a_vocabulary(texts: Dataset[TextBank], tmp_path: Path) -> None:
    """A student of any vocabulary takes its teacher's; two of their own do not go together."""
    shape = shape_of(texts, Distill.Options(backbone="bert-tiny", teacher_backbone="minilm"))
    minilm = vocabulary_of("minilm")
    assert minilm is not None
    assert shape.vocabulary.digest == minilm.digest

    @dataclass(frozen=True)
    class Two(TrainingOptions):
        backbone: str = "minilm"
        other_backbone: str = f"hf:{tmp_path}"

    saved_encoder(tmp_path, Vocabulary.trained(TEXTS))
    with pytest.raises(UsageError, match=f"backbones minilm and hf:{tmp_path} have different vocabularies"):
        shape_of(texts, Two())
