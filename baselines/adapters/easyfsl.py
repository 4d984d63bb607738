"""easyfsl's classifiers as learners: `easyfsl:tim`, by the name of easyfsl's file, or a class of your own.

A classifier gets the features of one task at a time. What it sits on follows from the class: one that learns from a
task's queries, freezes its backbone, or is SimpleShot, sits on a network that is pre-trained on all training classes;
any other is trained on episodes with its network.
"""

from __future__ import annotations

import copy
import inspect
import pkgutil
from dataclasses import dataclass, make_dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.adapters._easyfsl_papers import PAPERS
from baselines.backbones import feature_size
from baselines.bases.episodic import EpisodicLearner
from baselines.transfer.simpleshot import SimpleShot
from episodes.extras import need
from episodes.plugins import load_plugin
from metabench.errors import UsageError
from metabench.learner import EpisodeFeatures, Kind, LabelledEpisodeBatch, Learner, Problem, Source, option

NO_METHODS = ("few_shot_classifier", "utils")  # the other files of easyfsl.methods
PRETRAINED = ("simple_shot",)  # though it could be trained on episodes, its paper does not
SHARES = ("laplacian_shot", "pt_map")  # whose results are no logits, but how far a query belongs to each class
NOT_ASKED = ("use_softmax", "feature_centering", "feature_normalization")  # the harness has its own


class OnFeatures(Learner):
    """What all have: a classifier of easyfsl's on the features of an embedding."""

    kinds: ClassVar[tuple[Kind, ...]] = ("images", "text")
    method: ClassVar[str]
    classifier_class: ClassVar[Any]
    given: ClassVar[tuple[str, ...]]  # of the options, those that are the classifier's own
    classifier: nn.Module

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        tasks = zip(features.support, features.support_labels, features.query, strict=True)
        with torch.autocast(features.support.device.type, enabled=False):  # distances need more digits than bfloat16's
            return torch.stack([self._logits(*task) for task in tasks])

    def _logits(self, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        """Logits `[Q, N]` of one task."""
        # A copy that shares the weights, since a classifier keeps the task on itself.
        classifier: Any = copy.copy(self.classifier)
        # An LSTM reads the support in order, of which the task says nothing: it follows from the features alone.
        order = (support @ torch.linspace(1, 2, support.shape[1]).to(support)).argsort()
        maps = (..., None, None) if self.method == "relation_networks" else (...,)
        classifier.process_support_set(support[order][maps], labels[order])
        logits: Tensor = classifier(query[maps])
        return (logits + 1e-12).log() if self.method in SHARES else logits

    def _make_classifier(self, features: int) -> nn.Module:
        own = {name: getattr(self.options, name) for name in self.given}  # type: ignore[attr-defined]
        return _made(self.classifier_class, features, own)


class Episodic(OnFeatures, EpisodicLearner):
    """Trained on episodes with its embedding, by the queries' cross-entropy; relation networks by squared error."""

    def __init__(self, problem: Problem, options: EpisodicLearner.Options) -> None:
        super().__init__(problem, options)
        self.classifier = self._make_classifier(feature_size(self.backbone, problem.image_shape))

    def loss(self, episodes: LabelledEpisodeBatch) -> Tensor:
        if self.method != "relation_networks":
            return super().loss(episodes)
        scores = self.classify(episodes)
        return F.mse_loss(scores, F.one_hot(episodes.query_labels, episodes.ways).to(scores.dtype))


class OnPretrained(OnFeatures, SimpleShot):
    """On a network that is pre-trained as that of `simpleshot`; features have length 1 unless `transform` says."""

    @dataclass(frozen=True)
    class Options(SimpleShot.Options):
        transform: Literal["cl2n", "l2n", "un"] = option(
            "l2n", "of features: centred and of length 1, of length 1, or none"
        )

    def __init__(self, problem: Problem, options: SimpleShot.Options) -> None:
        super().__init__(problem, options)
        self.classifier = self._make_classifier(feature_size(self.backbone, problem.image_shape))


def learner_names() -> list[str]:
    """The classifiers that the installed easyfsl has, by the names of their files.

    Raises:
        DataError: it is not installed.
    """
    (folder,) = need("easyfsl", "easyfsl", "adapter 'easyfsl'").__path__
    found = pkgutil.iter_modules([str(Path(folder) / "methods")])  # without the import of all of torchvision
    return sorted(module.name for module in found if module.name not in NO_METHODS)


@cache
def get_learner(name: str) -> type[Learner]:
    """The learner of a classifier of easyfsl's, or of `package.module:Class`, a subclass of its FewShotClassifier.

    Raises:
        DataError: easyfsl is not installed.
        UsageError: there is no such classifier, or it takes what a learner cannot give.
    """
    kind = _classifier_class(name)
    method = "" if ":" in name else name
    probe: Any = _made(kind, 4, {"backbone": nn.Linear(4, 4)})
    trains = all(parameter.requires_grad for parameter in probe.backbone.parameters())
    episodic = trains and not kind.is_transductive() and method not in PRETRAINED
    base: Any = Episodic if episodic else OnPretrained
    own = _parameters(kind)
    described = [(key, type(value), option(value, f"of easyfsl's {kind.__name__}")) for key, value in own.items()]
    members = {
        "__module__": __name__,
        "__doc__": _documentation(kind, method, base),
        "Options": make_dataclass(
            "Options", described, bases=(base.Options,), frozen=True, namespace={"__module__": __name__}
        ),
        "source": Source(_family(kind, episodic), PAPERS.get(method, ()), "easyfsl (MIT)"),
        "transductive": bool(kind.is_transductive()),
        "method": method,
        "classifier_class": kind,
        "given": tuple(own),
    }
    made: type[Learner] = type(kind.__name__, (base,), members)
    return made


def _classifier_class(name: str) -> Any:
    """The subclass of easyfsl's FewShotClassifier; errors as of `get_learner`."""
    base = need("easyfsl.methods", "easyfsl", f"learner 'easyfsl:{name}'").FewShotClassifier
    if ":" in name:
        found, what = load_plugin("", "classifier", name, UsageError)
        if not (isinstance(found, type) and issubclass(found, base)) or found is base:
            raise UsageError(f"{what} is {found!r:.100}, which is not a subclass of easyfsl's FewShotClassifier")
        return found
    if name not in learner_names():
        raise UsageError(
            f"there is no learner 'easyfsl:{name}'; there are {', '.join(learner_names())}, each after easyfsl:, and "
            "easyfsl:package.module:Class for a FewShotClassifier of your own"
        )
    module = need(f"easyfsl.methods.{name}", "easyfsl", f"learner 'easyfsl:{name}'")
    return next(each for each in vars(module).values() if getattr(each, "__module__", "") == module.__name__)


def _arguments(kind: Any) -> dict[str, inspect.Parameter]:
    """Those of the constructor by name, where it hands on what it does not name to its base."""
    found: dict[str, inspect.Parameter] = {}
    for each in reversed(kind.__mro__[: kind.__mro__.index(nn.Module)]):
        if "__init__" in vars(each):
            found |= inspect.signature(each).parameters
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name: argument for name, argument in found.items() if argument.kind not in kinds}


