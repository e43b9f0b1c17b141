"""Which files a path, a folder or a pattern names."""

import glob
import os
from pathlib import Path

__all__ = ["FORMATS", "files_of"]

FORMATS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv"}


def files_of(source: str | os.PathLike[str]) -> list[Path]:
    """Return the files that a path, folder or pattern names, sorted."""
    path = Path(source)
    if path.is_dir():
        found = [each for each in sorted(path.rglob("*")) if each.suffix.lower() in FORMATS]
    elif path.suffix.lower() not in FORMATS and not glob.has_magic(str(source)):
        raise ValueError(
            f"{path}: unknown format {path.suffix!r}: a table is a .csv or .parquet file"
        )
    elif path.exists():
        return [path]
    else:
        found = [Path(each) for each in sorted(glob.glob(str(source), recursive=True))]
        found = [each for each in found if each.suffix.lower() in FORMATS]
        if not found and not glob.has_magic(str(source)):
            raise FileNotFoundError(f"[Errno 2] No such file or directory: {str(source)!r}")
    if not found:
        raise ValueError(f"{source}: there is no Parquet or CSV file")
    return found
