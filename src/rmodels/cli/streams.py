"""Standard input and output in the place of files: a name of -."""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

__all__ = ["STREAM", "Streams"]

STREAM = "-"

_NAMED = "standard input"
# How files begin, and how their names end.
_BEGINNINGS = (
    (b"PAR1", ".parquet"),
    (b"ARROW1", ".arrow"),
    (b"rmodels ", ".rmodel"),
    (b"\x1f\x8b", ".csv.gz"),
    (b"BZh", ".csv.bz2"),
    (b"\x28\xb5\x2f\xfd", ".csv.zst"),
)


class Streams:
    """What comes by standard input, kept in a file while a command runs: it may be read often."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._kept: Path | None = None
        self._folder: Path | None = None

    def __enter__(self) -> "Streams":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def find_tables(self, data: Sequence[str]) -> list[str]:
        """Return the paths of tables."""
        return [self.file(each) for each in data]

    def file(self, path: str) -> str:
        """Return the path of a file; of standard input, that of a file with its bytes."""
        if path != STREAM:
            return path
        if self._kept is not None:
            raise ValueError("standard input is one file: - can be given once")
        source = sys.stdin.buffer
        beginning = source.read(8)
        ending = next((end for first, end in _BEGINNINGS if beginning.startswith(first)), ".csv")
        self._kept = self._new(f"stdin{ending}")
        with self._kept.open("wb") as kept:
            kept.write(beginning)
            shutil.copyfileobj(source, kept)
        return str(self._kept)

    def output(self, path: str) -> str:
        """Return the path to write a file to, maybe one that `finish` copies."""
        if path != STREAM:
            return path
        if sys.stdout.isatty():
            raise ValueError("a model is not text: redirect standard output, or name a file by -o")
        return str(self._new("stdout"))

    def finish(self, path: str, written: str) -> None:
        """Copy what was written to standard output, if it is to go there."""
        if path == STREAM:
            with open(written, "rb") as kept:
                shutil.copyfileobj(kept, sys.stdout.buffer)

    def name_in(self, error: BaseException) -> str:
        """Return the message of an error about standard input by this name."""
        return str(error) if self._kept is None else str(error).replace(str(self._kept), _NAMED)

    def _new(self, name: str) -> Path:
        if self._folder is None:
            folder = tempfile.TemporaryDirectory(prefix="rmodels-")
            self._folder = Path(self._stack.enter_context(folder)).resolve()
        return self._folder / name
