"""The GPU: whether this process can use it, and how rows of arrays get there.

PyTorch and Triton are imported when the engine is used, never with the package. With the
environment variable TRITON_INTERPRET=1, Triton's interpreter stands in for the GPU: slow, for
tests and for learning.
"""

import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from rmodels.config import get_config
from rmodels.ops.chunks import chunks

if TYPE_CHECKING:
    import torch

__all__ = [
    "beside_its_data",
    "capability",
    "device",
    "full",
    "holds",
    "is_interpreted",
    "like",
    "room",
    "stage",
    "unavailable",
    "upload",
]

Function = TypeVar("Function", bound=Callable[..., Any])

_LEAST_CAPABILITY = (8, 0)  # products of float64 on tensor cores


def is_interpreted() -> bool:
    """Return whether Triton's interpreter stands in for the GPU."""
    return os.environ.get("TRITON_INTERPRET") == "1"


@cache
def unavailable() -> str | None:
    """Return why there is no GPU to use, or None if there is one."""
    for module in ("torch", "triton"):
        if importlib.util.find_spec(module) is None:
            return f"the package {module} is not installed: pip install 'rmodels[gpu]'"
    if is_interpreted():
        return None
    import torch

    if not torch.backends.cuda.is_built() or torch.version.cuda is None:
        return f"PyTorch {torch.__version__} was built without CUDA"
    try:
        torch.cuda.init()
    except RuntimeError as error:
        return f"PyTorch finds no usable GPU ({error})"
    if not torch.cuda.device_count():
        return "PyTorch finds no GPU"
    capability = torch.cuda.get_device_capability()
    if capability < _LEAST_CAPABILITY:
        return (
            f"{torch.cuda.get_device_name()} has compute capability "
            f"{capability[0]}.{capability[1]}; at least 8.0 is needed"
        )
    return None


def holds(array: Any) -> bool:
    """Return whether an array is a tensor on the GPU."""
    if isinstance(array, np.ndarray) or not hasattr(array, "is_cuda"):
        return False
    return bool(array.is_cuda) or (is_interpreted() and array.device.type == "cpu")


def full(size: int, value: float, dtype: Any, beside: Any) -> Any:
    """Return a value as often as asked: as a tensor if another array is one on the device."""
    if not holds(beside):
        return np.full(size, value, dtype) if value else np.zeros(size, dtype)
    import torch

    there = getattr(torch, np.dtype(dtype).name)
    return torch.full((size,), value, dtype=there, device=beside.device)


def device(*arrays: Any) -> "torch.device":
    """Return the device of the first tensor, or else PyTorch's current device."""
    import torch

    for array in arrays:
        if holds(array):
            found: torch.device = array.device
            return found
    if is_interpreted():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


def capability(where: "torch.device") -> tuple[int, int]:
    """Return the compute capability of a device; (0, 0) of the interpreter."""
    if where.type == "cpu":
        return 0, 0
    import torch

    found: tuple[int, int] = torch.cuda.get_device_capability(where)
    return found


def beside_its_data(function: Function) -> Function:
    """Return an engine's function that runs on the device of its first tensor or index of one.

    Kernels start on PyTorch's current device, which need not be where the data is.
    """

    @wraps(function)
    def there(*args: Any) -> Any:
        import torch

        data = [getattr(arg, "X", arg) for arg in args]
        where = device(*(array for array in data if isinstance(array, torch.Tensor)))
        if where.type == "cpu":
            return function(*args)
        with torch.cuda.device(where):
            return function(*args)

    return there  # type: ignore[return-value]


def room(where: "torch.device") -> int:
    """Return how many bytes of the device's memory a call may plan with."""
    if where.type == "cpu":
        limit: int = get_config()["memory_limit"]
        return limit
    import torch

    free, _ = torch.cuda.mem_get_info(where)
    return int(0.8 * free)


