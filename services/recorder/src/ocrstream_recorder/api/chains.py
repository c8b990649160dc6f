"""The paths about chains."""

from fastapi import APIRouter

from ocrstream_recorder.api import chain_views
from ocrstream_recorder.api.chain_models import Chain, ChainItem
from ocrstream_recorder.api.chain_views import ChainFilter
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.parameters import Cursor, Limit, Text
from ocrstream_recorder.api.path_segments import Key
from ocrstream_recorder.api.reading import NOT_FOUND, Reads, found
from ocrstream_recorder.rules.status import ProcessStatus
from ocrstream_schemas.events import Reason

router = APIRouter(prefix="/v1/chains", tags=["chains"])


@router.get("")
async def read_chains(
    reading: Reads,
    *,
    chain_id: Text = None,
    chain_name: Text = None,
    status: ProcessStatus | None = None,
    reason: Reason | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[ChainItem]:
    """Chains, those heard of last first, without their tasks; a batch lists its own as images."""
    wanted = ChainFilter(chain_id, chain_name, status, reason)
    return await chain_views.chains(reading, wanted, cursor, limit)


@router.get("/{chain_id:segment}", responses=NOT_FOUND)
async def read_chain(chain_id: Key, reading: Reads) -> Chain:
    """One image's chain with its tasks, run by run, as they began."""
    return found(await chain_views.chain(reading, chain_id), "chain", chain_id)
