"""What algorithms and model packages have in common: they are validated, by jobs that really run, before they can be used.

nothing asked       Completed at once
a training job      of the algorithm, with the profile's data
a transform job     of the model that came of it, or of the package's own
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from salvia.base.arn import Scope
from salvia.base.call import Call
from salvia.base.errors import AwsError, Conflict
from salvia.ports.table import Record
from salvia.resources.kind import Answer, Resource
from salvia.services.sagemaker.runs import waiting

FOLLOW = 1.0  # between looks at a job; its end wakes the loop by itself


@dataclass(frozen=True, slots=True)
class Finding:
    """How far a validation is: InProgress, Completed or Failed, and why it failed."""

    status: str
    reason: str = ""


class Validated(Resource):
    """A noun with a ValidationSpecification."""

    initial_status = "Pending"
    unsettled = frozenset({"Pending", "InProgress"})
    details_member: ClassVar[str]

    async def validate(self, record: Record, role: str, profile: Mapping[str, Any]) -> Finding:
        """One idempotent step. May raise AwsError: what a job was refused for."""
        raise NotImplementedError

    async def hold(self, record: Record, call: Call) -> Record:
        if record.state in self.unsettled and waiting.waits(call):
            return await waiting.settled(self.world, record, call)
        return record

    async def reconcile(self, record: Record) -> float | None:
        if record.state not in self.unsettled:
            return None
        asked = record.spec.get("ValidationSpecification") or {}
        profiles = asked.get("ValidationProfiles")
        if not profiles:
            record.state = "Completed"
            return None
        record.state = "InProgress"
        try:
            found = await self.validate(record, asked["ValidationRole"], profiles[0])
        except AwsError as error:
            found = Finding("Failed", f"ClientError: {error.message}")
        item = {"Name": profiles[0]["ProfileName"], "Status": found.status}
        if found.reason:
            item["FailureReason"] = found.reason
        record.status[self.details_member] = {"ValidationStatuses": [item]}
        if found.status == "InProgress":
            return FOLLOW
        record.state = found.status
        return None

    def let_fail(self, record: Record, reason: str) -> bool:
        if record.state not in self.unsettled:
            return False
        record.state = "Failed"
        record.status[self.details_member] = {
            "ValidationStatuses": [{"Name": "validation", "Status": "Failed", "FailureReason": reason}]
        }
        return True

    async def delete(self, call: Call) -> Answer:
        record = await self.find(call)
        if record.state == "InProgress":
            raise Conflict(
                f"The {self.identity.words} {record.arn} is being validated: delete it when its status is Completed or Failed."
            )
        await self.world.table.delete(record)
        return self.view(record)

    # ------------------------------------------------------------- the jobs

    async def trained(self, record: Record, request: Mapping[str, Any]) -> tuple[Finding, Record]:
        """A training job with everything but its name."""
        job = await self._child("TrainingJob", record, request)
        return _finding(job), job

    async def transformed(
        self, record: Record, role: str, containers: list[dict[str, Any]], definition: Mapping[str, Any]
    ) -> Finding:
        """A transform job of these containers, whose model is deleted again."""
        name = child_name(record)
        job = await self.world.table.get("TransformJob", record.account, record.region, name)
        if job is None:
            made = await self._child("Model", record, {"ExecutionRoleArn": role, "Containers": containers})
            job = await self._child("TransformJob", record, {**definition, "ModelName": made.name})
        found = _finding(job)
        model = await self.world.table.get("Model", record.account, record.region, name)
        if model is not None and found.status != "InProgress":
            await self.world.table.delete(model)
        return found

    async def _child(self, noun: str, record: Record, request: Mapping[str, Any]) -> Record:
        """The record of that noun that belongs to this one; made if it is not there."""
        kind, name = self.world.kinds[noun], child_name(record)
        found = await self.world.table.get(noun, record.account, record.region, name)
        if found is not None and found.owner == record.arn:
            return found
        scope = Scope(record.account, record.region)
        return await kind.make(scope, {**request, f"{noun}Name": name}, owner=record.arn)


def child_name(record: Record) -> str:
    """A function of the record: of another one of the same name, made later, the jobs have other names."""
    digest = hashlib.sha256(f"{record.arn} {record.created}".encode()).hexdigest()
    return f"{record.key.replace('/', '-')[:40]}-validation-{digest[:8]}"


def _finding(job: Record) -> Finding:
    if job.state == "Completed":
        return Finding("Completed")
    if job.state in {"Failed", "Stopped"}:
        reason = job.status.get("FailureReason") or f"it was {job.state.lower()}"
        return Finding("Failed", f"{job.kind} {job.name}: {reason}"[:1024])
    return Finding("InProgress")
