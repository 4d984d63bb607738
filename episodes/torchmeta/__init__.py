"""The interface of torchmeta 1.8 (Deleu et al. 2019) over metabench's banks: a script changes only its import line.

    from episodes.torchmeta.datasets.helpers import omniglot
    from episodes.torchmeta.utils.data import BatchMetaDataLoader

Names, arguments, the layout of batches and what the seeds decide are torchmeta's. Differences:

- Batches are gathered from one tensor where `transform` is made of torchvision's Resize, CenterCrop, Pad, Grayscale,
  ToTensor and Normalize and the class augmentations are those of `transforms`; other transforms are applied to each
  picture, as torchmeta does.
- A folder that torchmeta wrote (HDF5 and JSON) is read as it is, where h5py is installed. Without one, metabench's
  datasets are read, with their files in `folder` or `folder/omniglot` etc. Within a class their pictures are in the
  order of their files' names; classes of tiered-ImageNet are in the order of its authors' files, and sorted by WordNet
  number where they come as folders.
- `data` has arrays of pixels, and of a picture file's bytes only for CUB and in files that torchmeta wrote.
- With `batch_first`, `MetaMultiheadAttention` takes inputs `[B, n, D]`, as torch.nn does.
- Errors are `episodes.DataError`, which is a ValueError; missing files are a RuntimeError too.

Not there:

- datasets: DoubleMNIST, TripleMNIST, Pascal5i, TCGA, Letter, PlantsTexture, PlantsShape, PlantsMargin and Bach, with
  their helpers (doublemnist, triplemnist, pascal5i and the module helpers_tabular);
- what the class datasets know of their downloads (`download()`, `gdrive_id`, `filename`, checksums and the like), and
  in datasets.utils `get_asset_path` and `download_file_from_google_drive`.
"""

from episodes.torchmeta import datasets, modules, toy, transforms, utils, version

__version__ = version.VERSION

__all__ = ["__version__", "datasets", "modules", "toy", "transforms", "utils", "version"]
