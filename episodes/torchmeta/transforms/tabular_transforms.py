"""NumpyToTorch: arrays to tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


class NumpyToTorch:
    """A NumPy array as a tensor of the same values and type."""

    def __call__(self, numpy_array: np.ndarray[Any, Any]) -> Tensor:
        return torch.from_numpy(numpy_array).contiguous()

    def __repr__(self) -> str:
        return "NumpyToTorch()"
