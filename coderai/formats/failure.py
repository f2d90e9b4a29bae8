"""What an error answer says, in any of the shapes that providers use, and the servers between them and us."""

from typing import Any

from coderai.formats.loose import items, json_of, mapping, text, value

# What the trail has for both, of an answer that tells of no error.
Failure = tuple[str | None, str | None]


def alone(body: bytes) -> bytes:
    """An answer, out of the list that Gemini puts its errors in."""
    if body[:64].lstrip()[:1] != b"[":
        return body
    return b"".join(json_of(one) for one in items(body)[:1]) or body


def failure_of(body: bytes) -> Failure:
    """Type and message, of a whole body."""
    return error_of(mapping(value(body)))


def error_of(answer: dict[str, Any]) -> Failure:
    """Type and message, of an error body or event."""
    error, message = answer.get("error"), text(answer.get("message"))
    if isinstance(error, str):
        return "error", message or error
    if isinstance(error, dict):
        kind = text(error.get("type")) or text(error.get("code")) or text(error.get("status")) or "error"
        return kind, text(error.get("message")) or None
    if message or "error" in (answer.get("type"), answer.get("object")):  # the latter is vLLM's
        kind = text(answer.get("type"))
        return (kind if kind != "error" else "") or text(answer.get("code")) or "error", message or None
    return _of_detail(answer.get("detail"))


def _of_detail(detail: Any) -> Failure:
    """FastAPI's, which many servers of open models are made with: a text, or what is wrong with which field."""
    if isinstance(detail, dict):
        return error_of(detail)
    if isinstance(detail, list):
        detail = "; ".join(filter(None, (text(mapping(each).get("msg")) for each in detail)))
    return ("error", detail) if isinstance(detail, str) and detail else (None, None)
