"""The interface of torchmeta 1.8 (Deleu et al. 2019) over metabench's banks: a script changes only its import line.

    from episodes.torchmeta.datasets.helpers import omniglot
    from episodes.torchmeta.utils.data import BatchMetaDataLoader

Names, arguments, the layout of batches and what the seeds decide are torchmeta's. Differences:

- Batches are gathered from one tensor where `transform` is made of torchvision's Resize, CenterCrop, Pad, Grayscale,
  ToTensor and Normalize and the class augmentations are those of `transforms`; other transforms are applied to each
  picture, as torchmeta does.
- Within a class images are in the order of their files' names, not of the file system.
- torchmeta's HDF5 files are not read; metabench's datasets are, with their files in `folder` or `folder/omniglot` etc.
- Errors are `episodes.DataError`, which is a ValueError; missing files are a RuntimeError too.
- Not there: DoubleMNIST, TripleMNIST, Pascal5i, TCGA and the tabular datasets.
"""

from episodes.torchmeta import datasets, modules, toy, transforms, utils, version

__version__ = version.VERSION

__all__ = ["__version__", "datasets", "modules", "toy", "transforms", "utils", "version"]
