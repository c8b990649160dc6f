"""The paths about chains."""

from fastapi import APIRouter

from ocrstream_recorder.api import chain_views
from ocrstream_recorder.api.chain_models import Chain
from ocrstream_recorder.api.path_segments import Key
from ocrstream_recorder.api.reading import NOT_FOUND, Reads, found

router = APIRouter(prefix="/v1/chains", tags=["chains"])


@router.get("/{chain_id:segment}", responses=NOT_FOUND)
async def read_chain(chain_id: Key, reading: Reads) -> Chain:
    """One image's chain with its tasks."""
    return found(await chain_views.chain(reading, chain_id), "chain", chain_id)
