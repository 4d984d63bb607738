"""The papers of easyfsl's classifiers, by the names of their files."""

from __future__ import annotations

from baselines.bases.pretrained import CLOSER_LOOK
from baselines.metric.feat import FEAT
from baselines.metric.matchingnet import MatchingNet
from baselines.metric.protonet import ProtoNet
from baselines.metric.relationnet import RelationNet
from baselines.transductive.bd_cspn import BDCSPN
from baselines.transductive.laplacianshot import LaplacianShot
from baselines.transductive.pt_map import PTMAP
from baselines.transductive.tim import TIM
from baselines.transductive.transductive_finetune import TransductiveFineTune
from baselines.transfer.simpleshot import SimpleShot
from metabench.learner import Paper

PAPERS: dict[str, tuple[Paper, ...]] = {
    "bd_cspn": BDCSPN.source.papers,
    "feat": FEAT.source.papers,
    "finetune": (CLOSER_LOOK,),
    "laplacian_shot": LaplacianShot.source.papers[:1],
    "matching_networks": MatchingNet.source.papers,
    "prototypical_networks": ProtoNet.source.papers[:1],
    "pt_map": PTMAP.source.papers,
    "relation_networks": RelationNet.source.papers,
    "simple_shot": SimpleShot.source.papers,
    "tim": TIM.source.papers,
    "transductive_finetuning": TransductiveFineTune.source.papers,
}
