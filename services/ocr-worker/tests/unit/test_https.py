"""`https://` references: where they lead, and that they reach nothing inside the network."""

import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpcore
import pytest
import trustme
from odd_files import GOOD, OddFiles, odd_files, redirect, status

from ocrstream_runtime.guarded_http import GuardedBackend, parse_networks
from ocrstream_schemas.events import Reason
from ocrstream_worker.errors import PermanentImageError, TransientImageError
from ocrstream_worker.references.https import HttpsFetcher, parse_hosts

HOSTS = "images.example, cdn.example:8443, inside.example, nowhere.example"
PUBLIC, OTHER = "8.8.8.8", "1.1.1.1"


class Wires(httpcore.AsyncNetworkBackend):
    """Leads every connection to the server, and notes which address it was meant for."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connects: Any = httpcore.AnyIOBackend()
        self.connected: list[tuple[str, int]] = []

    async def connect_tcp(
        self, host: str, port: int, *args: Any, **options: Any
    ) -> httpcore.AsyncNetworkStream:
        self.connected.append((host, port))
        return await self._connects.connect_tcp("127.0.0.1", self._port, *args, **options)


@dataclass
class Internet:
    """One server under several names; `names` is the name server."""

    served: OddFiles
    wires: Wires
    allowed_networks: str = ""
    names: dict[str, list[Sequence[str]]] = field(
        default_factory=lambda: {
            "images.example": [[PUBLIC]],
            "cdn.example": [[OTHER]],
            "inside.example": [["169.254.169.254"]],
            "other.example": [[PUBLIC]],
        }
    )

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        answers = self.names.get(host)
        if answers is None:
            raise OSError("no such name")
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def fetch(self, reference: str) -> bytes:
        guard = GuardedBackend(parse_networks(self.allowed_networks), self.resolve, self.wires)
        async with aclosing(HttpsFetcher(parse_hosts(HOSTS), guard, max_bytes=10)) as fetcher:
            return await fetcher.fetch(reference)

    async def refusal(self, reference: str) -> str:
        with pytest.raises(PermanentImageError) as caught:
            await self.fetch(reference)
        assert caught.value.reason is Reason.REFUSED
        return str(caught.value)


@pytest.fixture
async def internet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncGenerator[Internet]:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("images.example", "cdn.example").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with odd_files(context) as served:
        yield Internet(served, Wires(served.port))


async def test_redirects_are_followed_to_allowed_hosts(internet: Internet) -> None:
    internet.served.answers |= {
        "a": [redirect("https://cdn.example:8443/b?signed=1")],
        "b": [redirect("/folder/good.png", 307)],
    }
    assert await internet.fetch("https://images.example/a#part") == GOOD
    assert internet.served.requests == ["/a", "/b?signed=1", "/folder/good.png"]
    assert internet.wires.connected[0] == (PUBLIC, 443)
    assert (OTHER, 8443) in internet.wires.connected


@pytest.mark.parametrize(("hops", "allowed"), [(3, True), (4, False)])
async def test_three_redirects_are_the_most(internet: Internet, hops: int, allowed: bool) -> None:
    for hop in range(hops):
        internet.served.answers[f"{hop}"] = [redirect(f"/{hop + 1}")]
    internet.served.answers[f"{hops}"] = [status(200, GOOD)]
    if allowed:
        assert await internet.fetch("https://images.example/0") == GOOD
    else:
        assert "more than 3 redirects" in await internet.refusal("https://images.example/0")


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("https://other.example/good.png", "OCRSTREAM_HTTPS_HOSTS"),
        ("https://cdn.example/good.png", "OCRSTREAM_HTTPS_HOSTS"),
        ("https://127.0.0.1/good.png", "OCRSTREAM_HTTPS_HOSTS"),
        ("http://images.example/good.png", "does not begin with https"),
        ("file:///etc/passwd", "does not begin with https"),
        ("https://user:secret@images.example/good.png", "user or password"),
        ("https://images.example/a b", "percent-encoded"),
        ("https://inside.example/latest/meta-data", "an address that is not public"),
    ],
)
async def test_a_redirect_must_lead_where_a_reference_may(
    internet: Internet, target: str, says: str
) -> None:
    internet.served.answers["a"] = [redirect(target)]
    error = await internet.refusal("https://images.example/a?token=secret")
    assert says in error
    assert "secret" not in error
    assert internet.served.requests == ["/a?token=secret"]
    assert internet.wires.connected == [(PUBLIC, 443)]


@pytest.mark.parametrize(
    "answer", [["10.0.0.1"], ["127.0.0.1"], ["169.254.169.254"], ["::1"], [PUBLIC, "192.168.0.1"]]
)
async def test_hosts_inside_the_network_are_not_connected_to(
    internet: Internet, answer: list[str]
) -> None:
    internet.names["images.example"] = [answer]
    error = await internet.refusal("https://images.example/good.png")
    assert "OCRSTREAM_HTTPS_ALLOWED_NETWORKS" in error
    assert internet.wires.connected == []


async def test_hosts_inside_the_network_may_be_allowed(internet: Internet) -> None:
    internet.names["images.example"] = [["10.0.0.1"]]
    internet.allowed_networks = "10.0.0.0/24"
    assert await internet.fetch("https://images.example/good.png") == GOOD


async def test_a_name_that_changes_its_address_is_checked_again(internet: Internet) -> None:
    internet.names["images.example"] = [[PUBLIC], ["10.0.0.1"]]
    internet.served.answers["a"] = [
        status(302, Location="/good.png", Connection="close"),
    ]
    assert "an address that is not public" in await internet.refusal("https://images.example/a")
    assert internet.wires.connected == [(PUBLIC, 443)]


async def test_certificates_are_checked(
    internet: Internet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    internet.names["inside.example"] = [[PUBLIC]]
    assert "not trusted" in await internet.refusal("https://inside.example/good.png")
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
    assert "SSL_CERT_FILE" in await internet.refusal("https://images.example/good.png")
    assert internet.served.requests == []


async def test_no_proxy_is_taken_from_the_environment(
    internet: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await internet.fetch("https://images.example/good.png") == GOOD


@pytest.mark.parametrize("code", [204, 206, 304, 400, 401, 403, 418])
async def test_other_answers_are_refused(internet: Internet, code: int) -> None:
    internet.served.answers["a"] = [status(code)]
    assert f"answered {code}" in await internet.refusal("https://images.example/a")


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
async def test_answers_that_pass_are_worth_another_attempt(internet: Internet, code: int) -> None:
    internet.served.answers["a"] = [status(code)]
    with pytest.raises(TransientImageError, match=f"answered {code}"):
        await internet.fetch("https://images.example/a")


async def test_a_name_that_cannot_be_resolved_is_worth_another_attempt(internet: Internet) -> None:
    with pytest.raises(TransientImageError, match="cannot be resolved"):
        await internet.fetch("https://nowhere.example/a.png")


async def test_what_comes_compressed_is_refused(internet: Internet) -> None:
    internet.served.answers["a"] = [status(200, b"x", Content_Encoding="gzip")]
    assert "content encoding gzip" in await internet.refusal("https://images.example/a")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("https://images.example", "'https://images.example'"),
        ("images.example/folder", "more than a host"),
        ("user@images.example", "user or password"),
        ("images.example:port", "is no URL"),
        ("bücher.example", "percent-encoded"),
        (":8443", "names no host"),
    ],
)
def test_hosts_are_checked(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_hosts(text)
    assert len(parse_hosts("IMAGES.example, images.example:443,[2001:db8::1]:8443,")) == 2
