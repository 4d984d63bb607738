"""Networks as files: how large they are, and that what is stored is what they were."""

import torch
from safetensors.torch import load, save

from baselines.distillation.distill import Distill
from baselines.metric.nearest import Nearest
from metabench.checks import build
from metabench.evaluation.size import own_networks, quantised, stored_bytes


def data_bytes(size: int, tensors: dict[str, torch.Tensor]) -> int:
    """Without the header of a safetensors file that has these tensors."""
    whole = save(tensors)
    return size - 8 - int.from_bytes(whole[:8], "little")


def test_bytes_by_hand() -> None:
    """A matrix of 200 x 30, a vector of 200, and a counter of 8 bytes."""
    tensors = {"weight": torch.randn(200, 30), "bias": torch.randn(200), "steps": torch.tensor(7)}
    sizes = stored_bytes(tensors)
    assert [*sizes] == ["float32", "float16", "int8"]
    assert data_bytes(sizes["float32"], tensors) == 4 * 6200 + 8
    halves = {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
    assert data_bytes(sizes["float16"], halves) == 2 * 6200 + 8
    values, scales = quantised(tensors["weight"])
    stored = {"weight": values, "weight.scale": scales, "bias": tensors["bias"], "steps": tensors["steps"]}
    assert data_bytes(sizes["int8"], stored) == 6000 + 4 * 200 + 4 * 200 + 8
    assert sizes["float32"] == len(save(tensors))


def test_int8_is_the_nearest_of_255_values_of_each_row() -> None:
    generator = torch.Generator().manual_seed(0)
    filters = torch.randn(6, 4, 3, 3, generator=generator) * torch.logspace(-3, 3, 6).view(-1, 1, 1, 1)
    filters[5] = 0
    values, scales = load(save(dict(zip(("values", "scales"), quantised(filters), strict=True)))).values()
    if values.dtype != torch.int8:
        values, scales = scales, values
    back = values.float() * scales.view(-1, 1, 1, 1)
    assert torch.isfinite(back).all()
    assert ((back - filters).abs() <= 0.50001 * scales.view(-1, 1, 1, 1)).all()
    assert values.flatten(1).abs().amax(1).tolist() == [127] * 5 + [0]


def test_a_students_networks_are_not_its_companions() -> None:
    learner = build(Distill, backbone="conv4:4", teacher_backbone="conv4:8")
    assert isinstance(learner, Distill)
    assert own_networks(learner) == [learner.backbone]
    assert own_networks(learner.teacher) == [learner.teacher.backbone]
    assert own_networks(build(Nearest)) == []
