"""Model packages: what it takes to deploy a model, under a name of its own or as a version of a group, with its approval.

Source: the pages "CreateModelPackage", "UpdateModelPackage" and "ListModelPackages" of the SageMaker API reference.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from salvia.base.arn import Scope
from salvia.base.call import Call
from salvia.base.errors import ValidationError
from salvia.ports.table import Query, Record
from salvia.resources.identity import typed
from salvia.resources.kind import Answer
from salvia.resources.world import World
from salvia.services.sagemaker.registry.group import GROUP, ModelPackageGroup
from salvia.services.sagemaker.registry.validation import Finding, Validated
from salvia.services.sagemaker.runs import algorithms
from salvia.services.sagemaker.runs.named import named
from salvia.services.sagemaker.runs.packages import containers_of

# behaves: changes what happens. recorded: kept, shown by Describe, and changes nothing here. refused: with a ValidationException.
MEMBERS = {
    "ModelPackageName": "behaves",
    "ModelPackageGroupName": "behaves",
    "ModelPackageDescription": "behaves",
    "InferenceSpecification": "behaves",
    "AdditionalInferenceSpecifications": "behaves",
    "ValidationSpecification": "behaves",
    "SourceAlgorithmSpecification": "behaves",
    "ModelApprovalStatus": "behaves",
    "ClientToken": "behaves",
    "Tags": "behaves",
    "CustomerMetadataProperties": "behaves",
    "ModelPackageRegistrationType": "recorded",
    "CertifyForMarketplace": "recorded",  # there is no marketplace here
    "MetadataProperties": "recorded",
    "ModelMetrics": "recorded",
    "Domain": "recorded",
    "Task": "recorded",
    "SamplePayloadUrl": "recorded",
    "DriftCheckBaselines": "recorded",
    "SkipModelValidation": "recorded",  # only what a ValidationSpecification asks for is run
    "SourceUri": "recorded",
    "ModelCard": "recorded",
    "ModelLifeCycle": "recorded",
    "SecurityConfig": "refused",
    "ManagedStorageType": "refused",
}
_CHANGES = (
    "CustomerMetadataPropertiesToRemove",
    "AdditionalInferenceSpecificationsToAdd",
)  # they change what others show
_TOKEN = "_ClientToken"  # noqa: S105 - a name that a client gives to its request


class ModelPackage(Validated):
    noun = "ModelPackage"
    details_member = "ModelPackageStatusDetails"
    absent = ("ValidationException", "ModelPackage {arn} does not exist.")
    taken = "ModelPackage already exists: {arn}"
    taken_error = ValidationError

    # ------------------------------------------------------------- what the API asks

    async def create(self, call: Call) -> Answer:
        request, scope = call.params, Scope(call.account, call.region)
        if bool(request.get("ModelPackageName")) == bool(request.get("ModelPackageGroupName")):
            raise ValidationError("Exactly one of ModelPackageName and ModelPackageGroupName must be specified.")
        if request.get("ModelPackageName"):
            return self.view(await self.make(scope, request))
        group = await named(self.world, GROUP, request["ModelPackageGroupName"], scope)
        before = await self._made_before(group, request.get("ClientToken"))
        if before is not None:
            return self.view(before)
        await self.admit(request, scope)  # what is refused takes no number
        kind = self.world.kinds[GROUP]
        assert isinstance(kind, ModelPackageGroup)
        number = await kind.numbered(group)
        version = {
            "ModelPackageName": f"{group.name}/{number}",
            "ModelPackageGroupName": group.name,
            "ModelPackageVersion": number,
        }
        return self.view(await self.make(scope, request | version, owner=group.arn))

    async def admit(self, request: dict[str, Any], scope: Scope) -> dict[str, Any]:
        for member, state in MEMBERS.items():
            if state == "refused" and request.get(member):
                raise ValidationError(f"{member} is not supported: model data stays where it is.")
        spec = {name: value for name, value in request.items() if name != "ClientToken"}
        if request.get("ClientToken"):
            spec[_TOKEN] = request["ClientToken"]
        source = request.get("SourceAlgorithmSpecification")
        if source and request.get("InferenceSpecification"):
            raise ValidationError(
                "InferenceSpecification and SourceAlgorithmSpecification cannot be specified together."
            )
        if source:
            spec["InferenceSpecification"] = await self._of_algorithm(source["SourceAlgorithms"][0], scope)
        elif not request.get("InferenceSpecification") and not request.get("ModelPackageGroupName"):
            raise ValidationError("Either InferenceSpecification or SourceAlgorithmSpecification must be specified.")
        if request.get("ModelPackageGroupName"):
            spec = {"ModelApprovalStatus": "PendingManualApproval"} | spec
        return {"CertifyForMarketplace": False} | spec

    async def update(self, call: Call) -> Answer:
        """The same as for other nouns, but for the member that names it."""
        params = dict(call.params)
        params["ModelPackageName"] = params.pop("ModelPackageArn")
        params.pop("ClientToken", None)  # doing it twice is doing it once
        return await super().update(replace(call, params=params))

    async def amend(self, record: Record, request: dict[str, Any]) -> None:
        if request.get("ModelApprovalStatus") and "ModelPackageVersion" not in record.spec:
            raise ValidationError("ModelApprovalStatus can be updated only for a version of a model package group.")
        removed = request.get("CustomerMetadataPropertiesToRemove", ())
        properties = (record.spec.get("CustomerMetadataProperties") or {}) | request.get(
            "CustomerMetadataProperties", {}
        )
        properties = {name: value for name, value in properties.items() if name not in removed}
        if len(properties) > 50:
            raise ValidationError("CustomerMetadataProperties must have at most 50 members.")
        added = request.get("AdditionalInferenceSpecificationsToAdd", [])
        kept = record.spec.get("AdditionalInferenceSpecifications") or []
        names = [each["Name"] for each in [*kept, *added]]
        if len(set(names)) < len(names) or len(names) > 15:
            raise ValidationError(
                "AdditionalInferenceSpecifications must have at most 15 members, each with a Name of its own."
            )
        record.spec |= {name: value for name, value in request.items() if name not in _CHANGES}
        record.spec["CustomerMetadataProperties"] = properties or None
        record.spec["AdditionalInferenceSpecifications"] = [*kept, *added] or None

    async def list(self, call: Call) -> Answer:
        """Of a group, its versions; else, as AWS has it, those without a group, unless another type is asked for."""
        params = dict(call.params)
        group, kind = params.pop("ModelPackageGroupName", None), params.pop("ModelPackageType", None)
        if group:
            found = await named(self.world, GROUP, group, Scope(call.account, call.region))
            params["ModelPackageGroupName"] = found.name
        if kind or not group:
            params["ModelPackageType"] = kind or "Unversioned"
        if params.get("ModelPackageType") == "Both":
            del params["ModelPackageType"]
        return await super().list(replace(call, params=params))

    def view(self, record: Record) -> dict[str, Any]:
        shown = super().view(record)
        group = record.spec.get("ModelPackageGroupName")
        shown["ModelPackageType"] = "Versioned" if group else "Unversioned"
        return shown | ({"ModelPackageName": group} if group else {})

    # ------------------------------------------------------------- what the loop does

    async def validate(self, record: Record, role: str, profile: Mapping[str, Any]) -> Finding:
        specification = record.spec.get("InferenceSpecification")
        if not specification:
            return Finding("Failed", "ClientError: the model package has no InferenceSpecification to validate.")
        return await self.transformed(record, role, containers_of(specification), profile["TransformJobDefinition"])

    # ------------------------------------------------------------- the smaller steps

    async def _made_before(self, group: Record, token: str | None) -> Record | None:
        """The version that the same request has made, whose answer was lost."""
        if not token:
            return None
        query = Query(self.noun, group.account, group.region, owner=group.arn, limit=100)
        return next((each for each in await self.world.table.select(query) if each.spec.get(_TOKEN) == token), None)

    async def _of_algorithm(self, source: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
        algorithm = await algorithms.usable(self.world, source["AlgorithmName"], scope)
        specification = algorithm.spec.get("InferenceSpecification")
        if not specification:
            raise ValidationError(
                f"Algorithm {algorithm.arn} has no InferenceSpecification: its models cannot be packaged."
            )
        data = {member: source[member] for member in ("ModelDataUrl", "ModelDataSource") if member in source}
        first, *others = specification["Containers"]
        return {**specification, "Containers": [first | data, *others]}


async def batch_describe(world: World, call: Call) -> dict[str, Any]:
    """BatchDescribeModelPackage: what is found, and an error for each that is not."""
    kind = world.kinds["ModelPackage"]
    found, errors = {}, {}
    for arn in call.params["ModelPackageArnList"]:
        record = await world.table.get("ModelPackage", call.account, call.region, typed(arn).lower())
        if record is None or record.arn != arn:
            errors[arn] = {"ErrorCode": "ValidationException", "ErrorResponse": kind.absent[1].format(arn=arn)}
        else:
            found[arn] = kind.view(record)
    return {"ModelPackageSummaries": found, "BatchDescribeModelPackageErrorMap": errors}
