"""The protocol of pre-training: what is found by name, what is asked of it."""

from dataclasses import dataclass, fields

import pytest
import torch

from metabench.backbone import build_backbone
from metabench.errors import UsageError
from metabench.learner import Batches, LabelledBatch, Stage, TextBatch, Texts, TrainingOptions
from metabench.objective import Objective, PictureObjective, PretrainingOptions, get_objective, objective_names
from metabench.samples import PROBLEM, text_problem, training_data


class Plain(Objective):
    """Says nothing."""


class Odd(Objective):
    Options = TrainingOptions  # type: ignore[assignment]


class OddPictures(PictureObjective):
    Options = PretrainingOptions


class Frozen(Objective):
    @dataclass(frozen=True)
    class Options(PretrainingOptions):
        more: int = 3


@pytest.mark.parametrize("name", objective_names())
def test_every_registered_objective_has_a_loss_and_values(name: str) -> None:
    """To be registered is to be tested: on random data, with gradients of a network's size; the values repeat."""
    objective_class = get_objective(name)
    of_texts = objective_class.kind == "text"
    problem, usual = (text_problem(), "bert-tiny") if of_texts else (PROBLEM, objective_class.Options().backbone + ":8")
    options, shape = objective_class.Options(backbone=usual), problem.image_shape
    torch.manual_seed(0)
    network = build_backbone(usual, shape)
    if issubclass(objective_class, PictureObjective):
        objective: Objective = objective_class(network, shape, options, problem.train_classes)
    else:
        objective = objective_class(network, shape, options)
    stage = Stage("x", Texts(8) if of_texts else Batches(8), objective.loss, objective, options)
    batch = training_data(stage, problem)
    loss = objective.train().loss(batch)
    loss.backward()
    assert loss.ndim == 0
    assert torch.isfinite(loss)
    sizes = [tuple(each.shape) for each in objective.parameters() if each.grad is not None]
    assert {tuple(each.shape) for each in network.parameters()} - {*sizes} == set()
    found = []
    for _ in range(2):
        torch.manual_seed(1)
        with torch.no_grad():
            found.append(objective.eval().values([batch, batch]))
    assert found[0] == found[1]
    assert all(isinstance(value, float) for value in found[0].values())
    assert all(item.metadata.get("help") for item in fields(objective_class.Options))


def test_objectives_by_module_need_no_registration() -> None:
    assert get_objective(f"{__name__}:Frozen") is Frozen
    with pytest.raises(UsageError, match="which is not a subclass of metabench"):
        get_objective("metabench.objective:Objective")
    with pytest.raises(UsageError, match="its Options must be a dataclass that derives from PretrainingOptions"):
        get_objective(f"{__name__}:Odd")
    with pytest.raises(UsageError, match="its Options must be a dataclass that derives from PictureOptions"):
        get_objective(f"{__name__}:OddPictures")
    with pytest.raises(UsageError, match="which is not a subclass of metabench"):
        get_objective("metabench.objective:PictureObjective")
    with pytest.raises(UsageError, match="there is no objective 'bert'"):
        get_objective("bert")


def test_what_an_objective_lacks_is_said() -> None:
    shape = text_problem().image_shape
    objective = Plain(build_backbone("bert-tiny", shape), shape, PretrainingOptions())  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match=r"Plain needs loss\(\)"):
        objective.loss(TextBatch(torch.zeros(1, 1), 0))
    with pytest.raises(NotImplementedError, match=r"Plain needs values\(\)"):
        objective.values([])
    network = build_backbone("conv4:8", (1, 28, 28))
    pictures = PictureObjective(network, (1, 28, 28), PictureObjective.Options(), 5)
    with pytest.raises(NotImplementedError, match=r"PictureObjective needs loss\(\)"):
        pictures.loss(LabelledBatch(torch.zeros(1, 1, 28, 28), torch.zeros(1).long()))
    assert pictures.values([]) == {}
