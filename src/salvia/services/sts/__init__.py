"""Security Token Service: who is calling, and temporary sessions."""

from salvia.resources.service import Service
from salvia.services.sts.identity import get_access_key_info, get_caller_identity
from salvia.services.sts.sessions import assume_role, get_federation_token, get_session_token

SERVICE = Service(
    "sts",
    operations={
        "AssumeRole": assume_role,
        "GetAccessKeyInfo": get_access_key_info,
        "GetCallerIdentity": get_caller_identity,
        "GetFederationToken": get_federation_token,
        "GetSessionToken": get_session_token,
    },
)
