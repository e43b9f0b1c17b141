"""Kinds of arrays that users hold: what comes in decides what goes out, and where.

NumPy arrays stay what they are. Tensors and other arrays with DLPack stay on the GPU if they are
there; on the processor they are viewed as NumPy arrays. A result goes back as the kind of array
that it answers.
"""

import importlib
from typing import Any

import numpy as np

__all__ = ["adopted", "as_kind_of", "on_gpu"]

_GPU = {2, 13}  # DLPack's CUDA device, and memory that it shares with the processor


def on_gpu(array: Any) -> bool:
    """Return whether an array is in a GPU's memory."""
    if isinstance(array, np.ndarray) or not hasattr(array, "__dlpack_device__"):
        return False
    return int(array.__dlpack_device__()[0]) in _GPU


def adopted(array: Any) -> Any:
    """Return an array without copying it: a tensor if it is on the GPU, else an ndarray.

    Parameters
    ----------
    array : object
        What has no DLPack (lists, frames, sparse matrices) is returned as it is. A tensor that
        records gradients is detached.
    """
    if isinstance(array, np.ndarray) or not hasattr(array, "__dlpack_device__"):
        return array
    if getattr(array, "requires_grad", False):
        array = array.detach()
    if on_gpu(array):
        import torch

        return torch.from_dlpack(array)
    return np.from_dlpack(array)


def as_kind_of(result: Any, original: Any) -> Any:
    """Return a result as the kind of array of what it answers, without copying it.

    Parameters
    ----------
    result : ndarray or tensor
        Where the original is: on the GPU or not.
    original : object
        For what is not an array with DLPack, the result is an ndarray.
    """
    if isinstance(original, np.ndarray) or not hasattr(original, "__dlpack_device__"):
        return result
    module = type(original).__module__.partition(".")[0]
    if type(result).__module__.partition(".")[0] == module:
        return result
    if hasattr(original, "__array_namespace__"):
        return original.__array_namespace__().from_dlpack(result)
    return importlib.import_module(module).from_dlpack(result)
