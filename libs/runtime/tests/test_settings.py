from typing import Annotated

import pytest
from pydantic import Field

from ocrstream_runtime.settings import ServiceSettings, load_settings


class Settings(ServiceSettings):
    poll_records: Annotated[int, Field(ge=1)] = 5
    database_url: str = Field(default="", validation_alias="DATABASE_URL")


def test_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "broker:9092")
    monkeypatch.setenv("OCRSTREAM_POLL_RECORDS", "7")
    monkeypatch.setenv("DATABASE_URL", "postgresql://somewhere/db")
    settings = load_settings(Settings)
    assert settings.kafka_bootstrap_servers == "broker:9092"
    assert settings.poll_records == 7
    assert settings.database_url == "postgresql://somewhere/db"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OCRSTREAM_POLL_RECORDS", "many"),
        ("OCRSTREAM_POLL_RECORDS", "0"),
        ("KAFKA_BOOTSTRAP_SERVERS", ""),
        ("OCRSTREAM_LOG_LEVEL", "LOUD"),
    ],
)
def test_a_bad_one_ends_the_process_and_is_named_without_its_value(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as stopped:
        load_settings(Settings)
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert f"{variable}: " in said
    assert not value or value not in said
