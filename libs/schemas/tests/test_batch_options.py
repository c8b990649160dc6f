"""Options of a batch that the system acts on."""

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrstream_schemas.batch_options import deadline_of, webhook_of
from ocrstream_schemas.errors import InvalidOptionError


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("2030-01-31T18:00:00Z", datetime(2030, 1, 31, 18, tzinfo=UTC)),
        ("2030-01-31T18:00:00+02:00", datetime(2030, 1, 31, 16, tzinfo=UTC)),
        ("2030-01-31T18:00:00", datetime(2030, 1, 31, 18, tzinfo=UTC)),
        (None, None),
    ],
)
def test_a_deadline_is_an_instant(told: str | None, meant: datetime | None) -> None:
    assert deadline_of({"deadline": told}) == meant


@pytest.mark.parametrize("told", ["tomorrow", 1_700_000_000, True, [], "0001-01-01T00:00:00Z", ""])
def test_what_is_no_instant_is_refused(told: Any) -> None:
    with pytest.raises(InvalidOptionError, match="deadline"):
        deadline_of({"deadline": told})


def test_without_options_there_is_nothing() -> None:
    assert deadline_of(None) is None
    assert webhook_of({}) is None


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://example.com/hook?token=secret", "https://example.com"),
        ("http://example.com:8080", "http://example.com:8080"),
        ("https://[2001:db8::1]:443/x", "https://[2001:db8::1]:443"),
    ],
)
def test_a_webhook_url(url: str, origin: str) -> None:
    assert webhook_of({"webhook_url": url}) == (url, origin)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "//example.com",
        "https://",
        "https://user:pass@example.com/",
        "https://example.com:22/",
        "https://example.com:99999/",
        "https://example.com/\r\nHost: other",
        "https://example.com\\@other.example/",
        "https://exämple.com/",
        "https://[::1/",
        "https://example.com/" + "x" * 2048,
        5,
    ],
)
def test_a_bad_webhook_url_is_refused_and_not_repeated(url: Any) -> None:
    with pytest.raises(InvalidOptionError) as refused:
        webhook_of({"webhook_url": url})
    assert str(url) not in str(refused.value)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
def test_any_other_value_is_refused_in_one_way(value: Any) -> None:
    for judge, name in ((deadline_of, "deadline"), (webhook_of, "webhook_url")):
        with contextlib.suppress(InvalidOptionError):
            judge({name: value})
