"""Files, datasets and functions: what reads them, whole and in batches."""
