"""The settings that learners which adapt by gradient steps begin from, and the paper that they are from."""

from __future__ import annotations

from typing import Any

from metabench.learner import Paper

FINN = Paper(
    "Finn, Chelsea and Abbeel, Pieter and Levine, Sergey",
    "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks",
    2017,
    "https://arxiv.org/abs/1703.03400",
    "ICML",
)

# The network, inner steps and inner rate of the paper's 5-way Omniglot experiment (section 5.2, appendix A.1).
OMNIGLOT: dict[str, Any] = {"backbone": "conv4-strided", "inner_steps": 1, "test_inner_steps": 3}
OMNIGLOT |= {"inner_learning_rate": 0.4}

# Those of the paper's regression experiment (section 5.1).
SINUSOID: dict[str, Any] = {"backbone": "mlp:40", "steps": 70_000, "meta_batch": 25, "train_shots": 10}
SINUSOID |= {"train_queries": 10, "inner_steps": 1, "test_inner_steps": 10, "inner_learning_rate": 0.01}
SINUSOID |= {"schedule": "constant"}

TEXT: dict[str, Any] = {"backbone": "bert-tiny", "steps": 500, "inner_learning_rate": 0.05}

PRESETS: dict[str, dict[str, Any]] = {  # chosen by accuracy on validation against processor time: results/studies/
    "glyphs": {"steps": 3000, "meta_batch": 2, **OMNIGLOT},
    "omniglot": {"steps": 12_000, "meta_batch": 4, **OMNIGLOT},
    "sinusoid": SINUSOID,
    **{kind: {"meta_batch": 1} for kind in ("entities", "questions")},
    "text": TEXT,
}
