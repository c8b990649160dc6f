"""The plan that submits the parts of a batch, one request after the other.

The key of a request follows from the batch and the index of its first image. So the same submission
again continues where it broke off: ingest answers the requests that it knows as before, and refuses
one with the same key that has other content.
"""

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from ocrstream_client.errors import RefusedError, UnreadableFileError
from ocrstream_client.file_search import LocalFile
from ocrstream_client.models import RefusedFile
from ocrstream_client.retrying import retry
from ocrstream_client.submission import Files, Prefix, Reference, References, Submission
from ocrstream_client.transport import HttpRequest, Plan, Upload

ImagesDone = Callable[[int], None]
"""A callback with the number of images that were just submitted."""

FileRefused = Callable[[RefusedFile], None]
"""A callback with each file that is not stored, so that its image has failed."""

_REQUEST_TOO_LARGE = 413
_OTHER_CONTENT = (422, "Idempotency-Key belongs to another request")
"""Status and title of the answer to a key that was used for another request."""
_KEY_NAMESPACE = uuid5(NAMESPACE_DNS, "request.ocrstream")
_MAX_REFERENCE_LENGTH = 255
_MAX_SOURCE_NAME_LENGTH = 1024

_Part = Files | References | RefusedFile


def submit_plan(
    ingest_url: str,
    batch_id: str,
    submission: Submission,
    *,
    description: Mapping[str, Any],
    pdf_password: str | None,
    on_progress: ImagesDone,
    on_refused: FileRefused,
) -> Plan[None]:
    """Submits all parts as one batch; ends when the broker has all of them.

    `description` holds the batch's name and options. `pdf_password` goes to ingest with uploads
    only. A file that ingest or this machine refuses takes one index, and its image fails.
    """
    fields = {"batch_id": batch_id, **description}
    if isinstance(submission.parts, Prefix):
        fields |= {"prefix": submission.parts.prefix, "glob": submission.parts.pattern}
        try:
            response = yield from _post(ingest_url, fields, _request_key(batch_id, 0))
        except RefusedError as error:
            raise _clarified(error, batch_id, 0) from error
        on_progress(response["accepted_images"])
        return
    submitted, index = 0, 0
    waiting = deque[_Part](submission.parts)
    while waiting:
        part = waiting.popleft()
        # Each page of a document is an image, so there may be more images than names.
        fields["batch_total"] = (submission.total or 0) + index - submitted
        key = _request_key(batch_id, index)
        try:
            if isinstance(part, Files):
                form = fields if pdf_password is None else {**fields, "pdf_password": pdf_password}
                response = yield from _upload(ingest_url, part.files, form, index, key)
                images, count = response["images"], len(part.files)
            else:
                images = _images(part, batch_id, index)
                yield from _post(ingest_url, {**fields, "images": images}, key)
                count = len(images)
        except (RefusedError, UnreadableFileError) as error:
            smaller = _split(part, error)
            if not smaller:
                raise _clarified(error, batch_id, index) from error
            waiting.extendleft(reversed(smaller))
            continue
        for image in images:
            if refused := image.get("refused"):
                on_refused(RefusedFile(image["source_name"] or "a file", **refused))
        submitted += count
        index += len(images)
        on_progress(count)


def _upload(
    ingest_url: str,
    files: Sequence[LocalFile],
    fields: Mapping[str, Any],
    first_index: int,
    key: str,
) -> Plan[Any]:
    form = {name: str(value) for name, value in fields.items() if name != "options"}
    form |= {"first_index": str(first_index), "index_pages": "true"}
    if "options" in fields:
        form["options"] = json.dumps(fields["options"])
    url = f"{ingest_url}/v1/images"
    return (yield from retry(Upload(url, form, files, {"Idempotency-Key": key})))


def _post(ingest_url: str, body: dict[str, Any], key: str) -> Plan[Any]:
    headers = {"Idempotency-Key": key}
    request = HttpRequest("POST", f"{ingest_url}/v1/batches", body=body, headers=headers)
    return (yield from retry(request))


def _request_key(batch_id: str, first_index: int) -> str:
    return str(uuid5(_KEY_NAMESPACE, f"{batch_id}/{first_index}"))


def _images(
    part: References | RefusedFile, batch_id: str, first_index: int
) -> list[dict[str, Any]]:
    if isinstance(part, RefusedFile):
        return [_refused_image(part, batch_id, first_index)]
    return [
        _image(reference, index)
        if len(reference.image_path) <= _MAX_REFERENCE_LENGTH
        else _refused_image(_too_long(reference), batch_id, index)
        for index, reference in enumerate(part.references, first_index)
    ]


def _image(reference: Reference, index: int) -> dict[str, Any]:
    image: dict[str, Any] = {"image_path": reference.image_path, "index": index}
    if reference.source_name is not None:
        image["source_name"] = reference.source_name[-_MAX_SOURCE_NAME_LENGTH:]
    return image


def _refused_image(file: RefusedFile, batch_id: str, index: int) -> dict[str, Any]:
    return {
        "image_path": f"refused:///{_request_key(batch_id, index)}",
        "index": index,
        "source_name": file.source_name[-_MAX_SOURCE_NAME_LENGTH:],
        "refused": {"reason": file.reason, "error": file.error},
    }


def _too_long(reference: Reference) -> RefusedFile:
    error = (
        f"The reference has {len(reference.image_path):,} characters; {_MAX_REFERENCE_LENGTH} are"
        " allowed. Upload the file instead"
    )
    return RefusedFile(reference.source_name or reference.image_path, "refused", error)


def _split(part: _Part, error: RefusedError | UnreadableFileError) -> list[_Part]:
    """Returns the parts to submit instead of one that failed; none if that does not help."""
    if not isinstance(part, Files):
        return []
    files = part.files
    if isinstance(error, UnreadableFileError):
        at = [file.path for file in files].index(error.file)
        reason = "not_found" if error.missing else "refused"
        refused = RefusedFile(files[at].source_name, reason, str(error))
        return [*_files(files[:at]), refused, *_files(files[at + 1 :])]
    too_large = error.status == _REQUEST_TOO_LARGE
    if len(files) > 1 and (too_large or _is_other_content(error)):
        # If its content is other than before, the submission that broke off may have split it, too.
        half = -(-len(files) // 2)
        return [Files(files[:half]), Files(files[half:])]
    return [RefusedFile(files[0].source_name, "too_large", str(error))] if too_large else []


def _files(files: list[LocalFile]) -> list[_Part]:
    return [Files(files)] if files else []


def _is_other_content(error: RefusedError) -> bool:
    title = error.document.get("title") if isinstance(error.document, dict) else None
    return (error.status, title) == _OTHER_CONTENT


def _clarified(
    error: RefusedError | UnreadableFileError, batch_id: str, index: int
) -> RefusedError | UnreadableFileError:
    """Returns the error, in terms of the batch if a key of this plan is used for other content."""
    if isinstance(error, UnreadableFileError) or not _is_other_content(error):
        return error
    return RefusedError(
        f"Batch {batch_id} has another image at index {index}: it was submitted with other files,"
        " name or options. Repeat that submission unchanged, or submit these images as another"
        " batch",
        error.status,
        document=error.document,
    )
