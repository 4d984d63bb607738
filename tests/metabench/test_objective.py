"""The protocol of pre-training: what is found by name, what is asked of it."""

from dataclasses import dataclass, fields

import pytest
import torch

from metabench.backbone import build_backbone
from metabench.errors import UsageError
from metabench.learner import Stage, TextBatch, Texts, TrainingOptions
from metabench.objective import Objective, PretrainingOptions, get_objective, objective_names
from metabench.samples import text_problem, training_data


class Plain(Objective):
    """Says nothing."""


class Odd(Objective):
    Options = TrainingOptions  # type: ignore[assignment]


class Frozen(Objective):
    @dataclass(frozen=True)
    class Options(PretrainingOptions):
        more: int = 3


@pytest.mark.parametrize("name", objective_names())
def test_every_registered_objective_has_a_loss_and_values(name: str) -> None:
    """To be registered is to be tested: on random texts, with gradients to the network; the values repeat."""
    objective_class, shape = get_objective(name), text_problem().image_shape
    options = objective_class.Options(backbone="bert-tiny")
    torch.manual_seed(0)
    objective = objective_class(build_backbone("bert-tiny", shape), shape, options)  # type: ignore[arg-type]
    batch = training_data(Stage("x", Texts(8), objective.loss, objective, options), text_problem())
    assert isinstance(batch, TextBatch)
    assert batch.ids.shape[0] == 8
    loss = objective.train().loss(batch)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.ndim == 0
    assert torch.isfinite(loss)
    assert any(parameter.grad is not None for parameter in objective.network.parameters())
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
    with pytest.raises(UsageError, match="there is no objective 'bert'"):
        get_objective("bert")


def test_what_an_objective_lacks_is_said() -> None:
    shape = text_problem().image_shape
    objective = Plain(build_backbone("bert-tiny", shape), shape, PretrainingOptions())  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match=r"Plain needs loss\(\)"):
        objective.loss(TextBatch(torch.zeros(1, 1), 0))
    with pytest.raises(NotImplementedError, match=r"Plain needs values\(\)"):
        objective.values([])
