"""Fetches `https://` references from the allowed hosts, never from inside the network."""

import ssl
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import httpcore

from ocrstream_runtime.errors import AddressRefusedError, FetchError, UnknownHostError
from ocrstream_runtime.references import read_limited
from ocrstream_schemas.events import Reason
from ocrstream_worker.errors import PermanentImageError, TransientImageError
from ocrstream_worker.references.port import to_image_error

_MAX_REDIRECTS = 3
_CONNECT_TIMEOUT_S = 10.0
_DEFAULT_PORT = 443
_OK = 200
_REDIRECTS = {301, 302, 303, 307, 308}
_NOT_FOUND = {404, 410}
_RETRYABLE = {408, 425, 429}
_HEADERS: dict[str | bytes, str | bytes] = {
    "user-agent": "ocrstream",
    "accept": "image/*, */*;q=0.1",
    "accept-encoding": "identity",
}


class Host(NamedTuple):
    """A host and port that references may point to."""

    name: str
    port: int

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == _DEFAULT_PORT else f"{name}:{self.port}"


class Address(NamedTuple):
    """A URL; `target` is its path and query as sent."""

    host: Host
    target: str

    def __str__(self) -> str:
        # A query may contain a secret.
        return f"https://{self.host}{self.target.partition('?')[0]}"

    @property
    def url(self) -> str:
        """The whole URL."""
        return f"https://{self.host}{self.target}"


def parse_hosts(text: str) -> frozenset[Host]:
    """Parses `host` or `host:port`, separated by commas. Raises ValueError."""
    return frozenset(_parse_host(part.strip()) for part in text.split(",") if part.strip())


class HttpsFetcher:
    """GETs files of the `allowed` hosts, without credentials, proxies or cookies.

    A redirect's target must be allowed too. `backend` decides which addresses it connects to.
    Certificates are checked against the system's authorities, or those that `SSL_CERT_FILE` names.
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
        """Closes the connections."""
        await self._pool.aclose()

    async def fetch(self, reference: str) -> bytes:
        """See `Fetcher.fetch`."""
        address = self._parse_allowed(reference)
        for _ in range(_MAX_REDIRECTS + 1):
            response_or_location = await self._get(address)
            if isinstance(response_or_location, bytes):
                return response_or_location
            address = self._parse_allowed(
                urljoin(address.url, response_or_location), redirected_by=address
            )
        raise PermanentImageError(
            Reason.REFUSED, f"{address} follows more than {_MAX_REDIRECTS} redirects"
        )

    async def _get(self, address: Address) -> bytes | str:
        """Returns the file, or the location of a redirect."""
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
                _check_response(address, response.status, headers)
                content_length = headers.get("content-length", "")
                return await read_limited(
                    str(address),
                    int(content_length) if content_length.isdecimal() else None,
                    response.aiter_stream(),
                    self._max_bytes,
                )
        except FetchError as error:
            raise to_image_error(error) from error
        except AddressRefusedError as error:
            raise PermanentImageError(
                Reason.REFUSED,
                f"{address}: {error}; to allow its network, add it to"
                " OCRSTREAM_HTTPS_ALLOWED_NETWORKS and restart the worker",
            ) from error
        except (
            UnknownHostError,
            httpcore.NetworkError,
            httpcore.TimeoutException,
            httpcore.ProtocolError,
        ) as error:
            raise _to_image_error(error, address) from error

    def _parse_allowed(self, text: str, redirected_by: Address | None = None) -> Address:
        by = f" (redirected by {redirected_by})" if redirected_by else ""
        try:
            address = _parse_address(text)
        except ValueError as error:
            raise PermanentImageError(Reason.REFUSED, f"the reference {error}{by}") from error
        if address.host not in self._allowed:
            known = ", ".join(sorted(map(str, self._allowed))) or "none"
            raise PermanentImageError(
                Reason.REFUSED,
                f"{address}: {address.host} is not an allowed host ({known}){by}; to allow it, add"
                " it to OCRSTREAM_HTTPS_HOSTS (comma-separated) and restart the worker",
            )
        return address


def _parse_host(text: str) -> Host:
    try:
        address = _parse_address(f"https://{text}")
    except ValueError as error:
        raise ValueError(f"{text!r} {error}") from error
    if address.target != "/":
        raise ValueError(f"{text!r} is more than a host and a port, like images.example.org:8443")
    return address.host


def _parse_address(text: str) -> Address:
    """Parses a URL. The message of its ValueError omits the URL, which may hold a password."""
    # Characters that URL parsers treat differently.
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
        raise ValueError(
            "holds a user or password, which everybody who sees the reference could use"
        )
    host = Host(parts.hostname, _DEFAULT_PORT if port is None else port)
    return Address(host, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def _check_response(address: Address, status: int, headers: Mapping[str, str]) -> None:
    if status in _RETRYABLE or status >= 500:
        raise TransientImageError(
            Reason.TIMEOUT, f"{address} could not be read: the host answered {status}"
        )
    if status in _NOT_FOUND:
        raise PermanentImageError(
            Reason.NOT_FOUND, f"{address} does not exist: the host answered {status}"
        )
    if status != _OK:
        raise PermanentImageError(
            Reason.REFUSED, f"{address} is refused: the host answered {status}"
        )
    encoding = headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise PermanentImageError(
            Reason.REFUSED,
            f"{address} was sent with content encoding {encoding}, which was not requested",
        )


def _to_image_error(
    error: Exception, address: Address
) -> PermanentImageError | TransientImageError:
    untrusted: BaseException | None = error
    while untrusted is not None and not isinstance(untrusted, ssl.SSLCertVerificationError):
        untrusted = untrusted.__cause__ or untrusted.__context__
    if untrusted is not None:
        return PermanentImageError(
            Reason.REFUSED,
            f"{address}: the host's certificate is not trusted: {untrusted.verify_message};"
            " set SSL_CERT_FILE to trust an authority of your own",
        )
    return TransientImageError(
        Reason.TIMEOUT, f"{address} could not be read: {error or type(error).__name__}"
    )
