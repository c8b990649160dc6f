import os
from pathlib import Path

import pytest

from ocrstream_client.errors import NotSubmittableError
from ocrstream_client.file_search import find_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG", "notes.txt", ".hidden.png", "sub/c.tiff", ".git/d.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def names(folder: Path, *asked: str) -> list[str]:
    return [str(file.path.relative_to(folder)) for file in find_files(asked)]


def test_a_folder_gives_its_images_in_order(folder: Path) -> None:
    assert names(folder, str(folder)) == ["a.JPG", "b.png", "sub/c.tiff"]


def test_a_glob_gives_images_only(folder: Path) -> None:
    assert names(folder, f"{folder}/*") == ["a.JPG", "b.png"]
    assert names(folder, f"{folder}/**/*.tiff") == ["sub/c.tiff"]


def test_a_file_named_by_itself_is_taken_whatever_it_is(folder: Path) -> None:
    assert names(folder, str(folder / "notes.txt")) == ["notes.txt"]


def test_each_file_is_taken_once(folder: Path) -> None:
    assert names(folder, str(folder / "b.png"), str(folder)) == ["b.png", "a.JPG", "sub/c.tiff"]
    assert names(folder, str(folder / "b.png"), str(folder / "b.png")) == ["b.png"]


def test_links_to_folders_lead_into_no_circle(folder: Path) -> None:
    (folder / "sub" / "up").symlink_to(folder)
    assert names(folder, str(folder)) == ["a.JPG", "b.png", "sub/c.tiff"]


@pytest.mark.parametrize("name", ["none.png", "none/*.png", "empty"])
def test_what_stands_for_nothing_is_named(folder: Path, name: str) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(NotSubmittableError, match=name.replace("*", r"\*")):
        find_files([str(folder / name)])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("{}", ["a.JPG", "b.png", "sub/c.tiff"]),
        ("{}/", ["a.JPG", "b.png", "sub/c.tiff"]),
        ("{}/sub/../sub", ["c.tiff"]),
        ("{}/sub/c.tiff", ["c.tiff"]),
        ("{}/**/*.tiff", ["sub/c.tiff"]),
        ("{}/s*/*", ["sub/c.tiff"]),
        ("{}/s*/../*.png", ["b.png"]),
    ],
)
@pytest.mark.parametrize("absolute", [True, False])
def test_a_file_is_called_by_its_path_inside_what_was_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, asked: str, said: list[str], absolute: bool
) -> None:
    monkeypatch.chdir(folder)
    name = asked.format(folder if absolute else ".")
    assert [file.source_name for file in find_files([name])] == said


def test_a_name_that_is_no_text_can_still_be_sent(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xfc.png")).write_bytes(b"x")
    (file,) = find_files([str(tmp_path)])
    assert file.source_name == "\ufffd.png"
    assert Path(file).read_bytes() == b"x"
