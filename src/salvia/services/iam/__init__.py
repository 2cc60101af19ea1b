"""Identity and Access Management: roles, users, groups, and the policies that say what they may do."""

from salvia.resources.service import Operation, Service
from salvia.services.iam import (
    access_keys,
    account,
    attachments,
    boundary,
    groups,
    inline,
    managed,
    policies,
    roles,
    simulate,
    tags,
    users,
)
from salvia.services.iam.entity import NOUNS, ROLE, USER, Noun


def _policy_operations(noun: Noun) -> dict[str, Operation]:
    """Inline and managed policies are handled alike for roles, users and groups."""
    word = noun.word
    return {
        f"Attach{word}Policy": attachments.attach_policy(noun),
        f"Detach{word}Policy": attachments.detach_policy(noun),
        f"ListAttached{word}Policies": attachments.list_attached(noun),
        f"Put{word}Policy": inline.put_policy(noun),
        f"Get{word}Policy": inline.get_policy(noun),
        f"Delete{word}Policy": inline.delete_policy(noun),
        f"List{word}Policies": inline.list_policies(noun),
    }


def _tag_operations(word: str, find: tags.Find) -> dict[str, Operation]:
    return {
        f"Tag{word}": tags.tag(find),
        f"Untag{word}": tags.untag(find),
        f"List{word}Tags": tags.list_tags(find),
    }


SERVICE = Service(
    "iam",
    operations={
        "CreateRole": roles.create_role,
        "GetRole": roles.get_role,
        "ListRoles": roles.list_roles,
        "UpdateRole": roles.update_role,
        "UpdateRoleDescription": roles.update_role_description,
        "UpdateAssumeRolePolicy": roles.update_assume_role_policy,
        "DeleteRole": roles.delete_role,
        "ListInstanceProfilesForRole": roles.list_instance_profiles_for_role,
        "PutRolePermissionsBoundary": boundary.put_boundary(ROLE),
        "DeleteRolePermissionsBoundary": boundary.delete_boundary(ROLE),
        "CreateUser": users.create_user,
        "GetUser": users.get_user,
        "ListUsers": users.list_users,
        "DeleteUser": users.delete_user,
        "PutUserPermissionsBoundary": boundary.put_boundary(USER),
        "DeleteUserPermissionsBoundary": boundary.delete_boundary(USER),
        "CreateGroup": groups.create_group,
        "GetGroup": groups.get_group,
        "ListGroups": groups.list_groups,
        "ListGroupsForUser": groups.list_groups_for_user,
        "DeleteGroup": groups.delete_group,
        "AddUserToGroup": groups.add_user_to_group,
        "RemoveUserFromGroup": groups.remove_user_from_group,
        "CreateAccessKey": access_keys.create_access_key,
        "ListAccessKeys": access_keys.list_access_keys,
        "UpdateAccessKey": access_keys.update_access_key,
        "DeleteAccessKey": access_keys.delete_access_key,
        "GetAccessKeyLastUsed": access_keys.get_access_key_last_used,
        "CreatePolicy": managed.create_policy,
        "GetPolicy": policies.get_policy,
        "ListPolicies": policies.list_policies,
        "DeletePolicy": policies.delete_policy,
        "CreatePolicyVersion": policies.create_policy_version,
        "GetPolicyVersion": policies.get_policy_version,
        "ListPolicyVersions": policies.list_policy_versions,
        "DeletePolicyVersion": policies.delete_policy_version,
        "SetDefaultPolicyVersion": policies.set_default_policy_version,
        "ListEntitiesForPolicy": attachments.list_entities_for_policy,
        **{name: operation for noun in NOUNS.values() for name, operation in _policy_operations(noun).items()},
        **_tag_operations("Role", tags.named(ROLE)),
        **_tag_operations("User", tags.named(USER)),
        **_tag_operations("Policy", tags.policy),
        "SimulatePrincipalPolicy": simulate.simulate_principal_policy,
        "SimulateCustomPolicy": simulate.simulate_custom_policy,
        "GetAccountSummary": account.get_account_summary,
        "ListAccountAliases": account.list_account_aliases,
    },
)
