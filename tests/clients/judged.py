"""What every answer must look like: a success, or a refusal in the shape of the protocol that was spoken."""

import json
import re
from xml.etree import ElementTree as ET

import cbor2

from tests.clients.raw import Answer

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9.]*")
_LEAKS = re.compile(rb"Traceback|site-packages|\.py\b|/tmp/|object at 0x")
# What AWS's S3 itself answers 501 to: parts of its API that exist and are not implemented.
_NOT_IMPLEMENTED = (501, "NotImplemented")


def faults(answer: Answer, *, head: bool = False) -> str:
    """What is wrong with an answer, "" when nothing is."""
    if answer.status < 300 or answer.status == 304:
        return "" if _request_id(answer) else "a success without a request id"
    if head:
        return "" if answer.status < 500 and not answer.body else f"HEAD answered {answer.status} with {answer.body!r}"
    if _LEAKS.search(answer.body):
        return f"the answer shows the server's insides: {answer.body[:500]!r}"
    if answer.headers.get("content-type") == "text/plain; charset=utf-8" and answer.status == 400:
        return ""  # what is not HTTP at all is told so in HTTP's own words
    try:
        code, message = read_error(answer)
    except (ValueError, KeyError, AttributeError, ET.ParseError, cbor2.CBORDecodeError) as error:
        return f"{answer.status} {answer.headers} {answer.body[:500]!r} cannot be read: {error!r}"
    if answer.status >= 500 and (answer.status, code) != _NOT_IMPLEMENTED:
        return f"{answer.status} {code}: {message}"
    if not _CODE.fullmatch(code):
        return f"{code!r} is no error code"
    if not message and answer.status != 412:
        return f"{code} says nothing"
    return "" if _request_id(answer) else f"{code} has no request id"


def read_error(answer: Answer) -> tuple[str, str]:
    """The code and the message, by the protocol that the answer says it speaks."""
    kind = answer.headers.get("content-type", "")
    if "json" in kind:
        document = json.loads(answer.body)
        code = document.get("__type") or answer.headers["x-amzn-errortype"]
        return code, document.get("message") or document["Message"]
    if "cbor" in kind:
        document = cbor2.loads(answer.body)
        return document["__type"], document.get("message") or document["Message"]
    root = ET.fromstring(answer.body)
    error = root if root.tag == "Error" else root.find("Error")
    if error is None or not (root.findtext("RequestId") or error.findtext("RequestId")):
        raise ValueError("an error in XML has Error and RequestId")
    return error.findtext("Code") or "", error.findtext("Message") or ""


def _request_id(answer: Answer) -> str:
    return answer.headers.get("x-amzn-requestid") or answer.headers.get("x-amz-request-id") or ""