def _parameters(kind: Any) -> dict[str, Any]:
    """The numbers and words that its constructor takes, with their defaults, but for what the harness has itself."""
    defaults = {name: argument.default for name, argument in _arguments(kind).items() if name not in NOT_ASKED}
    return {name: value for name, value in defaults.items() if isinstance(value, (bool, int, float, str))}


def _made(kind: Any, features: int, given: dict[str, Any]) -> nn.Module:
    """A classifier of features; UsageError where its constructor needs what is not known."""
    attention = need("easyfsl.modules", "easyfsl", f"easyfsl's {kind.__name__}").MultiHeadAttention
    arguments = dict(given)
    for name, argument in _arguments(kind).items():
        if argument.default is not argument.empty or name in given:
            continue
        if name == "feature_dimension":
            arguments[name] = features
        elif name == "attention_module":  # that of its authors' configuration
            arguments[name] = attention(1, features, features, features)
        else:
            raise UsageError(
                f"easyfsl's classifier {kind.__name__} needs '{name}', which a learner cannot know; give it a default"
            )
    made: nn.Module = kind(**arguments)
    return made


def _family(kind: Any, episodic: bool) -> str:
    if kind.is_transductive():
        return "transductive"
    return "metric" if episodic else "transfer"


def _documentation(kind: Any, method: str, base: type[OnFeatures]) -> str:
    name = method.replace("_", " ") if method else kind.__name__
    return f"easyfsl's {name}: the class `{kind.__module__}:{kind.__name__}`.\n\n{inspect.getdoc(base)}"
