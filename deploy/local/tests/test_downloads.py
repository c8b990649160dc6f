"""What is said when something is missing."""

from pathlib import Path

import pytest

from ocrstream_local import downloads
from ocrstream_local.errors import StackError


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_202"', 1),
        ('openjdk version "25" 2025-09-16', 25),
        ("what?", 0),
    ],
)
def test_reads_javas_version(said: str, version: int, tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}\nEND\n")
    java.chmod(0o755)
    assert downloads.java_version(str(java)) == version


def test_without_maven_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    with pytest.raises(StackError, match=r"Maven(.|\n)*apt-get install maven"):
        downloads.kafka_jars(tmp_path / "cache", said.append)
    assert "43 MB" in said[0]
    assert not (tmp_path / "cache" / f"kafka-{downloads.KAFKA_VERSION}").exists()


def test_what_maven_could_not_fetch_is_shown_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho 'Could not transfer artifact'\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setattr(downloads, "maven", lambda: str(maven))
    with pytest.raises(StackError, match="Could not transfer"):
        downloads.kafka_jars(tmp_path / "cache", lambda _: None)
    assert not list((tmp_path / "cache").iterdir())


def test_without_java_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(downloads, "_packaged_java", lambda: None)
    with pytest.raises(StackError, match=r"Java 17 or newer.*apt-get install"):
        downloads.java(print)


def test_the_pom_is_what_maven_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "pom-that-was-read.xml"
    maven = tmp_path / "mvn"
    maven.write_text(
        "#!/bin/sh\n"
        'for a; do case "$a" in --file=*) cp "${a#--file=}" ' + str(kept) + ";;"
        ' -DoutputDirectory=*) mkdir "${a#-DoutputDirectory=}";; esac; done\n'
    )
    maven.chmod(0o755)
    monkeypatch.setattr(downloads, "maven", lambda: str(maven))
    folder = downloads.kafka_jars(tmp_path / "cache", lambda _: None)
    assert folder.is_dir()
    assert f"<version>{downloads.KAFKA_VERSION}</version>" in kept.read_text()
