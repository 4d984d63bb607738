"""CAML: the paper's definition of its codes, its transformer by hand, and what a sequence without positions gives."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.in_context.caml import CAML, Reader, elmes
from metabench.checks import build
from metabench.errors import UsageError
from metabench.learner import EpisodeFeatures, FixedTask, Problem
from metabench.samples import PROBLEM, random_episodes

LABELS = torch.tensor([[0, 1, 1, 2, 2, 2, 2], [2, 1, 0, 0, 0, 0, 1]])


def made(**options: Any) -> CAML:
    learner = build(CAML, backbone="conv4:4", **options).double().eval()
    assert isinstance(learner, CAML)
    nn.init.normal_(learner.solver.unknown)
    return learner


def features(ways: int = 3) -> EpisodeFeatures:
    generator = torch.Generator().manual_seed(0)
    support, query = (torch.randn(2, size, 4, generator=generator, dtype=torch.float64) for size in (7, 5))
    return EpisodeFeatures(support, LABELS, query, ways)


@pytest.mark.parametrize(("count", "size"), [(2, 2), (3, 8), (5, 64), (20, 20)])
def test_codes_are_of_one_length_and_maximally_equiangular(count: int, size: int) -> None:
    """Definition 1: products of two are -1 / (count - 1), the least that all can share, as their sum is 0."""
    codes = elmes(count, size).double()
    assert codes.shape == (count, size)
    expected = torch.full((count, count), -1 / (count - 1), dtype=torch.float64).fill_diagonal_(1)
    torch.testing.assert_close(codes @ codes.T, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(codes.sum(0), torch.zeros(size, dtype=torch.float64), rtol=0, atol=1e-6)


def attention(layer: nn.MultiheadAttention, items: Tensor) -> Tensor:
    asked, keys, values = (items @ layer.in_proj_weight.T + layer.in_proj_bias).chunk(3, dim=1)
    parts = []
    for head in range(layer.num_heads):
        own = slice(head * layer.head_dim, (head + 1) * layer.head_dim)
        weights = torch.softmax(asked[:, own] @ keys[:, own].T / math.sqrt(layer.head_dim), dim=1)
        parts.append(weights @ values[:, own])
    return layer.out_proj(torch.cat(parts, dim=1))


def test_a_task_is_read_as_one_sequence_for_each_query() -> None:
    """Section 3, on one query after the other: norm, attention, norm, perceptron, each added; the query's output."""
    learner, given = made(layers=2), features()
    reader = learner.solver
    with torch.no_grad():
        logits = learner.classify_features(given)
        for task in range(2):
            for number, asked in enumerate(given.query[task]):
                codes = torch.cat([reader.unknown[None], reader.scale * reader.codes[LABELS[task]]])
                items = F.normalize(torch.cat([asked[None], given.support[task]]), dim=1)
                sequence = torch.cat([items, codes], dim=1)
                for layer in reader.encoder.layers:
                    sequence = sequence + attention(layer.self_attn, layer.norm1(sequence))
                    sequence = sequence + layer.linear2(F.gelu(layer.linear1(layer.norm2(sequence))))
                expected = reader.last(reader.encoder.norm(sequence))[0, :3]
                torch.testing.assert_close(logits[task, number], expected)


def test_the_order_of_the_support_and_the_other_queries_change_nothing() -> None:
    learner, given = made(), features()
    order = torch.tensor([4, 2, 6, 0, 1, 5, 3])
    with torch.no_grad():
        logits = learner.classify_features(given)
        shuffled = replace(given, support=given.support[:, order], support_labels=LABELS[:, order])
        torch.testing.assert_close(learner.classify_features(shuffled), logits)
        for number in range(5):
            alone = replace(given, query=given.query[:, number : number + 1])
            torch.testing.assert_close(learner.classify_features(alone), logits[:, number : number + 1])


