"""What an error answer says, in any of the shapes that providers use, and the servers between them and us."""

from typing import Any

from coderai.formats.loose import items, json_of, mapping, text, value

# What the trail has for both, of an answer that tells of no error.
Failure = tuple[str | None, str | None]


def unwrapped(body: bytes) -> bytes:
    """An answer, out of the list that Gemini puts its errors in."""
    if body[:64].lstrip()[:1] != b"[":
        return body
    return b"".join(json_of(one) for one in items(body)[:1]) or body


def failure_in(body: bytes, error: Any, *, answers: bool) -> Failure:
    """Type and message, of a whole body. answers: it is an answer, beside which its `error` alone tells of one."""
    if answers:
        return error_of({"error": error}) if error else (None, None)
    return error_of(mapping(value(body)))


def error_of(answer: dict[str, Any]) -> Failure:
    """Type and message, of an error body or event."""
    error, message = answer.get("error"), text(answer.get("message"))
    if isinstance(several := error or answer.get("errors"), list):  # as Cloudflare tells them
        error = next(iter(several), None)
    if isinstance(error, str) and error:
        return "error", message or error
    if isinstance(error, dict) and any(error.values()):  # some tell that there is none by empty members
        kind = _kind(error.get("type")) or text(error.get("code")) or text(error.get("status")) or "error"
        return kind, text(error.get("message")) or message or None
    if message or error is True or "error" in (answer.get("type"), answer.get("object")):  # the latter is vLLM's
        kind = text(answer.get("type"))
        return (kind if kind != "error" else "") or text(answer.get("code")) or "error", message or None
    return _of_detail(answer.get("detail"))


def _kind(given: Any) -> str:
    """LiteLLM writes that it knows none as Python does; its code is a status then."""
    return text(given) if given != "None" else ""


def told(failure: Failure, before: Failure) -> Failure:
    """The later one, unless it tells nothing."""
    return failure if failure[0] else before


def _of_detail(detail: Any) -> Failure:
    """FastAPI's, which many servers of open models are made with: a text, or what is wrong with which field."""
    if isinstance(detail, dict):
        return error_of({name: given for name, given in detail.items() if name != "detail"})
    if isinstance(detail, list):
        detail = "; ".join(filter(None, (text(mapping(each).get("msg")) for each in detail)))
    return ("error", detail) if isinstance(detail, str) and detail else (None, None)
