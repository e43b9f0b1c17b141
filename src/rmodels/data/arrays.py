"""Kinds of arrays that users hold: what comes in decides what goes out, and where.

Inside the package there are two kinds: NumPy arrays, and PyTorch tensors for what is on the GPU.
Arrays of other packages that have DLPack are taken as one of the two without copying them, and
results go back as the kind of array that they answer, on the same device.
"""

import importlib
from types import ModuleType
from typing import Any

import numpy as np
from scipy import sparse

from rmodels.ops import device

__all__ = [
    "adopt",
    "aligned",
    "as_dtype",
    "as_kind_of",
    "beside",
    "contiguous",
    "convert_like",
    "count_to",
    "join",
    "namespace",
    "on_gpu",
    "on_host",
]

_GPU = {2, 13}  # DLPack's CUDA device, and memory that it shares with the processor


def _has_dlpack(array: Any) -> bool:
    return hasattr(array, "__dlpack_device__") and hasattr(array, "shape")


def _package(array: Any) -> str:
    return type(array).__module__.partition(".")[0]


def on_gpu(array: Any) -> bool:
    """Return whether an array is in a GPU's memory; to the interpreter, every tensor is."""
    if isinstance(array, np.ndarray) or not _has_dlpack(array):
        return False
    if int(array.__dlpack_device__()[0]) in _GPU:
        return True
    return device.is_interpreted() and _package(array) == "torch"


def adopt(array: Any) -> Any:
    """Return an array without copying it: a tensor if it is on the GPU, else an ndarray.

    Parameters
    ----------
    array : object
        What has no DLPack (lists, frames, sparse matrices) is returned as it is. A tensor that
        records gradients is detached; bfloat16, which NumPy has not, becomes float32 on the
        processor.
    """
    if isinstance(array, np.ndarray) or not _has_dlpack(array):
        return array
    if getattr(array, "requires_grad", False):
        array = array.detach()
    if on_gpu(array):
        import torch

        return array if isinstance(array, torch.Tensor) else torch.from_dlpack(array)
    if str(array.dtype) == "torch.bfloat16":
        array = array.float()
    return np.from_dlpack(array)


def on_host(array: Any) -> Any:
    """Return a tensor as an ndarray; all else as it is."""
    if isinstance(array, np.ndarray) or _package(array) != "torch":
        return array
    if str(array.dtype) == "torch.bfloat16":
        array = array.float()
    return array.detach().cpu().numpy()


def beside(array: Any, other: Any) -> Any:
    """Return an ndarray or tensor of numbers where another is, as what that is."""
    if isinstance(other, np.ndarray) or _package(other) != "torch":
        return on_host(array)
    import torch

    return torch.as_tensor(array, device=other.device)


def as_dtype(array: Any, dtype: Any) -> Any:
    """Return an ndarray or tensor in a dtype of NumPy or PyTorch; a tensor in at least 32 bits."""
    if isinstance(array, np.ndarray):
        return array.astype(dtype, copy=False)
    if isinstance(dtype, np.dtype):
        dtype = getattr(namespace(array), dtype.name)
    return array.to(dtype) if dtype.itemsize >= 4 else array.float()


def contiguous(array: Any) -> Any:
    """Return an ndarray or tensor with its last axis contiguous, copied if need be."""
    return np.ascontiguousarray(array) if isinstance(array, np.ndarray) else array.contiguous()


def aligned(array: Any) -> Any:
    """Return an array, sparse matrix or tensor whose numbers are where processors expect them.

    What came over a network may begin at any byte; that is copied.
    """
    if isinstance(array, np.ndarray):
        return array if array.flags.aligned else array.copy()
    if array is not None and sparse.issparse(array):
        pieces = array.data, array.indices, array.indptr
        return array if all(each.flags.aligned for each in pieces) else array.copy()
    return array


def join(parts: list[Any]) -> Any:
    """Return ndarrays or tensors one below the other."""
    if len(parts) == 1:
        return parts[0]
    return (
        np.concatenate(parts)
        if isinstance(parts[0], np.ndarray)
        else namespace(parts[0]).cat(parts)
    )


def convert_like(values: Any, X: Any, dtype: Any) -> Any:
    """Return what a fit found as the kind of array that X is, in a dtype."""
    return as_kind_of(as_dtype(beside(values, adopt(X)), dtype), X)


def namespace(array: Any) -> ModuleType:
    """Return the module whose functions take an ndarray or tensor."""
    return np if isinstance(array, np.ndarray) else importlib.import_module("torch")


def count_to(stop: int, like: Any, step: int = 1) -> Any:
    """Return 0, step, 2 step, … below `stop` as int64, where an ndarray or tensor is."""
    if isinstance(like, np.ndarray):
        return np.arange(0, stop, step)
    return namespace(like).arange(0, stop, step, device=like.device)


def as_kind_of(result: Any, original: Any) -> Any:
    """Return a result as the kind of array that it answers, on the same device.

    Parameters
    ----------
    result : ndarray, tensor, sparse matrix, or list or tuple of them
        What is not of numbers (labels, arrays of arrays), and what is sparse, stays what it is.
    original : object
        For what is not an array with DLPack, the result is an ndarray.
    """
    if isinstance(result, (list, tuple)):
        return type(result)(as_kind_of(part, original) for part in result)
    if (isinstance(result, np.ndarray) and isinstance(original, np.ndarray)) or sparse.issparse(
        result
    ):
        return result
    if isinstance(original, np.ndarray) or not _has_dlpack(original):
        return on_host(result)
    if isinstance(result, np.ndarray) and result.dtype.kind not in "biuf":
        return result
    result = beside(np.asarray(result) if np.isscalar(result) else result, adopt(original))
    module = _package(original)
    if _package(result) == module:
        return result
    if module == "torch":
        import torch

        return torch.from_numpy(result)
    if hasattr(original, "__array_namespace__"):
        return original.__array_namespace__().from_dlpack(result)
    return importlib.import_module(module).from_dlpack(result)
