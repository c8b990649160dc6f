"""What each format makes of images: nothing is lost, and nothing that was read is markup."""

import csv
import io
import json
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from alto_schema import alto_errors
from exported import box, export, failed, image
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ocrstream_recorder.export.archive import safe_name
from ocrstream_recorder.export.formats import Format
from ocrstream_recorder.export.lines import lines_of, text_of
from ocrstream_recorder.export.plain_text import escape_markdown
from ocrstream_recorder.export.tabular import CSV_COLUMNS

HOSTILE = ["<script>alert(1)</script>", "\"&'", "]]>", "--><b>", "\x01\x0b\x1f", "=1+1", "\ufffe"]
ALTO = "{http://www.loc.gov/standards/alto/ns-v4#}"

FULL_WIDTH = "\uff1d\uff0b\uff0d\uff20"  # = + - @
# What the database can hold.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


def csv_rows(document: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(document.decode(), newline="")))


@given(st.lists(texts | st.sampled_from([f"{sign}1+1" for sign in FULL_WIDTH]), min_size=1), texts)
@example(["\uff1d1+1", " \uff201"], "\uff0b")
def test_json_lines_and_csv_give_back_what_was_read(read: list[str], name: str) -> None:
    one = image(*(box(text) for text in read), source_name=name)
    (line,) = export(Format.JSONL, one).splitlines(keepends=True)
    row = json.loads(line)
    assert [found["text"] for found in row["text_boxes"]] == read
    assert row["source_name"] == name
    assert row["text_boxes"][0]["bbox"] == [[0, 0], [100, 0], [100, 20], [0, 20]]

    rows = csv_rows(export(Format.CSV, one))
    assert [row["text"].removeprefix("'") for row in rows] == read
    assert {row["source_name"].removeprefix("'") for row in rows} == {name}
    for cell in [row["text"] for row in rows] + [rows[0]["source_name"]]:
        assert not cell.lstrip(" ").startswith((*"=+-@\t\r\n", *FULL_WIDTH)), cell


def test_csv_has_a_line_for_an_image_without_text() -> None:
    rows = csv_rows(export(Format.CSV, failed(error="=cmd|' /C calc'!A0", index=3)))
    assert [(row["index"], row["reason"], row["box"]) for row in rows] == [("3", "not_found", "")]
    assert rows[0]["error"] == "'=cmd|' /C calc'!A0"
    assert tuple(rows[0]) == CSV_COLUMNS


@pytest.mark.parametrize("kind", [kind for kind in Format if kind is not Format.PDF])
def test_an_image_without_text_is_there_with_its_reason(kind: Format) -> None:
    document = export(kind, image(box("first")), failed(), image(box("last"))).decode()
    document = document.replace("\\", "")  # Markdown's escapes
    places = [document.index(word) for word in ("first", "not_found", "it is gone", "last")]
    assert places == sorted(places)


def test_plain_text_of_one_image_is_its_lines_alone() -> None:
    one = image(box("one\ntwo"), box("three", y=40))
    assert export(Format.TXT, one, single=True) == b"one two\nthree\n"
    both = export(Format.TXT, one, failed(source_name="b/c.png", page=2)).decode()
    assert both == (
        "==> a.png <==\none two\nthree\n\n==> c.png, page 2 <==\n"
        "[not read: not_found: it is gone]\n"
    )


def test_words_are_joined_to_lines_along_their_direction() -> None:
    level = (box("a", 0), box("b", 110, 3), box("c", 0, 40), box("d", 110, 44))
    assert [text_of(line) for line in lines_of(image(*level, words=True))] == ["a b", "c d"]
    upward = (box("a", 0, 500, turn=90), box("b", 3, 390, turn=90), box("c", 40, 500, turn=90))
    assert [text_of(line) for line in lines_of(image(*upward, words=True))] == ["a b", "c"]
    columns = (box("a", 0), box("b", 500, 100), box("c", 0, 100))
    assert [text_of(line) for line in lines_of(image(*columns, words=True))] == ["a", "b", "c"]
    assert len(lines_of(image(*level))) == 4


SET_SOLID = image(
    *(box(text, 25 * at, width=20) for at, text in enumerate("請求書、の")),
    box("ABC", 125, width=60),
    box("金額", 205, width=40),
    box("合計", 300, width=40),
    box("금액", 345, width=40),
    box("합계", 390, width=40),
    words=True,
)


def test_chinese_and_japanese_words_are_joined_without_blanks() -> None:
    line = "請求書、の ABC 金額 合計 금액 합계"  # room for a blank between 金額 and 合計
    assert export(Format.TXT, SET_SOLID, single=True).decode() == f"{line}\n"
    assert export(Format.MD, SET_SOLID, single=True).decode() == f"# a.png\n\n{line}\n"
    page = ElementTree.fromstring(export(Format.HOCR, SET_SOLID))  # noqa: S314
    assert [
        "".join(span.itertext()) for span in page.iter() if span.get("class") == "ocr_line"
    ] == [line]
    (text_line,) = ElementTree.fromstring(export(Format.ALTO, SET_SOLID)).iter(f"{ALTO}TextLine")  # noqa: S314
    assert (
        "".join(" " if part.tag == f"{ALTO}SP" else part.get("CONTENT", "") for part in text_line)
        == line
    )


def test_a_line_break_in_a_box_is_a_blank_where_the_script_has_blanks() -> None:
    one = image(box("請求\n書"), box("two\nlines", y=40), box("한국\n어", y=80))
    assert export(Format.TXT, one, single=True).decode() == "請求書\ntwo lines\n한국 어\n"


MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@given(st.lists(texts | st.text("\\`*_{}[]()#+-.!<>|~=:&$^ 1aw\t\n", max_size=12), min_size=1))
def test_nothing_that_was_read_is_markdown(read: list[str]) -> None:
    document = export(Format.MD, image(*(box(text) for text in read)), single=True).decode()
    heading, paragraph = document.split("\n\n", 1)
    assert heading == "# a.png"
    if not "".join(" ".join(text.split()) for text in read):
        return
    found: list[Any] = MARKDOWN.parse(paragraph)
    kinds = {token.type for token in found}
    assert kinds <= {"paragraph_open", "inline", "paragraph_close"}, document
    inner = [token for block in found for token in block.children or []]
    assert {token.type for token in inner} <= {"text", "text_special", "hardbreak", "softbreak"}


def test_markdown_shows_what_was_read() -> None:
    for text in ("1. first", "- item", "# no heading", "<b>", "a *b* c", "www.a.example", "3) c"):
        assert MARKDOWN.renderInline(escape_markdown(text)) == text.replace("<", "&lt;").replace(
            ">", "&gt;"
        )


class _Hocr(HTMLParser):
    """The elements of the classes that hOCR has, and their texts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        if "class" in told:
            parts = (part.strip().partition(" ") for part in told.get("title", "").split(";"))
            self.found.append((told["class"], {name: value for name, _, value in parts}))
            if told["class"] == "ocrx_word":
                self.words.append("")

    def handle_data(self, data: str) -> None:
        if self.words and data.strip():
            self.words[-1] += data


def hocr(*images: Any) -> _Hocr:
    document = export(Format.HOCR, *images)
    ElementTree.fromstring(document)  # noqa: S314 - it is XML as well
    parser = _Hocr()
    parser.feed(document.decode())
    parser.close()
    return parser


def test_hocr_tells_places_confidence_and_direction() -> None:
    words = image(box("one", 10, 20), box("two", 120, 20), words=True)
    turned = image(box("up", 10, 500, turn=90), box("slant", 10, 700, turn=10))
    found = hocr(words, turned, failed()).found
    classes = [name for name, _ in found]
    assert classes[:4] == ["ocr_page", "ocr_line", "ocrx_word", "ocrx_word"]
    assert classes.count("ocr_page") == 3
    assert found[0][1]["bbox"] == "0 0 220 40"
    assert found[1][1] == {"bbox": "10 20 220 40", "baseline": "0 0"}
    assert (found[2][1]["bbox"], found[2][1]["x_wconf"]) == ("10 20 110 40", "50")
    lines = [told for name, told in found if name == "ocr_line"]
    assert lines[1]["textangle"] == "90"
    assert "baseline" not in lines[1]
    assert lines[2]["textangle"] == "10"
    slope, offset = map(float, lines[2]["baseline"].split())
    # The line goes through the text's lower corners.
    left, _, _, bottom = map(float, lines[2]["bbox"].split())
    for x, y in (box("", 10, 700, turn=10).polygon[3], box("", 10, 700, turn=10).polygon[2]):
        assert bottom + offset + slope * (x - left) == pytest.approx(y, abs=1)
    assert classes[-1] == "ocrstream_error"


def test_pages_are_as_large_as_their_images_where_results_tell() -> None:
    told = image(box("one", 10, 20), provenance={"engine": "e", "width": 640, "height": 480})
    half_told = image(box("one", 10, 20), provenance={"engine": "e", "width": 640})
    pages = [one["bbox"] for name, one in hocr(told, half_told).found if name == "ocr_page"]
    assert pages == ["0 0 640 480", "0 0 110 40"]
    document = export(Format.ALTO, told, half_told)
    assert not alto_errors(document)
    found = [page.attrib for page in ElementTree.fromstring(document).iter(f"{ALTO}Page")]  # noqa: S314
    assert [(one.get("WIDTH"), one.get("HEIGHT")) for one in found] == [("640", "480"), (None,) * 2]


def test_hostile_text_stays_text_in_hocr_and_alto() -> None:
    path = 'file:///"; bbox 9 9 9 9; <i>.png'
    one = image(*(box(text) for text in HOSTILE), image_path=path, source_name="--><b>.png")
    parsed = hocr(one, failed(error="<img src=x>"))
    assert parsed.tags == {"html", "head", "meta", "title", "body", "div", "span", "br", "p"}
    shown = [
        text.replace("\x01\x0b\x1f", "\ufffd" * 3).replace("\ufffe", "\ufffd") for text in HOSTILE
    ]
    assert parsed.words[:-1] == shown[:-1]

    document = export(Format.ALTO, one, failed(error='"><Page/>'), title="<&")
    assert not alto_errors(document)
    strings = ElementTree.fromstring(document).iter(f"{ALTO}String")  # noqa: S314
    assert [string.get("CONTENT") for string in strings] == shown


@given(st.lists(st.lists(texts, max_size=3), max_size=3), st.booleans())
def test_alto_keeps_to_its_rules(pages: list[list[str]], words: bool) -> None:
    images = [
        image(*(box(text, turn=7) for text in page), words=words, reason="no_text", error=text)
        for page in pages
        for text in ["", *page][:1]
    ]
    assert not alto_errors(export(Format.ALTO, *images))


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\Windows\\x", "C__Windows_x"),
        ("a\0b\n\u202egpj.exe", "a_b__gpj.exe"),
        ("...", "export"),
        ("~/.ssh", "_.ssh"),
        ("계약서 1.png", "계약서 1.png"),
        ("é" * 200, "é" * 60),
    ],
)
def test_names_of_files_lead_nowhere(name: str, safe: str) -> None:
    assert safe_name(name) == safe
