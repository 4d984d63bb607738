"""Every public name of torchmeta 1.8 is there with its arguments, or `help(episodes.torchmeta)` says that it is not."""

import importlib
import inspect
import re

import pytest
from torch import nn

from episodes import torchmeta

SPLIT = "meta_train meta_val meta_test meta_split"
TASKS = "num_classes_per_task"
REST = "transform target_transform dataset_transform class_augmentations download"
HELPER = "folder shots ways shuffle test_shots seed kwargs"
LOADER = "num_workers pin_memory drop_last timeout worker_init_fn"
MATCHING = "embeddings targets test_embeddings num_classes eps"
CURVES = "num_samples_per_task num_tasks noise_std transform target_transform dataset_transform"
PART = "num_train_per_class num_test_per_class num_support_per_class num_query_per_class random_state_seed"
WEIGHTS = "weights train_weights test_weights support_weights query_weights"
ARGUMENTS = {
    "datasets": {
        **dict.fromkeys(["MiniImagenet", "TieredImagenet", "CIFARFS", "FC100", "CUB"], f"root {TASKS} {SPLIT} {REST}"),
        "Omniglot": f"root {TASKS} {SPLIT} use_vinyals_split {REST}",
    },
    "datasets.helpers": {
        **dict.fromkeys(["omniglot", "miniimagenet", "tieredimagenet", "cifar_fs", "fc100", "cub"], HELPER),
        "helper_with_default": f"klass {HELPER}".replace(" kwargs", " defaults kwargs"),
    },
    "datasets.omniglot": {"OmniglotDataset": "index data character_name transform target_transform"},
    "datasets.utils": {"get_asset": "args dtype"},
    "modules": {
        **dict.fromkeys([f"MetaBatchNorm{d}d" for d in (1, 2, 3)], "input params"),
        **dict.fromkeys([f"MetaConv{d}d" for d in (1, 2, 3)], "input params"),
        **dict.fromkeys(["MetaSequential", "MetaLinear", "MetaLayerNorm", "MetaEmbedding"], "input params"),
        "MetaBilinear": "input1 input2 params",
        "MetaEmbeddingBag": "input offsets per_sample_weights params",
        "MetaModule": "input",
        "MetaMultiheadAttention": "query key value key_padding_mask need_weights attn_mask params",
        "DataParallel": "inputs",
    },
    "toy": dict.fromkeys(["Harmonic", "Sinusoid", "SinusoidAndLine"], CURVES),
    "toy.helpers": dict.fromkeys(["harmonic", "sinusoid"], "shots shuffle test_shots seed kwargs"),
    "transforms": {
        "Categorical": "num_classes",
        "DefaultTargetTransform": "class_augmentations",
        "FixedCategory": "transform",
        "HorizontalFlip": "",
        "NumpyToTorch": "",
        "Rotation": "angle resample expand center",
        "SegmentationPairTransform": "target_size",
        "Splitter": "splits random_state_seed",
        "TargetTransform": "",
        "VerticalFlip": "",
        "ClassSplitter": "task args kwargs",
        "WeightedClassSplitter": "task args kwargs",
    },
    "transforms.splitters": {
        "ClassSplitter_": f"shuffle num_samples_per_class {PART}",
        "WeightedClassSplitter_": (
            f"shuffle min_num_samples max_num_samples {WEIGHTS} force_equal_per_class random_state_seed"
        ),
    },
    "transforms.utils": {
        "apply_wrapper": "wrapper task_or_dataset",
        "wrap_transform": "transform fn transform_type",
    },
    "utils": {
        "get_num_samples": "targets num_classes dtype",
        "get_prototypes": "embeddings targets num_classes",
        "gradient_update_parameters": "model loss params step_size first_order",
        "hardness_metric": "batch num_classes",
        "matching_log_probas": MATCHING,
        "matching_loss": "train_embeddings train_targets test_embeddings test_targets num_classes eps kwargs",
        "matching_probas": MATCHING,
        "pairwise_cosine_similarity": "embeddings1 embeddings2 eps",
        "prototypical_loss": "prototypes embeddings targets kwargs",
        "ridge_regression": "embeddings targets reg_lambda num_classes use_woodbury scale bias",
    },
    "utils.data": {
        "BatchMetaDataLoader": f"dataset batch_size shuffle sampler {LOADER}",
        "ClassDataset": f"{SPLIT} class_augmentations",
        "CombinationMetaDataset": f"dataset {TASKS} target_transform dataset_transform",
        "CombinationRandomSampler": "data_source",
        "CombinationSequentialSampler": "data_source",
        "ConcatTask": "datasets num_classes target_transform",
        "Dataset": "index transform target_transform",
        "MetaDataLoader": f"dataset batch_size shuffle sampler batch_sampler {LOADER}".replace(
            "num_workers", "num_workers collate_fn"
        ),
        "MetaDataset": f"{SPLIT} target_transform dataset_transform",
        "NonEpisodicWrapper": "dataset target_transform",
        "SubsetTask": "dataset indices num_classes target_transform",
        "Task": "index num_classes transform target_transform",
    },
    "utils.data.dataloader": {"BatchMetaCollate": "collate_fn", "no_collate": "batch"},
}
LEFT_OUT = {
    "datasets": "TCGA DoubleMNIST TripleMNIST Pascal5i Letter PlantsTexture PlantsShape PlantsMargin Bach",
    "datasets.helpers": "doublemnist triplemnist pascal5i",
    "datasets.utils": "get_asset_path download_file_from_google_drive",
}


@pytest.mark.parametrize("module", ARGUMENTS)
def test_names_take_torchmetas_arguments_in_its_order(module: str) -> None:
    for name, expected in ARGUMENTS[module].items():
        found = getattr(importlib.import_module(f"episodes.torchmeta.{module}"), name)
        layer = isinstance(found, type) and issubclass(found, nn.Module)
        arguments = [*inspect.signature(found.forward if layer else found).parameters][layer:]
        assert arguments[: len(expected.split())] == expected.split(), name


def test_what_is_not_there_is_said() -> None:
    said = set(re.findall(r"\w+", torchmeta.__doc__ or ""))
    for module, names in LEFT_OUT.items():
        for name in names.split():
            assert not hasattr(importlib.import_module(f"episodes.torchmeta.{module}"), name)
            assert name in said
    assert "helpers_tabular" in said
    assert torchmeta.__version__ == torchmeta.version.VERSION == "1.8.0"
