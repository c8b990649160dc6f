"""References to object stores: which are allowed, and what cannot be one."""

import pytest

from ocrstream_runtime.errors import FetchError, FetchFailure
from ocrstream_runtime.object_stores import AllowedStores, open_stores, parse_stores


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> AllowedStores:
    # Nobody answers there: what is asked for is an error that may pass.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:9")
    return AllowedStores(parse_stores("s3://bucket/scans/, gs://whole"), max_bytes=10)


@pytest.mark.parametrize(
    "reference",
    [
        "s3://bucket/a.png",
        "s3://bucket/scans2/a.png",
        "s3://bucket/scans",
        "s3://bucket2/scans/a.png",
        "gs://bucket/scans/a.png",
        "az://whole/a.png",
    ],
)
async def test_what_lies_elsewhere_is_refused(stores: AllowedStores, reference: str) -> None:
    with pytest.raises(FetchError, match="OCRSTREAM_OBJECT_STORES") as caught:
        await stores.read(reference)
    assert caught.value.failure is FetchFailure.REFUSED
    assert "s3://bucket/scans, gs://whole/" in str(caught.value)


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("s3://bucket/scans/../a.png", "empty part"),
        ("s3://bucket/scans/./a.png", "empty part"),
        ("s3://bucket/scans//a.png", "empty part"),
        ("s3://bucket//scans/a.png", "empty part"),
        ("s3://bucket/scans/", "empty part"),
        ("s3://bucket", "does not name an object"),
        ("s3://bucket/", "does not name an object"),
        ("s3:///scans/a.png", "not a bucket and key"),
        ("s3://user@bucket/scans/a.png", "not a bucket and key"),
        ("s3://bucket/scans/a\nb.png", "not a bucket and key"),
        ("S3://bucket/scans/a.png", "not a bucket and key"),
    ],
)
async def test_what_is_no_object_is_refused(
    stores: AllowedStores, reference: str, says: str
) -> None:
    with pytest.raises(FetchError, match=says) as caught:
        await stores.read(reference)
    assert caught.value.failure is FetchFailure.REFUSED


@pytest.mark.parametrize("text", ["bucket", "ftp://bucket", "s3://", "s3://bucket/../x"])
def test_allowed_stores_are_checked(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a bucket|empty part"):
        parse_stores(text)


def test_a_store_that_the_environment_does_not_describe_cannot_be_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(ValueError, match=r"az://container is not usable: .*Account"):
        open_stores(parse_stores("az://container"))
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    assert list(open_stores(parse_stores("az://container, az://container/a"))) == [
        ("az", "container")
    ]
