"""smspark-submit: starts a Spark application in a processing job, as AWS's Spark image does, on one machine.

The first instance runs the application with all threads it has; the others have nothing to do and end. Java must be on the machine.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

NO_JAVA = (
    "Spark needs Java, and this machine has none: install a Java runtime where the server runs "
    "(Debian and Ubuntu: apt-get install default-jre-headless) and start the job again."
)
_MEMORY_SHARE = 0.6  # of the instance's memory goes to the driver's heap; Python needs the rest
_OWN = {
    "--local-spark-event-logs-dir",
    "--spark-event-logs-s3-uri",
}  # options of smspark-submit alone; each has a value


def main() -> None:
    base = Path("/opt/ml")
    if not is_first(base):
        print("The application runs on the first instance: this one has nothing to do.")
        return
    if shutil.which("java") is None:
        sys.exit(NO_JAVA)
    settings = configuration(base / "processing/input/conf/configuration.json")
    os.environ |= dict(variables(settings))
    os.environ |= {"SPARK_LOCAL_DIRS": "/tmp", "PYSPARK_PYTHON": sys.executable}  # noqa: S108 - the run's own
    submit = shutil.which("spark-submit")
    assert submit is not None
    os.execv(submit, [submit, *options(sys.argv[1:], settings, os.environ)])  # noqa: S606 - to become it is the point


def is_first(base: Path) -> bool:
    """Whether this is the first of the job's instances; `base` is /opt/ml."""
    try:
        resources = json.loads((base / "config/resourceconfig.json").read_text())
    except FileNotFoundError:
        return True
    return bool(resources["current_host"] == min(resources["hosts"]))


def configuration(file: Path) -> list[dict[str, Any]]:
    """The SDK's `configuration`: one classification with its properties, or a list of them; none when there is no file."""
    if not file.exists():
        return []
    found = json.loads(file.read_text())
    return list(found) if isinstance(found, list) else [found]


def variables(settings: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """What the classification spark-env exports."""
    for setting in settings:
        if setting.get("Classification") == "spark-env":
            for inner in setting.get("Configurations", ()):
                yield from ((name, str(value)) for name, value in inner.get("Properties", {}).items())


def options(
    arguments: Sequence[str], settings: Iterable[Mapping[str, Any]], environment: Mapping[str, str]
) -> list[str]:
    """The arguments of spark-submit: `arguments` are those of smspark-submit, `environment` says how much the instance has."""
    memory = int(int(environment.get("SM_MEMORY_BYTES", 2 << 30)) * _MEMORY_SHARE) >> 20
    found = ["--master", f"local[{environment.get('SM_NUM_CPUS', '1')}]", "--driver-memory", f"{max(512, memory)}m"]
    chosen = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false"}
    for setting in settings:
        if setting.get("Classification") == "spark-defaults":
            chosen |= {name: str(value) for name, value in setting.get("Properties", {}).items()}
    own, rest = parted(arguments)
    logs = own.get("--local-spark-event-logs-dir")
    if logs:
        chosen |= {"spark.eventLog.enabled": "true", "spark.eventLog.dir": f"file://{logs}"}
    for name, value in chosen.items():
        found += ["--conf", f"{name}={value}"]
    return found + rest


def parted(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """smspark-submit's own options before the application, and all that spark-submit shall see."""
    own: dict[str, str] = {}
    rest = list(arguments)
    while rest and any(name in rest for name in _OWN):
        at = next(number for number, argument in enumerate(rest) if argument in _OWN)
        if at + 1 >= len(rest):
            break
        own[rest[at]] = rest[at + 1]
        del rest[at : at + 2]
    return own, rest


if __name__ == "__main__":
    main()
