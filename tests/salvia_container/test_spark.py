"""smspark-submit: what spark-submit is given."""

import json
from pathlib import Path

import pytest

from salvia_container import spark

MACHINE = {"SM_NUM_CPUS": "2", "SM_MEMORY_BYTES": str(4 << 30)}


def test_an_application_runs_on_all_that_the_instance_has() -> None:
    found = spark.options(["--py-files", "a.py", "app.py", "--x", "1"], [], MACHINE)

    assert found[:4] == ["--master", "local[2]", "--driver-memory", "2457m"]
    assert found[-5:] == ["--py-files", "a.py", "app.py", "--x", "1"]


def test_the_sdks_configuration_becomes_settings_and_variables(tmp_path: Path) -> None:
    file = tmp_path / "configuration.json"
    exported = {"Classification": "export", "Properties": {"A": "1"}}
    file.write_text(
        json.dumps(
            [
                {"Classification": "spark-defaults", "Properties": {"spark.sql.shuffle.partitions": 3}},
                {"Classification": "spark-env", "Properties": {}, "Configurations": [exported]},
            ]
        )
    )
    settings = spark.configuration(file)

    assert "spark.sql.shuffle.partitions=3" in spark.options(["app.py"], settings, MACHINE)
    assert dict(spark.variables(settings)) == {"A": "1"}


def test_event_logs_go_where_they_are_asked_to_and_the_option_is_not_passed_on() -> None:
    found = spark.options(["--local-spark-event-logs-dir", "/opt/ml/processing/spark-events/", "app.py"], [], MACHINE)

    assert "spark.eventLog.dir=file:///opt/ml/processing/spark-events/" in found
    assert "--local-spark-event-logs-dir" not in found


@pytest.mark.parametrize(("host", "first"), [("algo-1", True), ("algo-2", False)])
def test_the_first_instance_runs_the_application(tmp_path: Path, host: str, first: bool) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/resourceconfig.json").write_text(
        json.dumps({"current_host": host, "hosts": ["algo-2", "algo-1"]})
    )

    assert spark.is_first(tmp_path) is first


def test_without_java_the_job_ends_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(SystemExit, match="install a Java runtime"):
        spark.main()
