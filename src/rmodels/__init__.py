"""Machine-learning algorithms built from scratch."""

# Nothing is imported here but when it is asked for: scikit-learn takes a second to load, and what a
# program does first is not to take time.

__version__ = "0.1.0"


def _homes() -> dict[str, str]:
    """Return where the public names are; type checkers read them in __init__.pyi (`make stub`)."""
    from rmodels.catalogue import CATALOGUE

    return {entry.name: entry.module for entry in CATALOGUE.values()} | {
        "config_context": "rmodels.config",
        "get_config": "rmodels.config",
        "load": "rmodels.files",
        "patch_sklearn": "rmodels.patch",
        "patched": "rmodels.patch",
        "plot": "rmodels",  # a module
        "save": "rmodels.files",
        "scan": "rmodels.data.scan",
        "set_config": "rmodels.config",
        "show_versions": "rmodels.versions",
        "to_onnx": "rmodels.export",
        "unpatch_sklearn": "rmodels.patch",
    }


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    import importlib

    homes = _homes()
    if name == "__all__":
        value: object = sorted(homes)
    elif name not in homes:
        raise AttributeError(f"module 'rmodels' has no attribute {name!r}")
    elif homes[name] == "rmodels":
        return importlib.import_module(f"rmodels.{name}")
    else:
        value = getattr(importlib.import_module(homes[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*_homes(), "__version__"])
