"""Ensembles of a learner's settings: `ensemble:maml` with `members=inner_learning_rate=0.1|inner_learning_rate=0.4`.

Luo et al. 2026 (FewTrans) average the predictions over a grid of settings, since who has a few examples has no
validation set to choose one by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, make_dataclass, replace
from functools import cache
from math import log
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from metabench import registry
from metabench.errors import UsageError
from metabench.learner import EpisodeBatch, Learner, Problem, Stage, option

DECLARED = ("presets", "source", "kinds", "fixed_ways", "semi_supervised", "regression")  # as the learner has them


class Ensemble(Learner):
    """A learner with several settings at once, whose class probabilities are averaged; in regression its outputs.

    The members begin with the same weights, and are trained one after the other, each on draws of its own and with its
    own best step. Everything that the record says of costs is of all members together.
    """

    inner: ClassVar[type[Learner]]

    def __init__(self, problem: Problem, options: Any) -> None:
        super().__init__(problem, options)
        self.members = nn.ModuleList()
        state = torch.get_rng_state()
        for each in _settings(self.inner, options):
            torch.set_rng_state(state)
            self.members.append(self.inner(problem, each))
        self.transductive = any(member.transductive for member in self._members)
        self.label_equivariant = all(member.label_equivariant for member in self._members)
        self.outside_data = any(member.outside_data for member in self._members)

    @property
    def _members(self) -> Sequence[Learner]:
        return list(self.members)  # type: ignore[arg-type]

    def stages(self) -> Sequence[Stage]:
        return [
            replace(stage, name=f"{stage.name} of member {number}", scored=stage.scored or member)
            for number, member in enumerate(self._members, 1)
            for stage in member.stages()
        ]

    def classify(self, episodes: EpisodeBatch) -> Tensor:
        outputs = torch.stack([member.classify(episodes).float() for member in self._members])
        if self.problem.regression:
            return outputs.mean(0)
        return outputs.log_softmax(3).logsumexp(0) - log(len(outputs))

    def idle_options(self) -> Mapping[str, str]:
        idle = [member.idle_options() for member in self._members]
        return {name: why for name, why in idle[0].items() if all(name in each for each in idle)}

    def scoring_parameters(self) -> int:
        return sum(member.scoring_parameters() for member in self._members)


def learner_names() -> list[str]:
    """All that are registered."""
    return registry.learner_names()


@cache
def get_learner(name: str) -> type[Learner]:
    """The ensemble of a learner; UsageError as of `metabench.registry.get_learner`."""
    inner = registry.get_learner(name)
    members = option("", "settings of each, as learning_rate=1e-3|learning_rate=1e-2; several of one with commas")
    about = {
        "__module__": __name__,
        "__doc__": f"Several settings of `{name}`, whose predictions are averaged.\n\n{Ensemble.__doc__}",
        "Options": make_dataclass(
            "Options",
            [("members", str, members)],
            bases=(inner.Options,),
            frozen=True,
            namespace={"__module__": __name__},
        ),
        "inner": inner,
        **{each: getattr(inner, each) for each in DECLARED},
    }
    return type(f"EnsembleOf{inner.__name__}", (Ensemble,), about)


def _settings(inner: type[Learner], options: Any) -> list[Any]:
    """The options of each member: those of the ensemble, with its own in their place.

    Raises:
        UsageError: what is no option of the learner, or no value of it; or two members are the same.
    """
    shared = asdict(options)
    members = shared.pop("members")
    made = [registry.parsed_options("a member", inner.Options, shared, _pairs(each)) for each in members.split("|")]
    if len(set(map(repr, made))) < len(made):
        raise UsageError(f"--set members={members}: two of its members are the same; leave one of them out")
    return made


def _pairs(text: str) -> dict[str, str]:
    pairs = {}
    for each in filter(None, text.split(",")):
        name, equals, value = each.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set members: '{each}' is not NAME=VALUE, as in learning_rate=1e-3|learning_rate=1e-2")
        pairs[name.strip().replace("-", "_")] = value.strip()
    return pairs
