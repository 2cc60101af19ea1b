"""What of each record is sent, and what is kept beside its answer: InputFilter, JoinSource and OutputFilter.

Source: "Associate Prediction Results with Input Records" in the SageMaker documentation.
"""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from salvia.services.sagemaker.transform.jsonpath import JsonPath, NotInRecordError

CSV = ("text/csv",)
JSON = ("application/json", "application/jsonlines", "application/x-jsonlines", "application/jsonl")


class JoinError(ValueError):
    """A record, or its answer, is not what the filters need."""


def kind_of(content_type: str) -> str:
    """Either "csv" or "json"; "" for what cannot be filtered and joined."""
    bare = content_type.partition(";")[0].strip().lower()
    return "csv" if bare in CSV else "json" if bare in JSON else ""


@dataclass(frozen=True, slots=True)
class Joining:
    """`csv`: a record is a row, else a JSON document. `split`: a payload holds a record on each line, else it is one."""

    csv: bool
    split: bool
    sent: JsonPath = field(default_factory=JsonPath)
    kept: JsonPath = field(default_factory=JsonPath)
    joins: bool = False

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> "Joining | None":
        """None where payloads are sent, and answers kept, as they are."""
        asked = spec.get("DataProcessing") or {}
        sent, kept = JsonPath.parse(asked.get("InputFilter", "$")), JsonPath.parse(asked.get("OutputFilter", "$"))
        joins = asked.get("JoinSource", "None") == "Input"
        if sent.is_root and kept.is_root and not joins:
            return None
        source = spec["TransformInput"]
        return cls(kind_of(source.get("ContentType", "")) == "csv", source["SplitType"] != "None", sent, kept, joins)

    def to_send(self, payload: bytes) -> bytes:
        """Raises JoinError."""
        if self.sent.is_root:
            return payload
        return b"\n".join(self._written(self._picked(self.sent, self._read(one))) for one in self._records(payload))

    def to_keep(self, payload: bytes, answer: bytes) -> bytes:
        """Raises JoinError, also when there are not as many answers as records."""
        if self.kept.is_root and not self.joins:
            return answer
        records = self._records(payload)
        answers = self._records(answer) if self.csv or len(records) != 1 else [answer]
        if len(answers) != len(records):
            raise JoinError(
                f"the algorithm gave {len(answers)} answers to {len(records)} records: they cannot be joined"
            )
        return b"\n".join(self._kept(one, its) for one, its in zip(records, answers, strict=True)) + b"\n"

    def _kept(self, record: bytes, answer: bytes) -> bytes:
        if self.csv and self.joins and self.kept.is_root:
            return record + b"," + answer  # as they were written
        value = self._read(answer)
        if self.joins:
            source = self._read(record)
            if self.csv:
                value = source + value
            elif isinstance(source, dict):
                value = source | {"SageMakerOutput": value}
            else:
                value = {"SageMakerInput": source, "SageMakerOutput": value}
        return self._written(self._picked(self.kept, value))

    def _records(self, payload: bytes) -> list[bytes]:
        if not self.split and not self.csv:
            return [payload]
        return [line for line in (one.rstrip(b"\r") for one in payload.split(b"\n")) if line]

    def _read(self, record: bytes) -> Any:
        try:
            if not self.csv:
                return json.loads(record)
            text = record.decode()
            return text.split(",") if '"' not in text else next(csv.reader([text]))
        except (ValueError, RecursionError, csv.Error) as error:
            raise JoinError(f"{record[:100]!r} is not {'CSV' if self.csv else 'JSON'}") from error

    def _picked(self, path: JsonPath, value: Any) -> Any:
        try:
            return path.of(value)
        except NotInRecordError as error:
            raise JoinError(f"a filter does not fit a record: {error}") from error

    def _written(self, value: Any) -> bytes:
        if not self.csv:
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        row = value if isinstance(value, list) else [value]
        if not any(mark in cell for cell in row for mark in ',"\r\n'):
            return ",".join(row).encode()
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(row)
        return line.getvalue().encode()
