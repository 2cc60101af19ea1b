"""PostObject: an upload by a browser's form. It is in no service model; the wire brings the raw body and no caller."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from html import escape
from typing import Any
from urllib.parse import quote, urlencode

from salvia.base.call import Call, Reply
from salvia.base.errors import AwsError
from salvia.resources.world import World
from salvia.services.s3.errors import AccessDenied, InvalidArgument
from salvia.services.s3.form import Form
from salvia.services.s3.post_policy import Granted, granted
from salvia.services.s3.writing import put_object

_MEMBERS = {
    "key": "Key",
    "acl": "ACL",
    "cache-control": "CacheControl",
    "content-disposition": "ContentDisposition",
    "content-encoding": "ContentEncoding",
    "content-type": "ContentType",
    "x-amz-storage-class": "StorageClass",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "x-amz-server-side-encryption-customer-algorithm": "SSECustomerAlgorithm",
    "x-amz-website-redirect-location": "WebsiteRedirectLocation",
    "x-amz-checksum-algorithm": "ChecksumAlgorithm",
    "x-amz-checksum-crc32": "ChecksumCRC32",
    "x-amz-checksum-crc32c": "ChecksumCRC32C",
    "x-amz-checksum-crc64nvme": "ChecksumCRC64NVME",
    "x-amz-checksum-sha1": "ChecksumSHA1",
    "x-amz-checksum-sha256": "ChecksumSHA256",
    "content-md5": "ContentMD5",
}
_META = "x-amz-meta-"


async def post_object(world: World, call: Call) -> Reply:
    if call.body is None:
        raise AccessDenied
    form = Form(call.body, call.headers.get("content-type", ""))
    fields = await form.fields()
    if not fields.get("key"):
        raise InvalidArgument("key", "", "Bucket POST must contain a field named 'key'.")
    grant = await granted(world, call.params["Bucket"], fields)
    params = _params(call.params["Bucket"], fields, form.filename)
    put = replace(call, operation="PutObject", params=params, caller=grant.caller, headers={}, body=_File(form, grant))
    await _authorize(world, put)
    made = await put_object(world, put)
    return _answer(call, params, fields, made)


class _File:
    """The form's file as a body, with the length that the policy allows."""

    length: int | None = None
    trailers: Mapping[str, str] = {}

    def __init__(self, form: Form, grant: Granted) -> None:
        self._form = form
        self._grant = grant

    async def __aiter__(self) -> AsyncIterator[bytes]:
        least, most = self._grant.least, self._grant.most
        size = 0
        async for piece in self._form.file():
            size += len(piece)
            if most is not None and size > most:
                raise AwsError(
                    "Your proposed upload exceeds the maximum allowed size",
                    code="EntityTooLarge",
                    members={"ProposedSize": size, "MaxSizeAllowed": most},
                )
            yield piece
        if size < least:
            raise AwsError(
                "Your proposed upload is smaller than the minimum allowed size",
                code="EntityTooSmall",
                members={"ProposedSize": size, "MinSizeAllowed": least},
            )


async def _authorize(world: World, put: Call) -> None:
    """What PutObject needs is judged for whoever signed the form."""
    authorize = world.parts.get("authorize")
    if authorize is not None:
        await authorize(put)
    elif not put.caller.root:
        raise AccessDenied


def _params(bucket: str, fields: Mapping[str, str], filename: str) -> dict[str, Any]:
    params: dict[str, Any] = {_MEMBERS[name]: value for name, value in fields.items() if name in _MEMBERS}
    params["Bucket"] = bucket
    params["Key"] = params["Key"].replace("${filename}", filename)
    metadata = {name.removeprefix(_META): value for name, value in fields.items() if name.startswith(_META)}
    return params | ({"Metadata": metadata} if metadata else {})


def _answer(call: Call, params: Mapping[str, Any], fields: Mapping[str, str], made: Mapping[str, Any]) -> Reply:
    bucket, key, etag = params["Bucket"], params["Key"], made["ETag"]
    location = f"http://{call.headers.get('host', '')}/{bucket}/{quote(key)}"
    headers = {"ETag": etag, "Location": location}
    if "VersionId" in made:
        headers["x-amz-version-id"] = made["VersionId"]
    redirect = fields.get("success_action_redirect") or fields.get("redirect")
    if redirect:
        joint = "&" if "?" in redirect else "?"
        query = urlencode({"bucket": bucket, "key": key, "etag": etag})
        return Reply(status=303, headers=headers | {"Location": f"{redirect}{joint}{query}"}, body=b"")
    status = fields.get("success_action_status")
    if status != "201":
        return Reply(status=200 if status == "200" else 204, headers=headers, body=b"")
    body = "".join(
        f"<{name}>{escape(value, quote=False)}</{name}>"
        for name, value in (("Location", location), ("Bucket", bucket), ("Key", key), ("ETag", etag))
    )
    document = f'<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>{body}</PostResponse>'
    return Reply(status=201, headers=headers | {"Content-Type": "application/xml"}, body=document.encode())
