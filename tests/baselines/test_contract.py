"""To be registered is to be tested."""

from dataclasses import dataclass, fields, replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from baselines.gradient.maml import MAML
from baselines.metric.protonet import ProtoNet
from baselines.transductive.tim import TIM
from baselines.transfer.finetune import FineTune
from episodes import EpisodeBatch, EpisodeSampler, FixedTask, LabelledEpisodeBatch
from episodes.tasks.spans import EntityTask
from metabench import checks
from metabench.checks.contract import _smaller
from metabench.learner import Problem
from metabench.registry import get_learner, learner_names
from metabench.samples import PROBLEM, random_episodes, text_problem
from tests.made_banks import numbered_bank

# Fewer steps than by default, where they take most of the time.
STEPS = {"test_inner_steps": 3}
QUICK = {
    "alpha_tim": {"solver_steps": 20},
    "anil": STEPS,
    "baseline_plus_plus": {"tuning_steps": 20},
    "boil": STEPS,
    "fomaml": STEPS,
    "imaml": STEPS,
    "maml": STEPS,
    "meta_sgd": STEPS,
    "proto_maml": STEPS,
    "reptile": STEPS,
    "setfit": {"iterations": 4},
}


# Of these the base, or a sibling on the same base, is checked in every run.
LONG = {"anil", "boil", "born_again", "fomaml", "imaml", "meta_sgd", "metal", "relational", "reptile", "setfit"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in learner_names()]
)
def test_every_registered_learner_keeps_the_contract(name: str) -> None:
    checks.check_learner(get_learner(name), **QUICK.get(name, {}))


class OfImages(FineTune):
    kinds = ("images",)


class OfTexts(FineTune):
    kinds = ("text", "entities")


@pytest.mark.parametrize(
    ("learner", "options"),
    [
        (FineTune, {"head": "logistic"}),
        (TIM, {"solver": "gd"}),
        (FineTune, {"head": "lda"}),
        (FineTune, {"scope": "all", "tuning_steps": 2, "layer_decay": 0.5, "tuning_stop": 0.1}),
        (OfImages, {"scope": "all", "tuning_steps": 2, "augment": 2}),
        (FineTune, {"scope": "last", "tuning_steps": 2}),
        (FineTune, {"scope": "bitfit", "tuning_steps": 2}),
        (OfTexts, {"scope": "lora", "tuning_steps": 2}),
        (MAML, {"transductive": True, "test_inner_steps": 2}),
        (MAML, {"first_order": True, "inner_steps": 2, "test_inner_steps": 2}),
    ],
)
def test_variants_keep_the_contract(learner: type, options: dict[str, object]) -> None:
    checks.check_learner(learner, **options)


@pytest.mark.parametrize(
    ("learner", "options"),
    [*((get_learner(name), {}) for name in learner_names()), (MAML, {"transductive": True})],
)
def test_scores_do_not_depend_on_the_order_of_queries(learner: type, options: dict[str, object]) -> None:
    """They came class by class once; what a learner predicts for each is the same in any order."""
    problem = PROBLEM if "images" in learner.kinds else text_problem()
    small = {} if "images" in learner.kinds else {"backbone": "bert-tiny"}
    built = checks.build(learner, problem=problem, **small, **options).eval()
    episodes = random_episodes(task=problem.task, shape=problem.image_shape).without_query_labels()
    order = torch.randperm(episodes.query.shape[1], generator=torch.Generator().manual_seed(0))
    logits = built.classify(episodes).detach()
    shuffled = built.classify(replace(episodes, query=episodes.query[:, order])).detach()
    torch.testing.assert_close(shuffled, logits[:, order], rtol=1e-4, atol=1e-4 * float(logits.std()))


@pytest.mark.parametrize("name", learner_names())
def test_every_learner_documents_itself_and_its_options(name: str) -> None:
    learner = get_learner(name)
    assert learner.__doc__
    assert all(item.metadata.get("help") for item in fields(learner.Options))


def test_maml_is_truly_not_label_equivariant() -> None:
    learner = checks.build(MAML)
    learner.label_equivariant = True
    with pytest.raises(AssertionError, match="labels permuted"):
        checks.check_labels(learner, 1e-2)


def test_transductive_maml_truly_looks_at_other_queries() -> None:
    learner = checks.build(MAML, transductive=True)
    learner.transductive = False
    with pytest.raises(AssertionError, match="depends on the other queries"):
        checks.check_transduction(learner, random_episodes(), 1e-2)


@pytest.mark.parametrize(("shots", "asked"), [(2, {80}), (3, {40})])
def test_on_a_large_task_one_example_of_each_class_is_enough(shots: int, asked: set[int]) -> None:
    """A run's own check finds a leak there too, in a fraction of the time."""

    class Leaking(ProtoNet):
        sizes: ClassVar[set[int]] = set()

        def classify(self, episodes: EpisodeBatch) -> Tensor:
            assert all(set(labels.tolist()) == set(range(40)) for labels in episodes.support_labels)
            self.sizes.add(episodes.support.shape[1])
            return super().classify(episodes) + episodes.query.mean((1, 2, 3, 4))[:, None, None] * torch.arange(40.0)

    task = FixedTask(40, shots, 2)
    bank = numbered_bank((6,) * 40)
    source = EpisodeSampler(replace(bank, images=bank.images.repeat(1, 1, 16, 16)), task, 0)
    learner = Leaking(Problem((1, 16, 16), 40, task), Leaking.Options(backbone="mlp")).eval()
    assert any("depends on the other queries" in point for point in checks.broken_points(learner, source))
    assert learner.sizes == asked


