"""A client that submits batches through a load balancer, and counts what it should not see."""

import secrets
import threading
from collections.abc import Sequence
from typing import Any

import httpx


class BalancedClient(threading.Thread):
    """Submits one batch after the other and asks for it, as through a load balancer.

    A request whose connection fails is passed to the other address, as balancers do.
    """

    IMAGES = 5
    # Fewer images a second than one worker reads.
    PAUSE_S = 1.0

    def __init__(self, ingest: Sequence[str], recorder: Sequence[str]) -> None:
        super().__init__()
        self._ingest, self._recorder = ingest, recorder
        self._ended = threading.Event()
        self.batches: list[str] = []
        """What was accepted."""
        self.faults: list[str] = []
        """What a client should not see."""
        self.answers: dict[int, int] = {}
        """How many answers there were of each status."""

    def run(self) -> None:
        with httpx.Client(timeout=30) as http:
            while not self._ended.is_set():
                self._submit(http, secrets.token_hex(8))
                self._ended.wait(self.PAUSE_S)

    def end(self) -> None:
        """Stop submitting; returns when what was begun is answered."""
        self._ended.set()
        self.join()

    def ended(self, batch_id: str) -> bool:
        """Whether a batch is all read, by what either address says."""
        with httpx.Client(timeout=30) as http:
            answer = self._pass_on(http, "GET", self._recorder, f"/v1/batches/{batch_id}")
        return answer is not None and answer.is_success and answer.json()["status"] == "SUCCESS"

    def _submit(self, http: httpx.Client, batch_id: str) -> None:
        path = "file:///data/images/receipt-es.png"
        images = [{"image_path": path, "index": index} for index in range(self.IMAGES)]
        body = {"batch_id": batch_id, "batch_total": self.IMAGES, "images": images}
        key = {"Idempotency-Key": batch_id}
        if self._ask(http, "POST", self._ingest, "/v1/batches", json=body, headers=key) is not None:
            self.batches.append(batch_id)
        if self.batches:
            self._ask(http, "GET", self._recorder, f"/v1/batches/{self.batches[-1]}")

    def _ask(
        self, http: httpx.Client, method: str, addresses: Sequence[str], path: str, **told: Any
    ) -> httpx.Response | None:
        """What is answered in the end; None if that is a fault, or nothing yet when all ends."""
        while True:
            answer = self._pass_on(http, method, addresses, path, **told)
            if answer is None:
                self.faults.append(f"{method} {path}: nobody answers")
                return None
            status = answer.status_code
            self.answers[status] = self.answers.get(status, 0) + 1
            # What was accepted a moment ago is not recorded yet.
            if answer.is_success or (method == "GET" and status == 404):
                return answer
            after = answer.headers.get("Retry-After", "")
            if status != 503 or not after.isdigit():
                self.faults.append(f"{method} {path}: {status} {answer.text}")
                return None
            if self._ended.wait(int(after)):
                return None

    def _pass_on(
        self, http: httpx.Client, method: str, addresses: Sequence[str], path: str, **told: Any
    ) -> httpx.Response | None:
        for address in addresses:
            try:
                return http.request(method, address + path, **told)
            except httpx.TransportError:
                continue
        return None
