"""Parquet files, read row group by row group."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rmodels.data.formats.columns import Column
from rmodels.data.formats.reader import (
    Batch,
    Reader,
    key_types,
    name_each,
    name_unreadable,
    part_of,
    signature,
    with_keys,
)
from rmodels.extras import require

__all__ = ["ParquetReader"]


class ParquetReader(Reader):
    """Parquet files."""

    skips = True

    def __init__(self, paths: list[Path], keys: Sequence[Mapping[str, Any]]) -> None:
        parquet = require("pyarrow.parquet", "files")
        self.name = str(paths[0])
        self._paths = paths
        self._metadata = []
        self.parts = []
        types = key_types(keys)
        for path, told in zip(paths, keys, strict=True):
            with name_unreadable(str(path)):
                if not path.stat().st_size:
                    raise ValueError(f"{path} is empty")
                metadata = parquet.read_metadata(path)
                self._metadata.append(metadata)
                schema = metadata.schema.to_arrow_schema()
                self.parts.append(part_of(str(path), schema, told, types))
        self.columns = list(self.parts[0].types)

    def batches(
        self, columns: Sequence[Column], size: int, start: int, texts: Sequence[Column] = ()
    ) -> Iterator[Batch]:
        """Yield batches; see `Reader.batches`."""
        parquet = require("pyarrow.parquet", "files")
        total = sum(metadata.num_rows for metadata in self._metadata)
        first = 0
        for number, (path, metadata) in enumerate(zip(self._paths, self._metadata, strict=True)):
            part = self.parts[number]
            stored = [name for name in columns if name not in part.keys]
            with name_unreadable(str(path)):
                file = parquet.ParquetFile(
                    path,
                    metadata=metadata,
                    pre_buffer=False,
                    buffer_size=1 << 16,
                    page_checksum_verification=True,
                )
            began = first
            with file:
                for group in range(metadata.num_row_groups):
                    rows = metadata.row_group(group).num_rows
                    place = f"{path}, row group {group + 1} of {metadata.num_row_groups}"
                    if first + rows > start:
                        found = file.iter_batches(size, row_groups=[group], columns=stored)
                        row = first
                        for batch in name_each(found, place):
                            after = row + batch.num_rows
                            if after > start:
                                given = with_keys(batch, columns, part)
                                share = after / total
                                yield Batch(place, given, share, part=number, row=row - began)
                            row = after
                    first += rows

    def state(self) -> str:
        """Return what changes if a file does; see `Reader.state`."""
        return signature(self._paths)
