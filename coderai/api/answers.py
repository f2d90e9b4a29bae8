"""The shape of this API's answers: JSON, and for refusals Coder's `{"message", "detail", "validations"}`."""

from collections.abc import Mapping, Sequence

import msgspec
from aiohttp import web
from msgspec import Struct


class Validation(Struct, frozen=True):
    """What is wrong with one parameter."""

    field: str
    detail: str


class _Body(Struct, frozen=True, omit_defaults=True):
    message: str
    detail: str = ""
    validations: Sequence[Validation] = ()


class Refused(Exception):
    """The request is answered with this status and text."""

    def __init__(
        self,
        status: int,
        message: str,
        detail: str = "",
        validations: Sequence[Validation] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = _Body(message, detail, tuple(validations))
        self.headers = headers

    def response(self) -> web.Response:
        return json(msgspec.json.encode(self.body) + b"\n", status=self.status, headers=self.headers)


def json(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    response = web.Response(body=body, status=status, headers=headers)
    response.headers["Content-Type"] = "application/json; charset=utf-8"
    response.headers["X-Content-Type-Options"] = "nosniff"  # it holds what users and models wrote
    return response