@pytest.mark.parametrize("words", [False, True])
def test_of_many_texts_few_are_enough(words: bool) -> None:
    """One of each class; or, of words, the texts in which every class is, whose words keep their labels."""
    task = EntityTask(3, 12, 8) if words else FixedTask(3, 12, 8)
    whole = random_episodes(1, task=task, shape=text_problem().image_shape).without_query_labels()
    few = _smaller(whole)
    (labels,) = few.support_labels
    assert set(labels.tolist()) == {0, 1, 2}
    assert few.query.shape[1] == 10
    if words:
        texts = few.support.shape[1]
        assert texts < 36
        assert torch.equal(few.support, whole.support[:, :texts])
        assert torch.equal(labels, whole.support_labels[0, : int((few.support > 0).sum())])
        assert len(set(labels[: -int((few.support[0, -1] > 0).sum())].tolist())) < 3
    else:
        assert torch.equal(few.support, whole.support[:, ::12])


def test_of_few_long_texts_too() -> None:
    """Six texts are asked about whole, unless they are long."""
    six = random_episodes(1, task=FixedTask(3, 2, 3), shape=text_problem().image_shape).without_query_labels()
    assert torch.equal(_smaller(six).support, six.support)
    long = replace(six, support=torch.nn.functional.pad(six.support, (0, 100)))
    assert torch.equal(_smaller(long).support, long.support[:, ::2])


class Leaky(ProtoNet):
    """Breaks one point of the contract, by name."""

    @dataclass(frozen=True)
    class Options(ProtoNet.Options):
        fault: str = ""

    def __init__(self, problem: object, options: "Leaky.Options") -> None:
        super().__init__(problem, options)  # type: ignore[arg-type]
        self.fault = options.fault
        self.secret = torch.rand(3)
        self.register_buffer("calls", torch.zeros(()))
        self.calls: Tensor

    @property
    def frozen_embedding(self) -> bool:
        return True

    def classify(self, episodes: EpisodeBatch) -> Tensor:
        logits = super().classify(episodes)
        count = torch.arange(episodes.support.shape[1]).view(1, -1, 1)
        if self.fault == "shape":
            return logits.transpose(1, 2)
        if self.fault == "nan":
            return logits * float("nan")
        if self.fault == "seed":
            return logits + torch.rand(1)
        if self.fault == "state":
            self.calls += 1
            return logits
        if self.fault == "memory":
            self.kept = getattr(self, "kept", 0) + 1
            return logits + self.kept
        if self.fault == "saved":
            return logits + self.secret
        if self.fault == "neighbours":
            return logits - logits.mean(0, keepdim=True) if len(episodes) > 1 else logits
        if self.fault == "order":
            return logits + (episodes.support.mean((2, 3, 4)) * count[..., 0]).sum(1).view(-1, 1, 1)
        if self.fault == "labels":
            return logits + torch.arange(3)
        if self.fault == "queries":
            return logits - logits.mean(1, keepdim=True)
        if self.fault == "embedding":
            return 2 * logits
        return logits

    def loss(self, episodes: LabelledEpisodeBatch) -> Tensor:
        loss = super().loss(episodes)
        if self.fault == "loss":
            return loss * float("nan")
        return loss.detach().requires_grad_() if self.fault == "gradient" else loss


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("shape", "contract is"),
        ("nan", "not finite"),
        ("seed", "from the same seed|called again"),
        ("state", "changes 'calls'"),
        ("memory", "called again"),
        ("saved", "not in its state_dict"),
        ("neighbours", "neighbours"),
        ("order", "order of the support"),
        ("labels", "labels permuted"),
        ("queries", "other queries"),
        ("embedding", "image by image"),
        ("loss", "loss of stage 'train' is not finite"),
        ("gradient", "reaches none of the parameters"),
    ],
)
def test_the_checks_find_each_fault(fault: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        checks.check_learner(Leaky, fault=fault)


class Shifted(MAML):
    """Looks at a task's other queries, in regression alone."""

    def classify(self, episodes: EpisodeBatch) -> Tensor:
        predictions = super().classify(episodes)
        return predictions - predictions.mean(1, keepdim=True) if self.problem.regression else predictions


class Peeking(ProtoNet):
    """Looks at a task's other queries, where items are words alone."""

    @property
    def frozen_embedding(self) -> bool:
        return False

    def classify(self, episodes: EpisodeBatch) -> Tensor:
        logits = super().classify(episodes)
        return logits - logits.mean(1, keepdim=True) if self.problem.words else logits


def test_a_learner_that_takes_words_is_checked_on_them() -> None:
    with pytest.raises(AssertionError, match="other queries"):
        checks.check_learner(Peeking)


def test_a_learner_that_does_regression_is_checked_on_it() -> None:
    with pytest.raises(AssertionError, match="other queries"):
        checks.check_learner(Shifted)


def test_a_healthy_copy_passes() -> None:
    checks.check_learner(Leaky)


def test_random_episodes_repeat() -> None:
    first, second = random_episodes(seed=3), random_episodes(seed=3)
    assert torch.equal(first.query, second.query)
    assert not torch.equal(first.query, random_episodes(seed=4).query)
