"""The documentation: `make docs` builds it, offline, with warnings as errors."""

import shutil
from pathlib import Path

import rmodels
from rmodels.catalogue import CATALOGUE, FAMILIES

project = "rmodels"
copyright = "The rmodels developers, MIT licence"
version = release = rmodels.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx-mathjax-offline",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["by_version.py", "conf.py", "estimators.rst"]
templates_path = ["_templates"]
nitpicky = True
default_role = "autolink"
highlight_language = "none"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "auto"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_output_stderr = "error"  # a warning fails the build
nb_merge_streams = True

autodoc_typehints = "none"  # the docstrings tell
toc_object_entries_show_parents = "hide"
autosummary_generate = ["api.rst", "estimators.rst"]
# Some file systems do not tell Moments from moments.
autosummary_filename_map = {
    f"rmodels.ops.{name}": f"rmodels.ops.{name}-class"
    for name in (
        "descent.Descent",
        "descent.Gradient",
        "moments.Gram",
        "moments.Moments",
        "nearest.Index",
    )
}
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "rmodels"
html_static_path = ["_static"]
html_css_files = ["rmodels.css"]
html_show_sourcelink = False
html_sidebars = {"start": [], "benchmarks": []}
html_theme_options = {
    "footer_end": [],
    "footer_start": ["copyright"],
    "header_links_before_dropdown": 6,
    "logo": {"text": "rmodels"},
    "navbar_end": ["versions", "theme-switcher"],
    "navigation_with_keys": False,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": [], "notebooks/index": []},
    "show_toc_level": 2,
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# The figure of each notebook that the gallery shows.
THUMBNAILS = {
    "linear_regression": 2,
    "logistic_regression": 0,
    "stochastic_descent": 1,
    "nearest_neighbors": 1,
    "k_means": 0,
    "density": 0,
    "one_read": 0,
    "from_a_table": 0,
    "benchmarks": 0,
    "validation": 0,
}


def estimators():
    """Yield the lines that list estimators: a heading for each family, and a list below it."""
    yield from (".. currentmodule:: rmodels", "")
    for family, title in FAMILIES.items():
        names = [entry.name for entry in CATALOGUE.values() if entry.family == family]
        yield from (title, "-" * len(title), "", ".. autosummary::", "   :toctree: generated", "")
        yield from (f"   {name}" for name in names)
        yield ""


def pages():
    """Return the lines that list the pages about estimators, in the order of the catalogue."""
    names = dict.fromkeys(entry.page for entry in CATALOGUE.values())
    return ["```{toctree}", ":maxdepth: 2", "", *(f"/{name}" for name in names), "```", ""]


def write_lists(app, config):
    """Write what `api.rst` and `guide.md` include."""
    for name, lines in (("estimators.rst", estimators()), ("pages.txt", pages())):
        Path(app.srcdir, name).write_text("\n".join(lines), "utf-8")


def skip_inherited(app, what, name, member, skip, options):
    """Leave out what scikit-learn's base classes add: its documentation has it."""
    function = getattr(member, "fget", member)
    foreign = not (getattr(function, "__module__", None) or "").startswith("rmodels")
    return True if what == "class" and foreign else None


def copy_thumbnails(app, error):
    """Copy one figure of each notebook to where the gallery's page looks for it."""
    from docutils import nodes

    if error is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir, "_static", "gallery")
    folder.mkdir(parents=True, exist_ok=True)
    for name, place in THUMBNAILS.items():
        figures = list(app.env.get_doctree(f"notebooks/{name}").findall(nodes.image))
        shutil.copy(Path(app.srcdir, figures[place]["uri"]), folder / f"{name}.png")


def end_fences(app, name, source):
    """Show no empty line at the end of an example: only doctest needs it."""
    source[0] = source[0].replace("\n\n```\n", "\n```\n")


def setup(app):
    """Connect the functions above."""
    app.connect("config-inited", write_lists)
    app.connect("source-read", end_fences)
    app.connect("autodoc-skip-member", skip_inherited)
    app.connect("build-finished", copy_thumbnails)
