"""The client installs no service, and needs nothing but what it declares."""

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

SOURCE = Path(__file__).parents[1] / "src"


def _closure(name: str) -> set[str]:
    found: set[str] = set()
    left = [name]
    while left:
        one = left.pop().lower().replace("_", "-")
        if one not in found:
            found.add(one)
            for told in distribution(one).requires or []:
                requirement = Requirement(told)
                if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                    left.append(requirement.name)
    return found


def test_all_of_it_can_be_imported_with_only_what_it_declares(tmp_path: Path) -> None:
    needed = _closure("ocrstream-client") - {"ocrstream-client"}
    assert not [name for name in needed if name.startswith("ocrstream")]
    for name in needed:
        for file in distribution(name).files or []:
            top = file.parts[0]
            if top not in {"..", "__pycache__"} and not (tmp_path / top).exists():
                (tmp_path / top).symlink_to(Path(str(distribution(name).locate_file(top))))
    modules = [
        f"ocrstream_client.{file.stem}" for file in (SOURCE / "ocrstream_client").glob("*.py")
    ]
    imports = f"import sys; sys.path += {[str(SOURCE), str(tmp_path)]!r}; " + "; ".join(
        f"import {module}" for module in modules if not module.endswith("__init__")
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", imports],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
