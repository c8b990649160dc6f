"""The decoders' processes: hostile files, deaths, hangs and limits cost their own image alone."""

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
from hostile_files import (
    drawing,
    good_files,
    hostile_files,
    saved,
)
from PIL import Image
from prometheus_client import REGISTRY

from ocrstream_sandbox.errors import ChildDiedError, ChildStarvedError
from ocrstream_sandbox.limits import ChildLimits
from ocrstream_sandbox.shared_buffers import SharedBufferPool, write_bytes
from ocrstream_schemas.events import Reason
from ocrstream_worker.child_metrics import ChildMetrics
from ocrstream_worker.decode import DecodeLimits, Decoder
from ocrstream_worker.decoder_client import DecoderClient
from ocrstream_worker.engines.pixels import read_pixels
from ocrstream_worker.engines.port import RgbImage
from ocrstream_worker.errors import PermanentImageError

MEMORY_MIB = 512
# Beside its data a process holds its libraries and the buffer that it writes to.
BESIDE_MIB = 250
GOOD = saved(drawing(), "PNG")
_OPTIONS: dict[str, dict[str, object]] = {
    "PNG": {"compress_level": 1},
    "TIFF": {"compression": "tiff_lzw"},
    "JPEG": {},
}
SEED = int(os.environ.get("OCRSTREAM_TEST_SEED", "20240607"))


class Room:
    """A decoder client and its buffers."""

    def __init__(self, buffers: SharedBufferPool, decoders: DecoderClient) -> None:
        self._buffers = buffers
        self.decoders = decoders

    async def decode(self, file: bytes) -> RgbImage:
        with await self._buffers.acquire() as buffer:
            write_bytes(buffer.fd, file)
            decoded = await self.decoders.decode(buffer, len(file))
            return read_pixels(buffer.fd, decoded.height, decoded.width).copy()

    async def outcome(self, file: bytes) -> str:
        """What became of a file, in a word."""
        try:
            await self.decode(file)
        except PermanentImageError as error:
            return error.reason
        except ChildDiedError as error:
            return "hung" if error.hung else "died"
        return "decoded"


@contextlib.asynccontextmanager
async def room(
    *,
    processes: int = 2,
    max_pixels: int = 50_000_000,
    memory_mib: int = MEMORY_MIB,
    timeout_s: float = 10.0,
) -> AsyncGenerator[Room]:
    with contextlib.closing(SharedBufferPool(4)) as buffers:
        made = DecoderClient(
            DecodeLimits(max_pixels=max_pixels, max_frames=100),
            buffers,
            processes=processes,
            timeout_s=timeout_s,
            limits=ChildLimits(memory_bytes=memory_mib << 20),
            observer=ChildMetrics("decoder"),
        )
        async with made as decoders:
            await decoders.wait_ready()
            yield Room(buffers, decoders)


def restarts() -> float:
    name = "ocrstream_worker_process_restarts_total"
    return REGISTRY.get_sample_value(name, {"process": "decoder"}) or 0.0


def peak_mib(pid: int) -> float:
    """The most memory that the process has held."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")


def resident_mib(pid: int) -> float:
    """The memory that the process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1024 / 1024


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


async def test_pixels_are_those_of_the_decoder_without_a_process() -> None:
    plain = Decoder(DecodeLimits())
    async with room() as decoding:
        files = good_files()
        for file, pixels in zip(
            files, await asyncio.gather(*map(decoding.decode, files)), strict=True
        ):
            assert (pixels == plain.decode(file)).all()


