"""The condition keys that every request has: who asks, from where, and when."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence

from salvia.base.arn import Arn
from salvia.base.call import Call, Caller
from salvia.services.iam.patterns import Context
from salvia.services.iam.policy import Asking
from salvia.services.iam.principal import Principal

Keys = dict[str, tuple[str, ...]]  # in lower case


class LateContext(Mapping[str, Sequence[str]]):
    """A context that is put together when it is first looked at: most requests are decided without."""

    def __init__(self, make: Callable[[], Context]) -> None:
        self._make = make
        self._made: Context | None = None

    def __getitem__(self, key: str) -> Sequence[str]:
        return self._keys()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys())

    def __len__(self) -> int:
        return len(self._keys())

    def _keys(self) -> Context:
        if self._made is None:
            self._made = self._make()
        return self._made


def asking(caller: Caller) -> Asking:
    """How policies may name the caller."""
    role_arn = caller.principal_arn if ":role/" in caller.principal_arn else ""
    return Asking(account=caller.account, arns=(caller.arn,) if caller.arn else (), role_arn=role_arn)


def global_keys(call: Call, principal: Principal | None, now: float) -> Keys:
    caller = call.caller
    moment = dt.datetime.fromtimestamp(now, dt.UTC)
    keys: Keys = {
        "aws:currenttime": (moment.strftime("%Y-%m-%dT%H:%M:%SZ"),),
        "aws:epochtime": (str(int(now)),),
        "aws:requestedregion": (call.region,),
        "aws:securetransport": ("true" if call.secure else "false",),
        "aws:viaawsservice": ("false",),
        "aws:principaltype": (_type(caller),),
    }
    if caller.account:
        keys["aws:principalaccount"] = (caller.account,)
        keys["aws:userid"] = (caller.user_id,)
        keys["aws:principalarn"] = (caller.principal_arn or caller.arn,)
    if call.source_ip:
        keys["aws:sourceip"] = (call.source_ip,)
    for key, header in (("aws:useragent", "user-agent"), ("aws:referer", "referer")):
        if header in call.headers:
            keys[key] = (call.headers[header],)
    if ":user/" in caller.arn:
        keys["aws:username"] = (Arn.parse(caller.arn).name,)
    if caller.access_key.startswith("ASIA"):
        keys["aws:multifactorauthpresent"] = ("false",)
    if caller.source_identity:
        keys["aws:sourceidentity"] = (caller.source_identity,)
    tags = dict(principal.tags) if principal is not None else {}
    for key, value in (tags | dict(caller.session_tags)).items():
        keys[f"aws:principaltag/{key.lower()}"] = (value,)
    return keys


def _type(caller: Caller) -> str:
    if not caller.account:
        return "Anonymous"
    for mark, word in ((":user/", "User"), (":assumed-role/", "AssumedRole"), (":federated-user/", "FederatedUser")):
        if mark in caller.arn:
            return word
    return "Account"
