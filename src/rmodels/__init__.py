"""Machine-learning algorithms built from scratch."""

# Nothing is imported here but when it is asked for; see rmodels/lazy.py.

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
    from rmodels.lazy import import_name

    homes = _homes()
    if name == "__all__":
        return sorted(homes)
    return import_name(__name__, homes, name)


def __dir__() -> list[str]:
    return sorted([*_homes(), "__version__"])
