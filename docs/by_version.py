"""Put the documentation of a version beside that of others: python docs/by_version.py BUILT SITE.

SITE, a folder of static files, gets a folder named as the version, versions.js with the names of
all that are there, which every page reads when it is shown, and index.html, which leads to the
newest.
"""

import json
import shutil
import sys
from pathlib import Path

from packaging.version import InvalidVersion, Version

import rmodels

INDEX = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>rmodels</title>
<meta http-equiv="refresh" content="0; url=./{0}/index.html">
<link rel="canonical" href="./{0}/index.html">
<a href="./{0}/index.html">rmodels {0}</a>
</html>
"""


def find_versions(site: Path) -> list[str]:
    """Return the versions that a site has, finished ones before others, newest first."""
    found = []
    for index in site.glob("*/index.html"):
        try:
            found.append(Version(index.parent.name))
        except InvalidVersion:
            continue
    return [str(each) for each in sorted(found, key=_rank, reverse=True)]


def _rank(version: Version) -> tuple[bool, Version]:
    return not version.is_prerelease, version


def put(built: Path, site: Path, version: str) -> None:
    """Copy what was built to the site, in the place of what it had of that version."""
    shutil.rmtree(site / version, ignore_errors=True)
    shutil.copytree(built, site / version, ignore=shutil.ignore_patterns(".doctrees", ".buildinfo"))
    versions = find_versions(site)
    (site / "versions.js").write_text(f"window.VERSIONS = {json.dumps(versions)};\n", "utf-8")
    (site / "index.html").write_text(INDEX.format(versions[0]), "utf-8")


if __name__ == "__main__":
    put(Path(sys.argv[1]), Path(sys.argv[2]), rmodels.__version__)
