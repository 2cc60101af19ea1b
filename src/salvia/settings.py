"""Every knob in one frozen, typed object: defaults < salvia.toml < SALVIA_* environment < command line."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self, get_type_hints


def _home(variable: str, fallback: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / fallback) / "salvia"


@dataclass(frozen=True, slots=True)
class Settings:
    host: str = "127.0.0.1"
    port: int = 8321
    data: Path = Path()  # records, objects, logs, runs; default: $XDG_DATA_HOME/salvia
    environments: Path = (
        Path()
    )  # the Python environments of jobs, shared by servers; default: $XDG_CACHE_HOME/salvia/environments
    account: str = "000000000000"
    region: str = "us-west-2"  # for `salvia env`; a request names its own
    execution_role: str = "SalviaExecutionRole"
    database: str = ""  # a PostgreSQL URL; empty: SQLite in the data folder
    objects_endpoint: str = ""  # an external S3; empty: the embedded store
    objects_access_key: str = ""
    objects_secret_key: str = ""
    objects_region: str = "us-east-1"
    container_socket: str = (
        ""  # of Docker or Podman, for images that are not AWS's; empty: where one is; "none": no containers
    )
    ray_address: str = (
        ""  # of a Ray cluster whose nodes run the jobs: "auto", or HOST:PORT of its head; empty: this machine does
    )
    ray_cpus: float = 0.0  # what the cluster's autoscaler may let it grow to; 0: it stays as it is
    ray_memory: int = 0  # ... in bytes
    cors_origins: str = ""  # comma-separated origins that browsers may call from; empty: none
    describe_hold_seconds: float = 20.0  # how long Describe may wait for a job that an SDK waits for
    describe_hold_starting_seconds: float = 50.0  # ... that has not begun; SDKs give up on an answer after 60
    max_clock_skew_seconds: float = 900.0
    invocation_seconds: float = 60.0  # how long a container may take to answer InvokeEndpoint
    invocation_bytes: int = 6 << 20  # the largest body of InvokeEndpoint
    serverless_invocation_bytes: int = 4 << 20  # ... of a serverless endpoint
    serverless_idle_seconds: float = 300.0  # without a request, until a serverless endpoint's container is put away
    metric_seconds: float = 5.0  # how often what was counted of invocations becomes metrics
    alarm_minute_seconds: float = (
        60.0  # how long a minute of an alarm's Period lasts: less to see in seconds what it does
    )
    capture_seconds: float = 15.0  # how long captured data waits before it becomes an object
    route_seconds: float = 1.0  # how long a server may send requests by what another has changed meanwhile
    spot_interruption_seconds: float = (
        0.0  # in training, until the instances of a managed spot job are taken back; 0: never
    )
    spot_interruptions: int = 1  # how often they are, at most, in the life of one job
    spot_discount: float = 0.0  # the share of its training time that a managed spot job is not billed for, 0 to 1
    log_level: str = "warning"

    @classmethod
    def load(cls, file: Path | None = None, **chosen: Any) -> Self:
        """`file` defaults to salvia.toml in the working directory, when there is one. None in `chosen` means not chosen."""
        file = file or Path("salvia.toml")
        values: dict[str, Any] = tomllib.loads(file.read_text()) if file.exists() else {}
        values |= _from_environment(cls, os.environ)
        values |= {name: value for name, value in chosen.items() if value is not None}
        unknown = values.keys() - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"unknown setting: {', '.join(sorted(unknown))}")
        hints = get_type_hints(cls)
        made = cls(**{name: hints[name](value) for name, value in values.items()})
        return replace(
            made,
            data=(made.data if made.data != Path() else _home("XDG_DATA_HOME", ".local/share")).absolute(),
            environments=(
                made.environments if made.environments != Path() else _home("XDG_CACHE_HOME", ".cache") / "environments"
            ).absolute(),
        )


def _from_environment(cls: type, environment: Mapping[str, str]) -> dict[str, str]:
    names = {f"SALVIA_{field.name.upper()}": field.name for field in fields(cls)}
    return {names[key]: value for key, value in environment.items() if key in names}
