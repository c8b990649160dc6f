"""Checks whether the service on this machine is ready: `python -m ocrstream_runtime.probe`.

For health checks inside a container, which has neither curl nor wget. Exits with 0 if the service
is ready, else with 1 and the failed checks.
"""

import sys
import urllib.error
import urllib.request

from ocrstream_runtime.settings import ServiceSettings, load_settings

_TIMEOUT_S = 4.0


def main() -> None:
    """Requests `/readyz` on OCRSTREAM_HTTP_PORT."""
    url = f"http://127.0.0.1:{load_settings(ServiceSettings).http_port}/readyz"
    # The environment's proxy does not apply to the own machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(url, timeout=_TIMEOUT_S).close()
    except urllib.error.HTTPError as error:
        sys.exit(f"{url} answers {error.code}: {error.read().decode(errors='replace')}")
    except OSError as error:
        sys.exit(f"{url} does not answer: {error}")


if __name__ == "__main__":
    main()
