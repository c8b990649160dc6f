from ocrstream_schemas.ids import RecordRef, derive_chain_id, ocr_task_id

REF = RecordRef("images.submitted", 3, 17, 1_700_000_000_123)


def test_an_index_names_the_image_within_its_batch() -> None:
    first = derive_chain_id("b", 0, "file:///a.png", REF, b"{}")
    assert first == derive_chain_id("b", 0, "file:///other.png", REF, b"other")
    assert first != derive_chain_id("b", 1, "file:///a.png", REF, b"{}")


def test_without_an_index_the_path_names_it() -> None:
    first = derive_chain_id("b", None, "file:///a.png", REF, b"{}")
    assert first == derive_chain_id("b", None, "file:///a.png", REF, b"other")
    assert first != derive_chain_id("b", None, "file:///b.png", REF, b"{}")


def test_without_a_batch_the_record_names_it() -> None:
    first = derive_chain_id(None, 5, "file:///a.png", REF, b"{}")
    assert first == derive_chain_id(None, None, "file:///a.png", REF, b"{}")
    assert first != derive_chain_id(None, 5, "file:///a.png", REF, b"{ }")
    later = RecordRef(REF.topic, REF.partition, REF.offset, REF.timestamp_ms + 1)
    assert first != derive_chain_id(None, 5, "file:///a.png", later, b"{}")


def test_each_run_has_its_own_ocr_task() -> None:
    assert ocr_task_id("c", "ocr", 1) == ocr_task_id("c", "ocr", 1)
    assert len({ocr_task_id("c", "ocr", run) for run in range(1, 5)}) == 4
