"""The names of uploaded files, as the different senders write them."""

import httpx
import pytest
from fake_publisher import FakePublisher
from hypothesis import given
from hypothesis import strategies as st

from ocrstream_ingest.file_names import find_file_name
from ocrstream_schemas.fields import SOURCE_NAME_MAX_LENGTH as MAX_LENGTH


async def post(api: httpx.AsyncClient, parameters: bytes) -> httpx.Response:
    body = b'--b\r\nContent-Disposition: form-data; name="files"%b\r\n\r\nx\r\n--b--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    return await api.post("/v1/images", content=body % parameters, headers=headers)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ('; filename="über.png"'.encode(), "über.png"),
        ("; filename=über.png".encode(), "über.png"),
        (b'; filename="\xfcber.png"', "über.png"),
        (b'; filename="5 \x80.png"', "5 €.png"),
        (b'; filename="\x81.png"', "\x81.png"),
        (b"; filename*=UTF-8''%C3%BCber.png", "über.png"),
        (b"; filename*=utf-8'en'%ED%95%A9%EA%B3%84.png", "합계.png"),
        (b"; filename*=ISO-8859-1''%FCber.png", "über.png"),
        (b"; FileName* = UTF-8''a%20b.png ; x=y", "a b.png"),
        (b"; filename=\"ber.png\"; filename*=UTF-8''%C3%BCber.png", "über.png"),
        (b"; filename*=UTF-8''%C3%BCber.png; filename=\"ber.png\"", "über.png"),
        (b"; filename=\"a; filename*=UTF-8''b.png\"", "a; filename*=UTF-8''b.png"),
        (b"; filename*=\"UTF-8''%C3%BCber.png\"", "über.png"),
        (b'; filename="=?utf-8?B?w7xiZXIucG5n?="', "über.png"),
        (b'; filename="=?UTF-8?q?=C3=BCber_1.png?="', "über 1.png"),
        (b'; filename="=?iso-8859-1*de?Q?=FCber?= =?utf-8?b?w7w=?=.png"', "überü.png"),
        (b'; filename="=?euc-kr?B?x9WwqC5wbmc?="', "합감.png"),
        (b'; filename="2024/01/a.png"', "2024/01/a.png"),
        (b'; filename="./a//b.png"', "a/b.png"),
    ],
)
async def test_a_name_is_what_the_sender_meant(
    api: httpx.AsyncClient, publisher: FakePublisher, parameters: bytes, name: str
) -> None:
    answer = await post(api, parameters)
    assert answer.status_code == 202, answer.text
    assert publisher.images[0].source_name == name


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        (b"; filename*=UTF-8''%FCber.png", "über.png"),
        (b"; filename*=no-charset''%C3%BC.png", "ü.png"),
        (b"; filename*=unicode_escape''a%5Cx41", "a\\x41"),
        (b"; filename*=a%zz.png", "a%zz.png"),
        (b"; filename*=; filename=a.png", "a.png"),
        (b"; filename*=UTF-8''", None),
        (b"; filename*=UTF-8''%00", None),
        (b"; filename*=UTF-8''%ED%A0%80", "í\xa0€"),
        (b'; filename="=?utf-8?B?***?=.png"', "=?utf-8?B?***?=.png"),
        (b'; filename="=?utf-8?B?w?=.png"', "=?utf-8?B?w?=.png"),
        (b'; filename="=?x?Q?a=?="', "a"),
    ],
)
async def test_a_name_that_breaks_the_rules_refuses_no_file(
    api: httpx.AsyncClient, publisher: FakePublisher, parameters: bytes, name: str | None
) -> None:
    answer = await post(api, parameters)
    assert answer.status_code == 202, answer.text
    assert publisher.images[0].source_name == name


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("/home/somebody/scans/a.png", "a.png"),
        ("../../etc/passwd", "passwd"),
        ("scans/../../a.png", "a.png"),
        ("..\\..\\a.png", "a.png"),
        ("C:/Users/somebody/a.png", "a.png"),
        ("\\\\server\\share\\a.png", "a.png"),
        ("..", None),
        (".", None),
        ("/", None),
        ("a/..", None),
        ("a..png/b..c", "a..png/b..c"),
    ],
)
@pytest.mark.parametrize("parameter", ['; filename="{}"', "; filename*=UTF-8''{}"])
async def test_no_name_leads_out_of_what_was_submitted(
    api: httpx.AsyncClient, publisher: FakePublisher, parameter: str, sent: str, name: str | None
) -> None:
    answer = await post(api, parameter.format(sent).encode())
    assert answer.status_code == 202, answer.text
    assert publisher.images[0].source_name == name


async def test_a_part_without_any_name_is_no_file(api: httpx.AsyncClient) -> None:
    answer = await post(api, b"")
    assert answer.status_code == 422
    assert "no file name" in answer.json()["detail"]


def test_of_a_long_path_the_end_is_kept() -> None:
    name = "/".join(["folder.."] * 300) + "/a.png"
    found = find_file_name(f'form-data; filename="{name}"'.encode())
    assert found is not None
    assert name.endswith(f"/{found}")
    assert MAX_LENGTH - len("/folder..") <= len(found) <= MAX_LENGTH
    long = f'form-data; filename="{"x" * 2000}.png"'.encode()
    assert find_file_name(long) == ("x" * 2000 + ".png")[-MAX_LENGTH:]


@given(st.binary(max_size=200), st.sampled_from([b"", b"filename=", b"filename*=", b'filename="']))
def test_any_bytes_give_a_name_that_can_be_stored_and_leads_nowhere(
    value: bytes, parameter: bytes
) -> None:
    name = find_file_name(b"form-data; " + parameter + value)
    if name is not None:
        name.encode()
        assert "\0" not in name
        assert ".." not in name.split("/")
        assert not name.startswith("/")