def stage(
    arrays: Sequence[Any], step: int, task: str, where: "torch.device"
) -> Iterator[tuple[slice, list[Any]]]:
    """Yield blocks of rows on the device; while one is computed on, the next is copied.

    Parameters
    ----------
    arrays : sequence of ndarray, tensor or None
        With the same number of rows; None stays None. Tensors on the device are not copied.
    step : int
        Rows of a block.
    task : str
        What the progress bar says.
    where : torch.device

    Yields
    ------
    rows : slice
    blocks : list of tensor or None
        To be used before the next is asked for.
    """
    lanes = [None if a is None or holds(a) else _Lane(a, step, where) for a in arrays]
    total = next(len(a) for a in arrays if a is not None)
    if any(lanes) and total:
        for lane in filter(None, lanes):
            lane.copy(slice(0, min(step, total)))
    for rows in chunks(total, step, task):
        following = slice(rows.stop, min(rows.stop + step, total))
        if following.start < total:
            for lane in filter(None, lanes):
                lane.copy(following)
        yield (
            rows,
            [
                lane.ready() if lane else None if a is None else a[rows]
                for a, lane in zip(arrays, lanes, strict=True)
            ],
        )
        for lane in filter(None, lanes):
            lane.release()


class _Lane:
    """Two buffers on each side, through which the rows of an array in main memory travel."""

    def __init__(self, array: np.ndarray, step: int, where: "torch.device") -> None:
        import torch

        self._array = array
        dtype = torch.from_numpy(np.empty(0, array.dtype)).dtype
        shape = (2, min(step, len(array)), *array.shape[1:])
        on_gpu = where.type == "cuda"
        self._pinned = torch.empty(shape, dtype=dtype, pin_memory=on_gpu)
        self._there = torch.empty(shape, dtype=dtype, device=where) if on_gpu else self._pinned
        self._stream = torch.cuda.Stream(where) if on_gpu else None
        if self._stream is not None:  # what had this memory before may still be computed on
            self._stream.wait_stream(torch.cuda.current_stream(where))
        self._copied = [torch.cuda.Event() for _ in range(2)] if on_gpu else []
        self._used = [torch.cuda.Event() for _ in range(2)] if on_gpu else []
        self._next_copy = self._next_use = 0
        self._lengths = [0, 0]

    def copy(self, rows: slice) -> None:
        """Start copying rows, at most one block ahead of what `ready` returned."""
        slot = self._next_copy % 2
        self._next_copy += 1
        block = self._array[rows]
        self._lengths[slot] = len(block)
        if self._stream is None:
            np.copyto(self._pinned[slot].numpy()[: len(block)], block)
            return
        import torch

        self._copied[slot].synchronize()
        np.copyto(self._pinned[slot].numpy()[: len(block)], block)
        self._stream.wait_event(self._used[slot])
        with torch.cuda.stream(self._stream):
            self._there[slot, : len(block)].copy_(
                self._pinned[slot, : len(block)], non_blocking=True
            )
            self._copied[slot].record(self._stream)

    def ready(self) -> "torch.Tensor":
        """Return the next block; the current stream waits for it."""
        slot = self._next_use % 2
        if self._stream is not None:
            self._copied[slot].wait()
        block: torch.Tensor = self._there[slot, : self._lengths[slot]]
        return block

    def release(self) -> None:
        """Let the block be overwritten when what the current stream does with it is done."""
        if self._stream is not None:
            self._used[self._next_use % 2].record()
        self._next_use += 1


def upload(array: Any, where: "torch.device") -> "torch.Tensor":
    """Return a whole array as a tensor on the device; a tensor there is returned as it is."""
    import torch

    if holds(array):
        tensor: torch.Tensor = array
        return tensor
    result = torch.empty(
        array.shape, dtype=torch.from_numpy(np.empty(0, array.dtype)).dtype, device=where
    )
    step = max(1, (1 << 26) // max(1, array.itemsize * int(np.prod(array.shape[1:]))))
    for rows, (block,) in stage([array], step, "copy to the GPU", where):
        result[rows] = block
    return result


def like(tensor: "torch.Tensor", *arrays: Any) -> Any:
    """Return a result as an ndarray, or as it is if one of a call's arrays is on the device."""
    return tensor if any(map(holds, arrays)) else tensor.cpu().numpy()
