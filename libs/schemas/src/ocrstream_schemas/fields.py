"""Field types that the events share.

Their bounds are those of the database columns, so that the recorder can write every valid value,
and all readers accept and refuse the same records.
"""

from typing import Annotated

import msgspec

Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
PATH_MAX_LENGTH = 255
Path = Annotated[str, msgspec.Meta(min_length=1, max_length=PATH_MAX_LENGTH)]
REFUSED_SCHEME = "refused"
"""The scheme of the `image_path` of an image that has no file."""
Name = Annotated[str, msgspec.Meta(max_length=255)]
Initiator = Annotated[str, msgspec.Meta(max_length=100)]
SOURCE_NAME_MAX_LENGTH = 1024
SourceName = Annotated[str, msgspec.Meta(max_length=SOURCE_NAME_MAX_LENGTH)]
WorkerName = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]

_INT32_MAX = 2**31 - 1
Index = Annotated[int, msgspec.Meta(ge=0, le=_INT32_MAX)]
Count = Annotated[int, msgspec.Meta(ge=0, le=_INT32_MAX)]
PositiveCount = Annotated[int, msgspec.Meta(ge=1, le=_INT32_MAX)]
MAX_BATCH_IMAGES = 100_000_000
"""The greatest total that anyone may announce for a batch. `codec.decode` checks it, because the
published schemas allow any Count and may not become narrower (ADR 32)."""
# One below the column's maximum, because a retry stores run + 1.
Run = Annotated[int, msgspec.Meta(ge=1, le=_INT32_MAX - 1)]
Attempt = Annotated[int, msgspec.Meta(ge=1, le=_INT32_MAX - 1)]

Rate = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
HEARTBEAT_INTERVAL_MAX_S = 60.0
HeartbeatInterval = Annotated[float, msgspec.Meta(gt=0, le=HEARTBEAT_INTERVAL_MAX_S)]

Confidence = Annotated[float, msgspec.Meta(ge=0, le=1)]
Point = tuple[float, float]
Polygon = tuple[Point, Point, Point, Point]
