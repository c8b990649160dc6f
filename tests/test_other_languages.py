"""A producer that knows nothing of this project's code, only of its published contract."""

import secrets
import shutil
import subprocess
from pathlib import Path

import pytest
from not_run import not_run
from real_servers import CACHE
from whole_system import System

from ocrstream_local.downloads import kafka_jars

pytestmark = pytest.mark.integration

CONTRACT = Path(__file__).parents[1] / "libs" / "schemas" / "contract"


def test_a_java_producers_images_are_read_under_the_ids_it_derived(system: System) -> None:
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        not_run("a producer in Java", "this machine has no JDK")
    batch_id = f'Grüße "大" \\ {secrets.token_hex(4)}'
    paths = [system.image(f"from java/{index}.png") for index in range(3)]
    ran = subprocess.run(
        [
            *(java, "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-Dsun.jnu.encoding=UTF-8"),
            *("-cp", f"{kafka_jars(CACHE, print)}/*", str(CONTRACT / "java" / "Submit.java")),
            *(system.kafka, batch_id, *paths),
        ],
        env={"LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    chain_ids = ran.stdout.split()
    assert len(set(chain_ids)) == 3
    batch = system.ended(batch_id)
    assert (batch["status"], batch["completed_images"]) == ("SUCCESS", 3)
    assert [image["chain_id"] for image in system.images(batch_id)] == chain_ids
    assert [image["image_path"] for image in system.images(batch_id)] == paths
