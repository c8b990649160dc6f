"""Writes the page of third-party licences, from what the packages say of themselves.

`make licences` runs it; a test fails while the page is not what this would write, or while it names
a licence that is not in `ALLOWED`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.requirements import Requirement

from ocrstream_recorder.api.dashboard import BUILT

HERE = Path(__file__).parent
PAGE = HERE / "third-party-licences.md"
LOCK = HERE.parent / "requirements" / "runtime.txt"
BUNDLED = BUILT / "third-party-licences.md"
"""What Vite tells of packages that it bundles: `## name - version (licence)`, then the text."""

UNKNOWN = "unknown"

ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "LGPL-3.0-only",
    "MIT",
    "MIT-CMU",
    "MPL-2.0",
    "PSF-2.0",
    "Zlib",
}
"""Licences, by their SPDX ids, of packages that software under Apache-2.0 may need."""

_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
_BY_THEIR_FILES = {
    "omegaconf": "BSD-3-Clause",
    "protobuf": "BSD-3-Clause",
    "pypdfium2": "Apache-2.0 OR BSD-3-Clause",
}
"""What the licence files say of packages whose metadata is no SPDX id."""

_INTRODUCTION = f"""# Third-party licences

<!-- Written by `make licences`. -->

This page lists the packages that Ocrstream requires without containing them, and those that its
dashboard contains, with the licences that the packages state, as
[SPDX](https://spdx.org/licenses/) expressions. A test allows only these licences:
{", ".join(sorted(ALLOWED))}.
Ocrstream uses LGPL and MPL packages unchanged; anyone who changes one must pass on its source.

Third-party wheels may bundle libraries with licences of their own, like GEOS in shapely and
FFmpeg in opencv-python-headless (LGPL-2.1); the wheels' licence files list them, this page does
not. They concern anyone who distributes an image of a service; our wheels contain none of them.

The page omits docTR and its dependencies. `requirements/image-worker-gpu.txt` locks them for the
worker's GPU image alone; the NVIDIA libraries among them are proprietary, under NVIDIA's terms.
"""
_PYTHON = """## Python packages

The packages of `requirements/runtime.txt` that Linux needs.
"""
_DASHBOARD = """## JavaScript packages in the dashboard

The licence files that they bring are in the recorder's wheel, in
`ocrstream_recorder/dashboard/third-party-licences.md`.
"""


@dataclass(frozen=True)
class Package:
    """`version` may be several, by Python's; `licence` is an SPDX expression, or `UNKNOWN`."""

    name: str
    version: str
    licence: str


def python_packages(lock: str) -> list[Package]:
    """What a lock holds for this system; the licences are those of what is installed."""
    versions: dict[str, list[str]] = {}
    needed = set[str]()
    for line in re.findall(r"^[\w.-]+==.*", lock, re.M):
        requirement = Requirement(line.removesuffix(" \\"))
        versions.setdefault(requirement.name, []).append(str(requirement.specifier)[2:])
        if requirement.marker is None or requirement.marker.evaluate():
            needed.add(requirement.name)
    return [
        Package(name, ", ".join(versions[name]), _licence(distribution(name)))
        for name in sorted(needed)
    ]


def bundled_packages(written: str) -> list[Package]:
    """What Vite wrote that it bundled."""
    found = re.findall(r"^## (\S+) - (\d\S*)(?: \((.+)\))?$", written, re.M)
    return [Package(name, version, licence or UNKNOWN) for name, version, licence in found]


def listed_packages(page: str) -> list[Package]:
    """The rows of a page's tables."""
    rows = re.findall(r"^\| (.+) \| (.+) \| (.+) \|$", page, re.M)
    return [Package(*row) for row in rows if row[0] != "package"]


def refused(packages: Iterable[Package]) -> list[Package]:
    """Those with a licence that is not allowed; of a choice, too, for then it is to be made."""
    return [
        package
        for package in packages
        if set(re.findall(r"[\w.+-]+", package.licence)) - {"AND", "OR", "WITH"} - ALLOWED
    ]


def python_section() -> str:
    """The part of the page about Python packages."""
    return f"{_PYTHON}\n{_table(python_packages(LOCK.read_text(encoding='utf-8')))}"


def dashboard_section() -> str:
    """The part of the page about the dashboard, which must be built."""
    return f"{_DASHBOARD}\n{_table(bundled_packages(BUNDLED.read_text(encoding='utf-8')))}"


def page() -> str:
    """What the page is to hold."""
    return "\n".join([_INTRODUCTION, python_section(), dashboard_section()])


def _licence(installed: Distribution) -> str:
    name, metadata = installed.name.lower(), installed.metadata
    if name in _BY_THEIR_FILES:
        return _BY_THEIR_FILES[name]
    expressions = metadata.get_all("License-Expression", []) + metadata.get_all("License", [])
    for expression in expressions:
        try:
            return canonicalize_license_expression(expression)
        except InvalidLicenseExpression:
            continue
    told = [one.rpartition(" :: ")[2] for one in metadata.get_all("Classifier", [])]
    known = sorted({_CLASSIFIERS[one] for one in told if one in _CLASSIFIERS})
    return " OR ".join(known) or UNKNOWN


def _table(packages: Iterable[Package]) -> str:
    rows = [f"| {one.name} | {one.version} | {one.licence} |" for one in packages]
    return "\n".join(["| package | version | licence |", "|---|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
