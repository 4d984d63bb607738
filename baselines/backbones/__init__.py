"""Networks by name, and how a learner builds one."""

from metabench.backbone import Layers, build_backbone, feature_map, feature_size

__all__ = ["Layers", "build_backbone", "feature_map", "feature_size"]
