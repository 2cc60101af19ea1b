"""Credentials kept as records: root's key, the long-term keys of users, and temporary sessions."""

import base64
import configparser
import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from salvia.base import ids
from salvia.base.call import Caller
from salvia.base.clock import Clock
from salvia.ports.credentials import AccessKey, Credential
from salvia.ports.table import Query, Record, Table
from salvia.settings import Settings

ROOT, LONG_TERM, SESSION = "iam:RootKey", "iam:AccessKey", "sts:Session"

_FRESH_SECONDS = 3.0  # how long a key that was found is believed without asking the table again
_ABSENT_SECONDS = 0.5  # a key may just have been made by another server
_USE_SECONDS = 60.0
_CACHED_KEYS = 10_000
_SWEEP_EVERY = 64  # sessions issued between two removals of expired ones


@dataclass(slots=True)
class _Known:
    """What is believed of a key until `fresh_until`."""

    credential: Credential | None
    fresh_until: float


class StoredCredentials:
    """Credentials and AccessKeys over a Table, with a small cache in front.

    A change made by another server that shares the table is seen within three seconds.
    """

    def __init__(self, table: Table, settings: Settings, clock: Clock) -> None:
        self._table = table
        self._settings = settings
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._noted: dict[str, float] = {}
        self._issued = 0

    async def ensure_root(self, data: Path) -> Credential:
        """Root's key, made on the first start and kept in `data`/credentials, which no later start changes.

        The file (mode 0600) is a shared credentials file as AWS tools read it (AWS_SHARED_CREDENTIALS_FILE). Servers that
        start at once agree on one key, whether they share the folder, the table or both.
        """
        path = data / "credentials"
        kept = _read(path)
        if kept is None:
            _write_once(path, self._file_text(*await self._agreed_key(_new_key())))
            kept = _read(path)
        if kept is None:
            raise ValueError(f"{path} does not hold an aws_access_key_id and an aws_secret_access_key in [default]")
        for access_key, secret in {await self._agreed_key(kept), kept}:
            root = Credential(access_key, secret, self.root_caller(access_key))
            self._known[access_key] = _Known(root, float("inf"))
        return Credential(kept[0], kept[1], self.root_caller(kept[0]))

    def root_caller(self, access_key: str = "") -> Caller:
        """Root speaks as a session of the execution role: the SageMaker SDKs accept no caller that is not a role."""
        account, role = self._settings.account, self._settings.execution_role
        return Caller(
            account=account,
            arn=f"arn:aws:sts::{account}:assumed-role/{role}/root",
            user_id=f"{ids.derived('AROA', account, role)}:root",
            access_key=access_key,
            principal_arn=f"arn:aws:iam::{account}:role/{role}",
            root=True,
        )

    def known(self, access_key: str) -> Credential | None:
        known = self._fresh(access_key)
        return known.credential if known is not None else None

    async def find(self, access_key: str) -> Credential | None:
        known = self._fresh(access_key)
        return known.credential if known is not None else await self._load(access_key)

    def _fresh(self, access_key: str) -> _Known | None:
        known = self._known.get(access_key)
        return known if known is not None and known.fresh_until > self._clock.now() else None

    async def issue(self, caller: Caller, seconds: float) -> Credential:
        now = self._clock.now()
        key = _key_name("ASIA")
        credential = Credential(
            access_key=key,
            secret=_secret(),
            caller=replace(caller, access_key=key),
            token="IQoJ" + base64.b64encode(secrets.token_bytes(96)).decode(),
            expires=now + seconds,
        )
        await self._insert(SESSION, credential, name=f"{credential.expires:017.3f}")
        self._remember(credential.access_key, credential)
        self._issued += 1
        if self._issued % _SWEEP_EVERY == 0:
            await self._sweep(caller.account)
        return credential

    async def create(self, caller: Caller) -> Credential:
        key = _key_name("AKIA")
        credential = Credential(key, _secret(), replace(caller, access_key=key))
        await self._insert(LONG_TERM, credential, name=key)
        self._remember(key, credential)
        return credential

    async def keys(self, account: str, principal_arn: str) -> Sequence[AccessKey]:
        query = Query(LONG_TERM, account, owner=principal_arn, descending=False, limit=1000)
        return [_shown(record) for record in await self._table.select(query)]

    async def activate(self, account: str, access_key: str, active: bool) -> bool:
        record = await self._table.get(LONG_TERM, account, "", access_key)
        if record is None:
            return False
        record.spec["Active"] = active
        record.modified = self._clock.now()
        saved = await self._table.save_wish(record)
        self._known.pop(access_key, None)
        return saved

    async def delete(self, account: str, access_key: str) -> bool:
        record = await self._table.get(LONG_TERM, account, "", access_key)
        deleted = record is not None and await self._table.delete(record)
        self._known.pop(access_key, None)
        return deleted

    async def note_use(self, access_key: str, service: str, region: str) -> None:
        if not access_key.startswith("AKIA"):
            return  # only long-term keys show when they were used
        now = self._clock.now()
        if now - self._noted.get(access_key, 0.0) < _USE_SECONDS:
            return
        _make_room(self._noted)
        self._noted[access_key] = now
        record = await self._table.find(_arn(access_key))
        if record is None or record.kind != LONG_TERM:
            return
        record.status = {"LastUsed": now, "Service": service, "Region": region}
        await self._table.save_fact(record, "")

    async def _load(self, access_key: str) -> Credential | None:
        record = await self._table.find(_arn(access_key))
        credential = _credential(record) if record is not None and record.kind in (LONG_TERM, SESSION) else None
        self._remember(access_key, credential)
        return credential

    def _remember(self, access_key: str, credential: Credential | None) -> None:
        _make_room(self._known)
        seconds = _FRESH_SECONDS if credential is not None else _ABSENT_SECONDS
        self._known[access_key] = _Known(credential, self._clock.now() + seconds)

    async def _insert(self, kind: str, credential: Credential, name: str) -> None:
        now = self._clock.now()
        spec: dict[str, Any] = {"Secret": credential.secret, "Caller": asdict(credential.caller), "Active": True}
        if credential.token is not None:
            spec |= {"Token": credential.token, "Expires": credential.expires}
        record = Record(
            kind=kind,
            account=credential.caller.account,
            region="",
            key=credential.access_key,
            arn=_arn(credential.access_key),
            created=now,
            modified=now,
            spec=spec,
            name=name,
            owner=credential.caller.principal_arn,
        )
        if not await self._table.insert(record):
            raise RuntimeError(f"the access key {credential.access_key} was drawn twice")

    async def _sweep(self, account: str) -> None:
        """Remove sessions that ended an hour ago; until then a client is told that its token expired, not that it is unknown."""
        query = Query(SESSION, account, sort="name", descending=False, limit=2 * _SWEEP_EVERY)
        past = self._clock.now() - 3600
        for record in await self._table.select(query):
            if record.spec["Expires"] > past:
                return
            await self._table.delete(record)
            self._known.pop(record.key, None)

    async def _agreed_key(self, key: tuple[str, str]) -> tuple[str, str]:
        """The root key of all servers on this table: `key` where none was recorded yet."""
        now = self._clock.now()
        record = Record(
            kind=ROOT,
            account=self._settings.account,
            region="",
            key="root",
            arn=f"arn:aws:iam::{self._settings.account}:access-key/root",
            created=now,
            modified=now,
            spec={"AccessKey": key[0], "Secret": key[1]},
        )
        if await self._table.insert(record):
            return key
        agreed = await self._table.get(ROOT, self._settings.account, "", "root")
        return (agreed.spec["AccessKey"], agreed.spec["Secret"]) if agreed is not None else key

    def _file_text(self, access_key: str, secret: str) -> str:
        account, role = self._settings.account, self._settings.execution_role
        return (
            "# The root credentials of this Salvia data folder. Whoever can read this file can do everything.\n"
            "[default]\n"
            f"aws_access_key_id = {access_key}\n"
            f"aws_secret_access_key = {secret}\n"
            f"region = {self._settings.region}\n"
            f"salvia_account = {account}\n"
            f"salvia_execution_role_arn = arn:aws:iam::{account}:role/{role}\n"
        )


