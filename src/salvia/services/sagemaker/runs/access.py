"""What a job's role may do in S3: the platform reads and writes for a job only what the role itself could."""

from dataclasses import dataclass
from typing import Any

from salvia.base.call import Call, Caller
from salvia.base.errors import AwsError, ValidationError
from salvia.ports.objects import NoSuchObjectError
from salvia.resources.world import World
from salvia.services.sagemaker.runs.channels import any_object, bucket_and_key
from salvia.services.sagemaker.runs.places import ChannelError, Item


@dataclass(frozen=True, slots=True)
class Access:
    world: World
    role: Caller
    region: str

    @classmethod
    async def of(cls, world: World, role_arn: str, account: str, region: str) -> "Access":
        """Raises ValidationError, in AWS's words, when SageMaker cannot assume the role for a job of the account."""
        return cls(world, await world.parts["execution_caller"](role_arn, account), region)

    async def allows(self, operation: str, uri: str) -> bool:
        """`operation` is S3's ("GetObject", "PutObject", "ListObjectsV2"), `uri` an object or a prefix."""
        bucket, key = bucket_and_key(uri)
        named: dict[str, Any] = {"Prefix": key} if operation == "ListObjectsV2" else {"Key": key or "-"}
        try:
            await self.world.parts["authorize"](
                Call("s3", operation, {"Bucket": bucket} | named, self.role, self.region)
            )
        except AwsError:
            return False
        return True

    async def check_source(self, uri: str, role_arn: str) -> None:
        """Before a job is made: there are objects under the prefix, and the role may list them. Raises ValidationError."""
        if not (await self.allows("ListObjectsV2", uri) and await any_object(self.world.objects, uri)):
            raise ValidationError(
                f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists '
                f"in the selected region ({self.region}), that objects exist under that S3 prefix, and that the role "
                f'"{role_arn}" has "s3:ListBucket" permissions on its bucket.'
            )

    async def check_target(self, member: str, uri: str, role_arn: str, name: str = "-") -> None:
        """Before a job is made: the bucket is there, and the role may put `name` below the prefix. Raises ValidationError."""
        bucket, _ = bucket_and_key(uri)
        try:
            await self.world.objects.list(bucket, "", limit=1)
        except NoSuchObjectError:
            raise ValidationError(f"{member}: the bucket {bucket} does not exist.") from None
        if not await self.allows("PutObject", f"{uri.rstrip('/')}/{name}"):
            raise ValidationError(f'{member}: the role "{role_arn}" has no "s3:PutObject" permission on {uri}.')

    async def check_input(self, channel: dict[str, Any], items: list[Item]) -> None:
        """Raises ChannelError when the role may not read the channel's manifest or one of its objects."""
        source = channel["DataSource"]["S3DataSource"]
        manifest = [source["S3Uri"]] if source["S3DataType"] != "S3Prefix" else []
        for uri in [*manifest, *(f"s3://{item.bucket}/{item.key}" for item in items)]:
            if not await self.allows("GetObject", uri):
                raise ChannelError(
                    f"ClientError: Data download failed: AccessDenied (403): the role may not do s3:GetObject on {uri}."
                )

    async def check_checkpoints(self, uri: str) -> None:
        """Raises ChannelError when the role may not list, read and write below the prefix."""
        prefix = f"{uri.rstrip('/')}/"
        for operation in ("ListObjectsV2", "GetObject", "PutObject"):
            if not await self.allows(operation, prefix):
                raise ChannelError(f"ClientError: the role may not use the checkpoints in {uri}: AccessDenied (403).")
