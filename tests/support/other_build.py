"""Our services of another build, to run beside those of this one."""

import subprocess
from pathlib import Path

from compose import ROOT
from composed import BUILD_TIMEOUT_S, Composed, docker, run
from not_run import not_run

BEFORE = "before"
"""The tag of images, and what is added to names of services, of the build before this one."""

IMAGES_OF = {
    "ingest": ("ocrstream-ingest", "services/ingest/Dockerfile", None),
    "ocr-worker": ("ocrstream-worker", "services/ocr-worker/Dockerfile", "cpu"),
    "recorder": ("ocrstream-recorder", "services/recorder/Dockerfile", None),
    "recorder-api": ("ocrstream-recorder", "services/recorder/Dockerfile", None),
}


def commit_before() -> str:
    """The last commit of which images are others than of HEAD, where the history is there."""
    git = ["git", "log", "-1", "--format=%H"]
    said = subprocess.run(
        ["bash", "-c", f"{' '.join(git)} $({' '.join(git)} -- libs services requirements)^"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode:
        not_run("images of another build", said.stderr.strip())
    return said.stdout.strip()


def build(commit: str, folder: Path) -> None:
    """Build our images of a commit, under a tag of their own."""
    folder.mkdir()
    archive = folder.with_suffix(".tar")
    run(["git", "archive", f"--output={archive}", commit], 60)
    run(["tar", "--extract", f"--file={archive}", f"--directory={folder}"], 60)
    for name, dockerfile, target in sorted(set(IMAGES_OF.values()), key=str):
        docker(
            *("build", "--quiet", f"--tag={name}:{BEFORE}", f"--file={folder / dockerfile}"),
            *((f"--target={target}",) if target else ()),
            str(folder),
            timeout_s=BUILD_TIMEOUT_S,
        )


def beside(composed: Composed, ports: dict[str, int]) -> str:
    """A file for Compose: each of our services once more, of the build before."""
    lines = ["services:"]
    for name, (image_name, *_) in IMAGES_OF.items():
        lines += [
            f"  {name}-{BEFORE}:",
            f"    extends: {{file: {ROOT / 'docker-compose.yml'}, service: {name}}}",
            f"    image: {image_name}:{BEFORE}",
        ]
        if name in ports:
            lines.append(f'    ports: !override ["127.0.0.1:{ports[name]}:8000"]')
        if name == "ocr-worker":
            lines.append("    environment: {OCRSTREAM_ENGINE: noop}")
    return "\n".join(lines) + "\n"
