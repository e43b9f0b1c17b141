r"""The bytes of a model file, and their checks.

A file is two lines of text and the bytes of a safetensors file:

    rmodels FORMAT SHA256 BYTES\n       of all that follows this line
    DESCRIPTION\n                       JSON
    safetensors

Every byte is checked before any of it is interpreted.
"""

import hashlib
import json
import os
import re
from typing import Any

from numpy.typing import NDArray

from rmodels.extras import require
from rmodels.files.writing import whole_file

__all__ = ["FORMAT", "LONGEST_LINE", "SIGNATURE", "read_container", "write_container"]

FORMAT = 1

SIGNATURE = b"rmodels "
LONGEST_LINE = 128  # bytes of a first line
_FIRST_LINE = re.compile(rb"rmodels (0|[1-9]\d*) ([0-9a-f]{64}) (0|[1-9]\d*)\n")


def write_container(
    path: str | os.PathLike[str], description: dict[str, Any], arrays: dict[str, NDArray]
) -> None:
    """Write a file of a description, which JSON can hold, and arrays of safetensors' dtypes."""
    safetensors = require("safetensors.numpy", "files")
    text = json.dumps(description, allow_nan=False).encode() + b"\n"
    payload = safetensors.save(arrays)
    digest = hashlib.sha256(text)
    digest.update(payload)
    with whole_file(path) as file:
        file.write(
            b"rmodels %d %s %d\n" % (FORMAT, digest.hexdigest().encode(), len(text) + len(payload))
        )
        file.write(text)
        file.write(payload)


def read_container(path: str | os.PathLike[str]) -> tuple[Any, dict[str, NDArray]]:
    """Return description and arrays of a file.

    Raises
    ------
    ValueError
        If the file is empty, foreign, truncated, altered, or of another version of the format.
    """
    safetensors = require("safetensors.numpy", "files")
    if os.path.isdir(path):
        raise ValueError(f"{path} is a folder, not a model file")
    with open(path, "rb") as file:
        first = file.readline(LONGEST_LINE)
        _check_first_line(path, first)
        matched = _FIRST_LINE.fullmatch(first)
        if matched is None:
            raise ValueError(f"{path} is truncated or was altered: its first line is not whole")
        expected, size = matched[2].decode(), int(matched[3])
        held = os.fstat(file.fileno()).st_size - len(first)
        if held < size:
            raise ValueError(f"{path} is truncated: {held} of {size} bytes after its first line")
        if held > size:
            raise ValueError(f"{path} was altered: {held - size} bytes follow its end")
        text = file.readline()
        payload = file.read()
    digest = hashlib.sha256(text)
    digest.update(payload)
    if digest.hexdigest() != expected:
        raise ValueError(f"{path} was altered after it was written: its checksum does not match")
    try:
        return json.loads(text), safetensors.load(payload)
    except (ValueError, RecursionError, require("safetensors", "files").SafetensorError) as error:
        raise ValueError(f"{path} cannot be read, though its checksum is right: {error}") from error


def _check_first_line(path: str | os.PathLike[str], first: bytes) -> None:
    """Raise what can be said of a file by its beginning."""
    if not first:
        raise ValueError(f"{path} is empty")
    if not first.startswith(SIGNATURE):
        kind = "truncated" if SIGNATURE.startswith(first) else "not a model file of rmodels"
        raise ValueError(f"{path} is {kind}: it does not begin with 'rmodels'")
    version = re.match(rb"rmodels (\d{1,9}) ", first)
    if version is not None and int(version[1]) != FORMAT:
        raise ValueError(
            f"{path} has format version {int(version[1])}; this rmodels reads version {FORMAT}"
        )
