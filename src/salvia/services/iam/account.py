"""The account itself: its aliases, and how much of each thing it has."""

from typing import Any

from salvia.base.call import Call
from salvia.ports.table import Query
from salvia.resources.world import World
from salvia.services.iam import managed, store
from salvia.services.iam.entity import GROUP, ROLE, USER


async def list_account_aliases(world: World, call: Call) -> dict[str, Any]:  # noqa: ARG001 - an operation
    """Always empty: an alias is a name for a sign-in page, and there is none."""
    return {"AccountAliases": [], "IsTruncated": False}


async def get_account_summary(world: World, call: Call) -> dict[str, Any]:
    counted = {
        word: len(await store.every(world, Query(kind, call.account)))
        for word, kind in (
            ("Roles", ROLE.kind),
            ("Users", USER.kind),
            ("Groups", GROUP.kind),
            ("Policies", managed.KIND),
            ("PolicyVersionsInUse", managed.VERSION_KIND),
        )
    }
    quotas = {
        "AccessKeysPerUserQuota": 2,
        "AssumeRolePolicySizeQuota": 2048,
        "AttachedPoliciesPerGroupQuota": 10,
        "AttachedPoliciesPerRoleQuota": 10,
        "AttachedPoliciesPerUserQuota": 10,
        "GroupPolicySizeQuota": 5120,
        "PolicySizeQuota": 6144,
        "RolePolicySizeQuota": 10_240,
        "UserPolicySizeQuota": 2048,
        "VersionsPerPolicyQuota": 5,
    }
    nothing = {"MFADevices": 0, "MFADevicesInUse": 0, "AccountMFAEnabled": 0, "InstanceProfiles": 0, "Providers": 0}
    return {"SummaryMap": counted | quotas | nothing | {"AccountAccessKeysPresent": 1}}
