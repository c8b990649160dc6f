"""Runs a Kafka broker in KRaft mode."""

import base64
import uuid
from dataclasses import dataclass
from pathlib import Path

from ocrstream_local import downloads, processes, waiting
from ocrstream_local.errors import StackError
from ocrstream_local.processes import Process
from ocrstream_local.waiting import Say

_HEAP = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_STARTED = "Kafka Server started"

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
num.partitions=1
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
"""


@dataclass(frozen=True)
class KafkaServer:
    """A broker with its data under `folder`; it may be started repeatedly, one process at a time.

    `further_properties` are appended to `server.properties`.
    """

    folder: Path
    cache: Path
    log: Path
    port: int
    controller_port: int
    further_properties: str = ""

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients."""
        return f"127.0.0.1:{self.port}"

    def start(self, say: Say) -> Process:
        """Starts the broker; returns before it is ready."""
        java = downloads.java(say)
        classpath = f"{downloads.kafka_jars(self.cache, say).resolve()}/*"
        self.folder.mkdir(parents=True, exist_ok=True)
        properties = self.folder / "server.properties"
        properties.write_text(
            _PROPERTIES.format(
                port=self.port,
                controller_port=self.controller_port,
                data=(self.folder / "data").resolve(),
            )
            + self.further_properties,
            encoding="utf-8",
        )
        if not (self.folder / "data" / "meta.properties").exists():
            self._format(java, classpath, properties, say)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.unlink(missing_ok=True)
        return processes.start(
            "kafka",
            [java, *_HEAP, "-cp", classpath, "kafka.Kafka", str(properties)],
            self.log,
            port=self.port,
        )

    def wait(self, process: Process) -> None:
        """Waits until it serves clients. Raises StackError."""
        waiting.wait_until(process, lambda: self.serves(process), "ready")

    def serves(self, _: Process) -> bool:
        """Returns whether it serves clients."""
        return self.log.exists() and _STARTED in self.log.read_text(errors="replace")

    def _format(self, java: str, classpath: str, properties: Path, say: Say) -> None:
        ran = waiting.run(
            "kafka-format",
            [
                *(java, "-cp", classpath, "kafka.tools.StorageTool", "format"),
                *(f"--cluster-id={new_cluster_id()}", f"--config={properties}"),
            ],
            say,
        )
        if not (self.folder / "data" / "meta.properties").exists():
            output = ran.stdout + ran.stderr
            raise StackError(f"Cannot format Kafka's storage:\n{output[-2000:]}")


def new_cluster_id() -> str:
    """Returns a new cluster id, which new data needs: the recorder stores offsets by cluster id."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
