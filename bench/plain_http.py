"""Just enough of HTTP for a load: a client that takes a tenth of the time of those for programs, so
that what is measured is the server.
"""

import asyncio
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit


class RequestFailed(Exception):
    """The answer is no 200, or none came."""


class PlainHttp:
    """GET requests, each on an idle connection, or on a new one if none is."""

    def __init__(self, base_url: str) -> None:
        self._address = urlsplit(base_url)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def get(self, path: str, parameters: Mapping[str, str] | None) -> bytes:
        """The answer's body; it must have a length. Raises RequestFailed."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        wanted = f"GET {path}{query} HTTP/1.1\r\nHost: {self._address.netloc}\r\n\r\n"
        try:
            reader, writer = self._idle.pop() if self._idle else await self._connect()
            writer.write(wanted.encode())
            status, *headers = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
            lengths = [one[15:] for one in headers if one.lower().startswith(b"content-length:")]
            body = await reader.readexactly(int(lengths[0]))
        except (OSError, EOFError) as error:
            raise RequestFailed(f"{type(error).__name__}: {error}") from error
        self._idle.append((reader, writer))
        if b" 200 " not in status:
            raise RequestFailed(f"{status.decode()}: {body[:200].decode()}")
        return body

    def close(self) -> None:
        """Close all connections."""
        for _, writer in self._idle:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._address.hostname, self._address.port)