def _read(path: Path) -> tuple[str, str] | None:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text())
    except FileNotFoundError:
        return None
    section = parser["default"] if parser.has_section("default") else {}
    key, secret = section.get("aws_access_key_id"), section.get("aws_secret_access_key")
    return (key, secret) if key and secret else None


def _write_once(path: Path, text: str) -> None:
    """Make the file whole or not at all; where it exists already, it stays as it is."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".credentials-{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        try:
            os.link(draft, path)  # unlike a rename, a link never replaces what another server wrote first
        except FileExistsError:
            return
        _sync_folder(path.parent)
    finally:
        draft.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _arn(access_key: str) -> str:
    """A request names only the key, not the account: so neither does the ARN that finds its record."""
    return f"arn:aws:iam:::access-key/{access_key}"


def _credential(record: Record) -> Credential | None:
    spec = record.spec
    if not spec["Active"]:
        return None
    known = dict(spec["Caller"])
    known["session_tags"] = tuple((key, value) for key, value in known["session_tags"])
    known["transitive_tags"] = tuple(known["transitive_tags"])
    return Credential(record.key, spec["Secret"], Caller(**known), spec.get("Token"), spec.get("Expires"))


def _shown(record: Record) -> AccessKey:
    used = record.status
    return AccessKey(
        access_key=record.key,
        principal_arn=record.owner,
        created=record.created,
        active=record.spec["Active"],
        used=(used["LastUsed"], used["Service"], used["Region"]) if used else None,
    )


def _new_key() -> tuple[str, str]:
    return _key_name("AKIA"), _secret()


def _key_name(prefix: str) -> str:
    return prefix + base64.b32encode(secrets.token_bytes(10)).decode()


def _secret() -> str:
    return secrets.token_hex(20)  # 40 characters as AWS's, without the slash and plus that break shells and URLs


def _make_room(cache: dict[str, Any]) -> None:
    """Forget the older half of a full cache; root's key, which is in no table row of its own, stays."""
    if len(cache) < _CACHED_KEYS:
        return
    for key in list(cache)[: _CACHED_KEYS // 2]:
        kept = cache[key]
        if not (isinstance(kept, _Known) and kept.fresh_until == float("inf")):
            del cache[key]
