"""The papers of easyfsl's classifiers, by the names of their files."""

from __future__ import annotations

from baselines.bases.pretrained import CLOSER_LOOK
from baselines.metric.feat import FEAT
from baselines.metric.matchingnet import MatchingNet
from baselines.metric.protonet import ProtoNet
from baselines.metric.relationnet import RelationNet
from baselines.transfer.simpleshot import SimpleShot
from metabench.learner import Paper

PAPERS: dict[str, tuple[Paper, ...]] = {
    "bd_cspn": (
        Paper(
            "Liu, Jinlu and Song, Liang and Qin, Yongqiang",
            "Prototype Rectification for Few-Shot Learning",
            2020,
            "https://arxiv.org/abs/1911.10713",
            "ECCV",
        ),
    ),
    "feat": FEAT.source.papers,
    "finetune": (CLOSER_LOOK,),
    "laplacian_shot": (
        Paper(
            "Ziko, Imtiaz Masud and Dolz, Jose and Granger, Eric and Ben Ayed, Ismail",
            "Laplacian Regularized Few-Shot Learning",
            2020,
            "https://arxiv.org/abs/2006.15486",
            "ICML",
        ),
    ),
    "matching_networks": MatchingNet.source.papers,
    "prototypical_networks": ProtoNet.source.papers[:1],
    "pt_map": (
        Paper(
            "Hu, Yuqing and Gripon, Vincent and Pateux, Stéphane",
            "Leveraging the Feature Distribution in Transfer-based Few-Shot Learning",
            2021,
            "https://arxiv.org/abs/2006.03806",
            "ICANN",
        ),
    ),
    "relation_networks": RelationNet.source.papers,
    "simple_shot": SimpleShot.source.papers,
    "tim": (
        Paper(
            "Boudiaf, Malik and Ziko, Imtiaz Masud and Rony, Jérôme and Dolz, Jose and Piantanida, Pablo and "
            "Ben Ayed, Ismail",
            "Transductive Information Maximization For Few-Shot Learning",
            2020,
            "https://arxiv.org/abs/2008.11297",
            "NeurIPS",
        ),
    ),
    "transductive_finetuning": (
        Paper(
            "Dhillon, Guneet S. and Chaudhari, Pratik and Ravichandran, Avinash and Soatto, Stefano",
            "A Baseline for Few-Shot Image Classification",
            2020,
            "https://arxiv.org/abs/1909.02729",
            "ICLR",
        ),
    ),
}
