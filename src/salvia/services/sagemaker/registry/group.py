"""Model package groups: the versions of one model, numbered from 1.

Source: the page "CreateModelPackageGroup" of the SageMaker API reference.
"""

from dataclasses import replace
from typing import Any

from salvia.base.arn import Scope
from salvia.base.call import Call
from salvia.base.errors import Conflict, ValidationError
from salvia.ports.table import Query, Record
from salvia.resources.kind import Answer, Resource

GROUP = "ModelPackageGroup"
_NUMBER = "_versions"  # of the newest version there ever was: numbers are not given twice


class ModelPackageGroup(Resource):
    noun = GROUP
    initial_status = "Completed"
    absent = ("ValidationException", "ModelPackageGroup {arn} does not exist.")
    taken = "Model Package Group already exists: {arn}"
    taken_error = ValidationError

    async def admit(self, request: dict[str, Any], scope: Scope) -> dict[str, Any]:
        if request.get("ManagedConfiguration"):
            raise ValidationError("ManagedConfiguration is not supported: model data stays where it is.")
        return request

    async def dispose(self, record: Record) -> None:
        query = Query("ModelPackage", record.account, record.region, owner=record.arn, limit=1)
        if await self.world.table.select(query):
            raise Conflict(
                f"Model Package Group {record.arn} cannot be deleted: it has model package versions. Delete them first."
            )

    async def list(self, call: Call) -> Answer:
        """No account shares its groups with another here."""
        params = dict(call.params)
        if params.pop("CrossAccountFilterOption", "SameAccount") == "CrossAccount":
            return {self.model.result_key: []}
        return await super().list(replace(call, params=params))

    async def numbered(self, group: Record) -> int:
        """The number of a new version; whoever asks later gets another, wherever this server ends meanwhile."""
        while True:
            number = int(group.spec.get(_NUMBER, 0)) + 1
            group.spec[_NUMBER] = number
            if await self.world.table.save_wish(group):
                return number
            found = await self.world.table.get(GROUP, group.account, group.region, group.key)
            if found is None:
                raise ValidationError(self.absent[1].format(arn=group.arn))
            group = found
