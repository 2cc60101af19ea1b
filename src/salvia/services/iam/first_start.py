"""What an account has from its first start: the execution role that jobs run as and that root speaks for."""

import json

from salvia.base import ids
from salvia.resources.world import World
from salvia.services.iam import entity, store
from salvia.services.iam.attachments import attach_to
from salvia.services.iam.entity import ROLE

_POLICIES = (
    "AmazonSageMakerFullAccess",
    "AmazonS3FullAccess",
    "CloudWatchFullAccess",
    "AmazonAthenaFullAccess",
    "IAMReadOnlyAccess",
)


async def ensure_execution_role(world: World) -> None:
    """Make the role that settings.execution_role names, once: what a client changed or deleted later stays so.

    Only a role that was never made is made, so a start after DeleteRole of it makes it again, with its first policies.
    """
    account, name = world.settings.account, world.settings.execution_role
    if await entity.find(world, account, ROLE, name) is not None:
        return
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"},
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"},
        ],
    }
    spec = {
        "Id": ids.derived("AROA", account, name),  # as root's own credentials have it
        "AssumeRolePolicyDocument": json.dumps(trust),
        "MaxSessionDuration": 43_200,
        "Description": "What jobs run as unless they are given another role.",
    }
    role = entity.new(world, account, ROLE, name, "/", spec)
    # The role last: a server that dies on the way finds no role when it comes back, and does all of it again.
    for policy in _POLICIES:
        await attach_to(world, ROLE, role, f"arn:aws:iam::aws:policy/{policy}")
    await store.insert(world, role)
