"""The worker's settings."""

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, field_validator

from ocrstream_runtime.guarded_http import parse_networks
from ocrstream_runtime.object_stores import open_stores, parse_stores
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_sandbox.limits import ChildLimits
from ocrstream_schemas.fields import HEARTBEAT_INTERVAL_MAX_S
from ocrstream_schemas.topics import LANES, lane_topic
from ocrstream_worker.cores import default_engine_threads
from ocrstream_worker.decode import DecodeLimits
from ocrstream_worker.engines.languages import split_names
from ocrstream_worker.engines.port import (
    DoctrSettings,
    EngineName,
    EngineSettings,
    RapidOcrSettings,
)
from ocrstream_worker.references.https import parse_hosts

DEFAULT_LANE = "default"
# The other engines process the images of a batch one by one.
_BATCH_SIZES: dict[EngineName, int] = {"doctr": 8}
_IN_FLIGHT_AROUND_ENGINE = 4
_MIB = 1024 * 1024
EngineFieldsT = TypeVar("EngineFieldsT", RapidOcrSettings, DoctrSettings)


class WorkerSettings(ServiceSettings):
    """All settings of the worker."""

    engine: EngineName = "rapidocr"
    """The engine that recognises text, see [engines](engines.md)."""
    languages: str = "en"
    """Languages that the engine must read, separated by commas: ISO 639 codes (`ko`) or scripts
    (`hangul`).
    """
    engine_device: Annotated[str, Field(min_length=1)] = "cpu"
    """The device that the engine computes on: `cpu`, or a GPU like `cuda` or `cuda:1`."""
    allow_cpu: bool = False
    """Whether the engine may compute on the CPU if its GPU is not available; otherwise it does not
    start.
    """
    engine_threads: Annotated[int, Field(ge=0, le=256)] = 0
    """CPU threads of the engine; more workers gain more than more threads. 0: the cores reserved
    for the worker by affinity or cgroup, or 1 if it may use the whole machine.
    """
    engine_batch_size: Annotated[int, Field(ge=0, le=256)] = 0
    """The most images in a batch of the engine; it does not wait for more. 0: 8 for docTR, else 1.
    """
    engine_memory_mib: Annotated[int, Field(ge=0)] = 0
    """Memory limit for the engine's data, in MiB; 0: no limit."""
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Lines with a lower confidence are left out of results."""
    model_folder: Path = Path(".local/models")
    """Folder of the models that RapidOCR's package does not include."""
    fetch_models: bool = False
    """Whether a missing model is downloaded from its publisher; its hash is checked."""
    rapidocr_backend: Literal["auto", "openvino", "onnxruntime"] = "auto"
    """RapidOCR's inference library; `auto` takes OpenVINO on a CPU where it is installed."""
    rapidocr_detection_model: str = ""
    """ONNX file of RapidOCR's detection model; empty: the included one."""
    rapidocr_orientation_model: str = ""
    """ONNX file of RapidOCR's line orientation model; empty: the included one."""
    rapidocr_recognition_model: str = ""
    """ONNX file of RapidOCR's recognition model; empty: one that reads the languages."""
    rapidocr_box_threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    """RapidOCR ignores areas that its detection gives a lower score."""
    doctr_detection: str = "fast_base"
    """docTR's detection architecture."""
    doctr_recognition: str = "crnn_vgg16_bn"
    """docTR's recognition architecture."""
    doctr_detection_weights: str = ""
    """State dict of docTR's detection; empty: docTR's own, in `DOCTR_CACHE_DIR`."""
    doctr_recognition_weights: str = ""
    """State dict of docTR's recognition; empty: docTR's own, in `DOCTR_CACHE_DIR`."""
    doctr_crop_orientation_weights: str = ""
    """State dict of docTR's word orientation; empty: docTR's own, in `DOCTR_CACHE_DIR`."""
    doctr_page_orientation_weights: str = ""
    """State dict of docTR's page orientation; empty: docTR's own, in `DOCTR_CACHE_DIR`."""
    doctr_vocabulary: str = ""
    """Vocabulary of the recognition weights: a name that docTR knows, or the characters."""
    doctr_pages: Literal["straight", "rotated", "straightened"] = "straight"
    """The text that docTR expects: upright, at any angle, or all at one angle."""
    doctr_box_threshold: Annotated[float, Field(ge=0, le=1)] = 0.1
    """docTR ignores areas that its detection gives a lower score."""
    doctr_precision: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """Floating-point type of docTR's models; `auto` is float16 on a GPU, else float32."""
    doctr_compile: bool = False
    """Whether torch compiles docTR's models, which adds minutes to the start."""
    noop_boxes: Annotated[int, Field(ge=0, le=10_000)] = 30
    """The number of lines that the noop engine reports for an image."""
    noop_image_s: Annotated[float, Field(ge=0, le=60)] = 0.0
    """The seconds that the noop engine takes for an image."""
    engine_start_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 180.0
    """An engine that takes longer to load and warm up is replaced. Time in which a process [waits
    for a core](operations.md#processesstarved) does not count, here and below.
    """
    image_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 120.0
    """An engine that works longer on one image hangs and is replaced."""

    lanes: str = DEFAULT_LANE
    """Lanes to serve, separated by commas, the most urgent first: default, urgent, gpu."""
    group_id: Annotated[str, Field(min_length=1, max_length=255)] = "ocr-worker"
    """The consumer group; workers in one group share the images."""
    heartbeat_interval_s: Annotated[float, Field(gt=0, le=HEARTBEAT_INTERVAL_MAX_S)] = 5.0
    """How often the worker publishes a heartbeat; after three intervals without one it is shown as
    not alive.
    """
    session_timeout_s: Annotated[float, Field(ge=6, le=300)] = 30.0
    """The broker regards a worker as dead after this time without a sign of life; others then read
    its images.
    """
    image_roots: str = ""
    """Folders that `file://` references may point into, separated by colons."""
    object_root: Path = Path(".local/objects")
    """Folder in which ingest stores uploads; always allowed."""
    reuse_root: Path = Path(".local/results")
    """Folder in which workers share results, for images with `options.reuse`."""
    object_stores: str = ""
    """Buckets, or folders in them, that references may point into, separated by commas:
    `s3://scans,gs://bucket/folder,az://container`. Credentials and endpoints come from the
    environment, see [operations](operations.md#references)."""
    https_hosts: str = ""
    """Hosts that `https://` references may point to, separated by commas, each with its port unless
    that is 443; empty: such references are refused.
    """
    https_allowed_networks: str = ""
    """Networks in CIDR notation, separated by commas, that these hosts may be in although they are
    not part of the public internet.
    """
    fetch_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """The longest time in which an attempt fetches an image's file."""
    max_image_bytes: Annotated[int, Field(ge=1)] = 64 * 1024 * 1024
    """The largest file that the worker fetches, in bytes."""
    max_image_pixels: Annotated[int, Field(ge=1)] = 100_000_000
    """The largest image that the worker decodes, in pixels."""
    max_image_frames: Annotated[int, Field(ge=1)] = 1_000
    """The most frames that a file may have; only the first is decoded."""
    decoders: Annotated[int, Field(ge=1, le=64)] = 2
    """The number of decoder processes."""
    decoder_memory_mib: Annotated[int, Field(ge=256)] = 2_048
    """Memory limit for a decoder's data, in MiB; some formats need 15 bytes for a pixel."""
    crash_loop_limit: Annotated[int, Field(ge=1)] = 20
    """How often in a row the engine, or the decoders, may die with no image done in between. Then
    the worker holds images: it tries one at a time, after growing pauses, until one is done."""
    decode_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """The worker replaces a decoder that works longer on one image."""
    recycle_images: Annotated[int, Field(ge=0)] = 0
    """The worker replaces an engine or decoder process after this many images; 0: never."""
    recycle_mib: Annotated[int, Field(ge=0)] = 0
    """The worker replaces an engine or decoder process above this memory, in MiB; 0: never."""
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """The most attempts at an image that fails for transient reasons."""
    retry_backoff_s: Annotated[float, Field(ge=0, le=600)] = 1.0
    """Longest backoff before the second attempt; it doubles with each further attempt, to a minute
    at most. The actual backoff is random, from 0 to there.
    """
    max_in_flight_images: Annotated[int, Field(ge=0, le=1000)] = 0
    """The most images in flight: fetched, decoded, read and published at the same time. 0: 4 plus
    twice the engine's batch size."""
    max_backoff_images: Annotated[int, Field(ge=0, le=100_000)] = 500
    """The most images that may wait for their next attempt beside those in flight; above that,
    waiting images block others."""
    max_uncommitted_records: Annotated[int, Field(ge=1)] = 500
    """How far a partition may get ahead of its oldest unfinished image, in records; about as many
    are read again after a crash."""

    @field_validator("lanes")
    @classmethod
    def _validate_lanes(cls, lanes: str) -> str:
        for lane in lanes.split(","):
            if lane not in (DEFAULT_LANE, *LANES):
                raise ValueError(f"no lane {lane!r}; there are {DEFAULT_LANE}, {', '.join(LANES)}")
        return lanes

    @field_validator("object_stores")
    @classmethod
    def _validate_object_stores(cls, stores: str) -> str:
        open_stores(parse_stores(stores))
        return stores

    @field_validator("https_hosts")
    @classmethod
    def _validate_https_hosts(cls, hosts: str) -> str:
        parse_hosts(hosts)
        return hosts

    @field_validator("https_allowed_networks")
    @classmethod
    def _validate_https_networks(cls, networks: str) -> str:
        parse_networks(networks)
        return networks

    @property
    def lane_topics(self) -> tuple[str, ...]:
        """The topics of the lanes, in their order."""
        return tuple(
            lane_topic(None if lane == DEFAULT_LANE else lane) for lane in self.lanes.split(",")
        )

    @property
    def roots(self) -> tuple[Path, ...]:
        """All folders that `file://` references may point into."""
        allowed = [Path(root) for root in self.image_roots.split(":") if root]
        return (*allowed, self.object_root)

    @property
    def batch_size(self) -> int:
        """The most images in a batch of the engine."""
        return self.engine_batch_size or _BATCH_SIZES.get(self.engine, 1)

    @property
    def in_flight_limit(self) -> int:
        """The most images in flight: a batch in the engine, one behind it, and some before and
        after.
        """
        return self.max_in_flight_images or 2 * self.batch_size + _IN_FLIGHT_AROUND_ENGINE

    @property
    def decode_limits(self) -> DecodeLimits:
        """The limits of the decoders."""
        return DecodeLimits(max_pixels=self.max_image_pixels, max_frames=self.max_image_frames)

    @property
    def engine_limits(self) -> ChildLimits:
        """The resource limits of the engine's process."""
        return self._limits(self.engine_memory_mib)

    @property
    def decoder_limits(self) -> ChildLimits:
        """The resource limits of a decoder's process."""
        return self._limits(self.decoder_memory_mib)

    def _limits(self, memory_mib: int) -> ChildLimits:
        return ChildLimits(
            memory_bytes=memory_mib * _MIB,
            recycle_jobs=self.recycle_images,
            recycle_bytes=self.recycle_mib * _MIB,
            crash_loop_limit=self.crash_loop_limit,
        )

    @property
    def engine_settings(self) -> EngineSettings:
        """The settings of the engine's process."""
        return EngineSettings(
            engine=self.engine,
            languages=split_names(self.languages),
            device=self.engine_device,
            allow_cpu=self.allow_cpu,
            threads=self.engine_threads or default_engine_threads(),
            batch_size=self.batch_size,
            min_confidence=self.min_confidence,
            model_folder=str(self.model_folder),
            fetch_models=self.fetch_models,
            rapidocr=self._engine_fields(RapidOcrSettings, "rapidocr_"),
            doctr=self._engine_fields(DoctrSettings, "doctr_"),
            noop_boxes=self.noop_boxes,
            noop_image_s=self.noop_image_s,
            image_timeout_s=self.image_timeout_s,
            start_timeout_s=self.engine_start_timeout_s,
        )

    def _engine_fields(self, kind: type[EngineFieldsT], prefix: str) -> EngineFieldsT:
        return kind(**{name: getattr(self, prefix + name) for name in kind.__struct_fields__})
