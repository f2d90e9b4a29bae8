"""Bedrock's errors in Anthropic's shape, by status for an answer and by exception within a stream.

Spec: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html,
https://docs.anthropic.com/en/api/errors
"""

import json
from typing import Any

from coderai.wire.headers import Headers, named

_BY_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    424: "api_error",  # the model failed; nothing is wrong with the request
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_BY_EXCEPTION = {
    "validationexception": "invalid_request_error",
    "accessdeniedexception": "permission_error",
    "resourcenotfoundexception": "not_found_error",
    "throttlingexception": "rate_limit_error",
    "servicequotaexceededexception": "rate_limit_error",
    "modeltimeoutexception": "timeout_error",
    "modelnotreadyexception": "overloaded_error",
    "serviceunavailableexception": "overloaded_error",
}
# AWS repeats what was signed, a session token with it.
_OF_SIGNATURES = ("invalidsignatureexception", "signaturedoesnotmatch", "incompletesignatureexception")
LONGEST_MESSAGE = 4096


def answered(status: int, headers: Headers, body: bytes) -> bytes:
    """The body of an error answer."""
    fields = named(headers)
    exception = _plain(fields.get(b"x-amzn-errortype", b"").decode("latin-1"))
    request_id = fields.get(b"x-amzn-requestid", b"").decode("latin-1")
    kind = _BY_STATUS.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return _error(kind, _message(body, exception) or f"Bedrock answered {status}", request_id)


def streamed(exception: str, payload: bytes) -> bytes:
    """The data of an error event."""
    exception = _plain(exception)
    kind = _BY_EXCEPTION.get(exception.lower(), "api_error")
    return _error(kind, _message(payload, exception) or f"Bedrock ended the stream: {exception or 'no reason given'}")


def _plain(exception: str) -> str:
    """Its name, without the namespace before it and the URI behind it."""
    return exception.partition(":")[0].rpartition("#")[2]


def _message(body: bytes, exception: str) -> str:
    try:
        fields: Any = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        fields = {}
    exception = exception or _plain(str(fields.get("__type", "")))
    if exception.lower() in _OF_SIGNATURES:
        return f"{exception}: AWS does not accept the signature; check access key, secret, region and clock of coderai"
    message = fields.get("message") or fields.get("Message") or ""
    return ": ".join(part for part in (exception, _shortened(str(message))) if part)


def _shortened(message: str) -> str:
    """Cut between two words: a secret's beginning would not be known for one where it is masked, and be on record."""
    if len(message) <= LONGEST_MESSAGE:
        return message
    return message[:LONGEST_MESSAGE].rpartition(" ")[0]


def _error(kind: str, message: str, request_id: str = "") -> bytes:
    error: dict[str, Any] = {"type": "error", "error": {"type": kind, "message": message}}
    if request_id:
        error["request_id"] = request_id
    return json.dumps(error, separators=(",", ":")).encode()