def test_many_queries_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, given = made(), features()
    with torch.no_grad():
        logits = learner.classify_features(given)
        monkeypatch.setattr("baselines.in_context.caml.SEQUENCES_AT_ONCE", 2 * 8 * 2)
        read = []
        monkeypatch.setattr(Reader, "_read", lambda *parts: (read.append(parts[2].shape[1]), READ(*parts))[1])
        torch.testing.assert_close(learner.classify_features(given), logits)
    assert read == [2, 2, 1]


READ = Reader._read


def test_labels_are_dealt_anew_to_each_training_episode() -> None:
    """What is predicted with other codes is what a task with its labels renamed so is given at test."""
    learner, given = made(most_ways=3), features()
    with torch.no_grad():
        torch.manual_seed(0)
        dealt = torch.rand(2, 3).argsort(1)
        torch.manual_seed(0)
        logits = learner.training_logits(given)
        renamed = replace(given, support_labels=dealt.gather(1, LABELS))
        expected = learner.classify_features(renamed).gather(2, dealt[:, None].expand(-1, 5, -1))
        torch.testing.assert_close(logits, expected)
    assert not torch.equal(dealt[0], dealt[1])


def test_training_on_episodes_reduces_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """On 16 pixels as features, in place of an embedding that has learned nothing yet."""
    torch.manual_seed(0)
    learner = build(CAML, backbone="conv4:4", train_ways=3)
    assert isinstance(learner, CAML)
    learner.solver = Reader(16, 3, 1, 4)
    monkeypatch.setattr(learner, "embed", lambda images: images[:, 0, ::7, ::7].flatten(1) - 0.5)
    stage = learner.stages()[1]
    optimizer = torch.optim.Adam(stage.module.parameters(), lr=3e-3)
    losses = []
    for step in range(100):
        optimizer.zero_grad()
        loss = stage.loss(random_episodes(8, seed=step))
        assert isinstance(loss, Tensor)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[:5]) / 5 > math.log(3) - 0.2
    assert sum(losses[-5:]) / 5 < 0.5


def test_the_loss_on_episodes_reaches_no_weight_of_the_embedding() -> None:
    learner = build(CAML, backbone="conv4:4")
    loss = learner.stages()[1].loss(random_episodes())
    assert isinstance(loss, Tensor)
    loss.backward()
    reached = {name.split(".")[0] for name, each in learner.named_parameters() if each.grad is not None}
    assert reached == {"solver"}


def test_pretraining_is_judged_by_class_means_of_the_same_network() -> None:
    learner = made()
    first, second = learner.stages()
    assert first.scored is not None
    assert first.scored.backbone is learner.backbone  # type: ignore[comparison-overlap]
    assert second.scored is None
    assert second.module is learner.solver


def test_it_has_codes_for_20_labels_or_as_many_as_its_tasks_have() -> None:
    large = replace(PROBLEM, task=FixedTask(30, 1, 2), train_classes=50)
    for problem, options, codes, ways in [
        (PROBLEM, {}, 20, 6),
        (large, {}, 30, 20),
        (large, {"train_ways": 40}, 40, 40),
        (PROBLEM, {"most_ways": 4}, 4, 4),
    ]:
        learner = CAML(problem, CAML.Options(backbone="conv4:4", **options))
        assert len(learner.solver.codes) == codes
        assert learner.training_task().ways == ways


def test_more_classes_than_codes_are_refused_in_a_line() -> None:
    learner = made(most_ways=3)
    message = (
        r"^learner 'caml' was built with codes for 3 labels, and a task has 4 classes; train it with --set most_ways=4"
    )
    with pytest.raises(UsageError, match=message):
        learner.classify_features(features(ways=4))
    with pytest.raises(UsageError, match=r"most_ways=3 is too few for test tasks of 5 ways and training episodes of 3"):
        CAML(Problem((1, 28, 28), 6, FixedTask(5, 1, 1)), CAML.Options(backbone="conv4:4", most_ways=3))