@pytest.mark.timeout(300)
async def test_hostile_files_cost_nobody_anything(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes, peaks = Counter[str](), dict[int, float]()
    limit = asyncio.Semaphore(4)
    before = restarts()
    async with room() as decoding:

        async def hostile(name: str, file: bytes) -> None:
            async with limit:
                outcomes[await decoding.outcome(file)] += 1
                for pid in decoding.decoders.pids:
                    with contextlib.suppress(FileNotFoundError):
                        peaks[pid] = max(peaks.get(pid, 0.0), peak_mib(pid))

        async def neighbour() -> None:
            async with limit:
                outcomes["neighbours"] += (await decoding.decode(GOOD)).shape == (120, 160, 3)

        async with asyncio.TaskGroup() as group:
            for number, (name, file) in enumerate(hostile_files(SEED, 600)):
                group.create_task(hostile(name, file))
                if number % 10 == 0:
                    group.create_task(neighbour())
        with capsys.disabled():
            told = ", ".join(f"{count} {what}" for what, count in sorted(outcomes.items()))
            print(f"\nseed {SEED}: {told}; peak {max(peaks.values()):.0f} MiB")
    assert outcomes.pop("neighbours") == 60
    assert outcomes.total() == 600
    assert set(outcomes) <= {"decoded", "died", "hung", Reason.UNDECODABLE, Reason.TOO_LARGE}
    assert outcomes[Reason.TOO_LARGE] >= 5
    assert outcomes["decoded"] >= 50
    assert restarts() - before == outcomes["died"] + outcomes["hung"]
    assert max(peaks.values()) < MEMORY_MIB + BESIDE_MIB


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_killed_decoder_costs_its_image_an_attempt(number: signal.Signals) -> None:
    large = saved(Image.new("L", (5_000, 5_000)), "PNG", compress_level=1)
    async with room(processes=1) as decoding:
        (pid,) = decoding.decoders.pids
        small_mib = resident_mib(pid)
        victim = asyncio.create_task(decoding.decode(large))
        await until(lambda: victim.done() or resident_mib(pid) > small_mib + 10)
        os.kill(pid, number)
        neighbours = [asyncio.create_task(decoding.decode(GOOD)) for _ in range(3)]
        with pytest.raises(ChildDiedError, match="the decoder's process") as caught:
            await victim
        assert not caught.value.hung
        for neighbour in neighbours:
            assert (await neighbour).shape == (120, 160, 3)


async def test_a_decoder_that_is_stopped_costs_its_image_no_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ocrstream_sandbox.starvation.WALL_FACTOR", 1.0)
    async with room(processes=1, timeout_s=1.0) as decoding:
        (pid,) = decoding.decoders.pids
        small_mib = resident_mib(pid)
        large = saved(Image.new("L", (5_000, 5_000)), "PNG", compress_level=1)
        victim = asyncio.create_task(decoding.decode(large))
        await until(lambda: victim.done() or resident_mib(pid) > small_mib + 10)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(ChildStarvedError, match="the decoder's process"):
            await victim
        assert (await decoding.decode(GOOD)).shape == (120, 160, 3)


async def test_more_memory_than_allowed_is_the_images_fault_and_no_death() -> None:
    before = restarts()
    large = saved(Image.new("RGBA", (8_000, 8_000)), "PNG", compress_level=1)
    async with room(max_pixels=100_000_000, memory_mib=300) as decoding:
        with pytest.raises(PermanentImageError, match="OCRSTREAM_DECODER_MEMORY_MIB") as caught:
            await decoding.decode(large)
        assert caught.value.reason is Reason.TOO_LARGE
        assert (await decoding.decode(GOOD)).shape == (120, 160, 3)
    assert restarts() == before


@pytest.mark.parametrize(
    "mode", ["RGB", "RGBA", "LA", "P", "L", "1", "CMYK", "I;16", "F", "turned"]
)
async def test_a_large_image_of_any_mode_fits_into_the_memory_allowed(mode: str) -> None:
    """By default 100 million pixels may need 2 GiB; here they are 12."""
    width, height = 4_000, 3_000
    if mode == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        file = saved(Image.new("RGB", (width, height)), "JPEG", exif=exif)
        width, height = height, width
    else:
        file_format = "JPEG" if mode == "CMYK" else "TIFF" if mode == "F" else "PNG"
        file = saved(Image.new(mode, (width, height)), file_format, **_OPTIONS[file_format])
    async with room(processes=1, max_pixels=12_000_000, memory_mib=256) as decoding:
        assert (await decoding.decode(file)).shape == (height, width, 3)


async def test_a_file_of_too_many_frames_is_refused() -> None:
    frames = [Image.new("L", (4, 4), level % 256) for level in range(101)]
    async with room(processes=1) as decoding:
        for file_format in ("TIFF", "GIF"):
            for count, accepted in ((100, True), (101, False)):
                file = saved(frames[0], file_format, save_all=True, append_images=frames[1:count])
                outcome = await decoding.outcome(file)
                assert outcome == ("decoded" if accepted else Reason.TOO_LARGE), file_format


async def test_while_one_hangs_the_other_decodes() -> None:
    async with room(processes=2, timeout_s=60) as decoding:
        await until(lambda: len(decoding.decoders.pids) == 2)
        os.kill(decoding.decoders.pids[0], signal.SIGSTOP)
        # One of these waits for the stopped process, the others pass by.
        calls = [asyncio.create_task(decoding.decode(GOOD)) for _ in range(12)]
        await until(lambda: sum(call.done() for call in calls) == 11)
        for call in calls:
            call.cancel()
