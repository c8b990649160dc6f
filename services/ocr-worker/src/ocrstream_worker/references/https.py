"""`https://`: files of the hosts that are allowed, never from inside the network."""

import ssl
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import httpcore

from ocrstream_runtime.guarded_http import AddressRefused, HostUnknown
from ocrstream_runtime.references import UnreadableFile, collect
from ocrstream_schemas.events import Reason
from ocrstream_worker.errors import PermanentImageError, TransientImageError
from ocrstream_worker.references.port import image_error

_MOST_REDIRECTS = 3
_CONNECT_TIMEOUT_S = 10.0
_DEFAULT_PORT = 443
_OK = 200
_REDIRECTS = {301, 302, 303, 307, 308}
_MISSING = {404, 410}
_LATER = {408, 425, 429}
_HEADERS: dict[str | bytes, str | bytes] = {
    "user-agent": "ocrstream",
    "accept": "image/*, */*;q=0.1",
    "accept-encoding": "identity",
}


class Host(NamedTuple):
    """Who may be asked."""

    name: str
    port: int

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == _DEFAULT_PORT else f"{name}:{self.port}"


class Address(NamedTuple):
    """A URL; `target` is path and query as they are sent."""

    host: Host
    target: str

    def __str__(self) -> str:
        # A query may be what gives access.
        return f"https://{self.host}{self.target.partition('?')[0]}"

    @property
    def url(self) -> str:
        """The whole of it."""
        return f"https://{self.host}{self.target}"


def parse_hosts(text: str) -> frozenset[Host]:
    """`host` or `host:port`, separated by commas. Raises ValueError."""
    return frozenset(_host(part.strip()) for part in text.split(",") if part.strip())


class HttpsFetcher:
    """GETs files of the `allowed` hosts, without credentials, proxies or cookies.

    Each redirect's target must be allowed as the reference itself. `backend` decides which
    addresses are connected to; certificates are checked against the system's authorities, or those
    that `SSL_CERT_FILE` names.
    """

    def __init__(
        self, allowed: frozenset[Host], backend: httpcore.AsyncNetworkBackend, *, max_bytes: int
    ) -> None:
        self._allowed = allowed
        self._max_bytes = max_bytes
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            network_backend=backend,
            max_connections=None,
            keepalive_expiry=30.0,
        )

    async def aclose(self) -> None:
        """Closes its connections."""
        await self._pool.aclose()

    async def fetch(self, reference: str) -> bytes:
        """As the port says."""
        address = self._checked(reference)
        for _ in range(_MOST_REDIRECTS + 1):
            answer = await self._get(address)
            if isinstance(answer, bytes):
                return answer
            address = self._checked(urljoin(address.url, answer), redirected_by=address)
        raise PermanentImageError(
            Reason.REFUSED, f"{address} is the end of more than {_MOST_REDIRECTS} redirects"
        )

    async def _get(self, address: Address) -> bytes | str:
        """The file, or where it is said to be."""
        url = httpcore.URL(
            scheme="https", host=address.host.name, port=address.host.port, target=address.target
        )
        timeouts = {"timeout": {"connect": _CONNECT_TIMEOUT_S}}
        try:
            async with self._pool.stream(
                "GET", url, headers=_HEADERS, extensions=timeouts
            ) as response:
                headers = {
                    name.lower().decode("latin-1"): value.decode("latin-1")
                    for name, value in response.headers
                }
                if response.status in _REDIRECTS and "location" in headers:
                    return headers["location"]
                _check(address, response.status, headers)
                told = headers.get("content-length", "")
                return await collect(
                    str(address),
                    int(told) if told.isdecimal() else None,
                    response.aiter_stream(),
                    self._max_bytes,
                )
        except UnreadableFile as error:
            raise image_error(error) from error
        except AddressRefused as error:
            raise PermanentImageError(
                Reason.REFUSED,
                f"{address}: {error}; to allow its network, add it to"
                " OCRSTREAM_HTTPS_ALLOWED_NETWORKS and restart the worker",
            ) from error
        except (
            HostUnknown,
            httpcore.NetworkError,
            httpcore.TimeoutException,
            httpcore.ProtocolError,
        ) as error:
            raise _translated(error, address) from error

    def _checked(self, text: str, redirected_by: Address | None = None) -> Address:
        by = f" (redirected by {redirected_by})" if redirected_by else ""
        try:
            address = _address(text)
        except ValueError as error:
            raise PermanentImageError(Reason.REFUSED, f"the reference {error}{by}") from error
        if address.host not in self._allowed:
            known = ", ".join(sorted(map(str, self._allowed))) or "none"
            raise PermanentImageError(
                Reason.REFUSED,
                f"{address}: {address.host} is none of the hosts that references may point to"
                f" ({known}){by}; to allow it, add it to OCRSTREAM_HTTPS_HOSTS (comma-separated)"
                " and restart the worker",
            )
        return address


def _host(text: str) -> Host:
    try:
        address = _address(f"https://{text}")
    except ValueError as error:
        raise ValueError(f"{text!r} {error}") from error
    if address.target != "/":
        raise ValueError(f"{text!r} is more than a host and a port, like images.example.org:8443")
    return address.host


def _address(text: str) -> Address:
    """Raises ValueError, which never repeats the text: it may hold a password."""
    # What a parser would strip, encode or read otherwise than the next one.
    if not text.isascii() or not text.isprintable() or set(text) & set(' "<>\\^`{|}'):
        raise ValueError("holds a character that must be percent-encoded")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError("is no URL") from error
    if parts.scheme != "https":
        raise ValueError("does not begin with https://")
    if not parts.hostname:
        raise ValueError("names no host")
    if "@" in parts.netloc:
        raise ValueError("holds a user or password, which everybody who sees it could use")
    host = Host(parts.hostname, _DEFAULT_PORT if port is None else port)
    return Address(host, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def _check(address: Address, status: int, headers: Mapping[str, str]) -> None:
    if status in _LATER or status >= 500:
        raise TransientImageError(Reason.TIMEOUT, f"{address} could not be read: answered {status}")
    if status in _MISSING:
        raise PermanentImageError(Reason.NOT_FOUND, f"{address} does not exist: answered {status}")
    if status != _OK:
        raise PermanentImageError(Reason.REFUSED, f"{address} is not given: answered {status}")
    encoding = headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise PermanentImageError(
            Reason.REFUSED, f"{address} comes encoded as {encoding}, which was not asked for"
        )


def _translated(error: Exception, address: Address) -> PermanentImageError | TransientImageError:
    untrusted: BaseException | None = error
    while untrusted is not None and not isinstance(untrusted, ssl.SSLCertVerificationError):
        untrusted = untrusted.__cause__ or untrusted.__context__
    if untrusted is not None:
        return PermanentImageError(
            Reason.REFUSED,
            f"{address}: the host's certificate is not trusted: {untrusted.verify_message};"
            " an authority of your own is named by SSL_CERT_FILE",
        )
    return TransientImageError(
        Reason.TIMEOUT, f"{address} could not be read: {error or type(error).__name__}"
    )
