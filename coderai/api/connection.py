"""A client's connection whose requests are no provider's: aiohttp's, but for what it says of a request it cannot read.

aiohttp quotes such a request, in its answer and, with a traceback, in its log: tokens are in there.
"""

import asyncio
from http import HTTPStatus
from typing import Any

from aiohttp import web

from coderai.api.answers import Refused
from coderai.logs import Logger

# What comes here was read once (wire/inbound.py), and was not too large.
_LARGEST_HEAD = 2**20


class Connection(web.RequestHandler):
    """`server` is that of an application whose runner is set up."""

    def __init__(self, server: web.Server, log: Logger) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            max_line_size=_LARGEST_HEAD,
            max_field_size=_LARGEST_HEAD,
            max_headers=_LARGEST_HEAD,
            auto_decompress=False,  # nobody reads a body here
            lingering_time=1.0,  # for what is left of it, so that the client gets to read the answer
        )
        self._log = log

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        self.log_exception(exc_info=exc)
        response = Refused(status, f"{HTTPStatus(status).phrase}.").response()
        response.headers["Server"] = "coderai"  # else aiohttp and its version: no hook of the application runs here
        response.force_close()
        return response

    def log_exception(self, *args: Any, exc_info: BaseException | None = None, **_: Any) -> None:
        self._log.debug("API request not read", kind=type(exc_info).__name__)
