"""Model-agnostic meta-learning (Finn, Abbeel, Levine 2017)."""

from __future__ import annotations

from typing import ClassVar

from baselines.gradient._learner import GradientLearner
from metabench.learner import Paper, Source

# The network, inner steps and inner rate of the paper's 5-way Omniglot experiment (section 5.2, appendix A.1).
OMNIGLOT = {"backbone": "conv4-strided", "inner_steps": 1, "test_inner_steps": 3, "inner_learning_rate": 0.4}

# Those of the paper's regression experiment (section 5.1).
SINUSOID = {"backbone": "mlp:40", "steps": 70_000, "meta_batch": 25, "train_shots": 10, "train_queries": 10}
SINUSOID |= {"inner_steps": 1, "test_inner_steps": 10, "inner_learning_rate": 0.01, "schedule": "constant"}


class MAML(GradientLearner):
    """Learn initial weights from which a few gradient steps on the support solve a task.

    Finn et al. 2017: inner steps (equation 1), meta-gradient through them (algorithm 2); second order unless
    `first_order=true` (section 5.2). Batch normalisation always uses batch statistics: the support's in the inner
    steps, and for the queries

    - by default the support's too, under the adapted weights, so that each query is answered on its own;
    - with `transductive=true` the queries' own, as in the paper's code: a query's answer then depends on the others.

    The head has its own initial row for each label, as in the paper, so that renaming labels changes predictions a
    little (Ye and Chao 2022, section 4). Differs from the paper: the non-transductive default, and Adam's learning
    rate follows a cosine (`schedule=constant` is the paper's). On characters the paper's meta-batch is 32 tasks.

    In regression both losses are the mean squared error (equation 2). On `sinusoid` the defaults are the paper's
    (section 5.1; meta-batch and steps are those of its code); differs from the paper: torch's initial weights. With
    `inner_steps=0` training does not adapt to tasks, which makes it the paper's baseline "pretrained on all tasks".
    """

    source: ClassVar = Source(
        "gradient",
        (
            Paper(
                "Finn, Chelsea and Abbeel, Pieter and Levine, Sergey",
                "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks",
                2017,
                "https://arxiv.org/abs/1703.03400",
                "ICML",
            ),
        ),
    )
    regression = True

    presets: ClassVar = {  # chosen by accuracy on validation against processor time: results/studies/
        "glyphs": {"steps": 3000, "meta_batch": 2, **OMNIGLOT},
        "omniglot": {"steps": 12_000, "meta_batch": 4, **OMNIGLOT},
        "sinusoid": SINUSOID,
        **{kind: {"meta_batch": 1} for kind in ("entities", "questions")},
        "text": {"backbone": "bert-tiny", "steps": 500, "first_order": True, "inner_learning_rate": 0.05},
    }
