"""The gateway's own answers, in the provider's error shape so that a tool shows them as it shows any error.

Clients retry by themselves, some of them hundreds of times: a refusal that no retry can mend says so with
`x-should-retry: false` (the SDKs, Claude Code and Copilot CLI heed it); one that time can mend says when.
"""

from coderai.formats.format import Format
from coderai.gateway.masking import told
from coderai.wire.headers import Headers
from coderai.wire.request import Request

# Until when to ask again, where nothing tells better: longer than a hiccup, shorter than a user's patience.
RETRY_AFTER_S = 5


class Refusal(Exception):
    """The request is answered by the gateway itself."""

    def __init__(self, status: int, message: str, *, retry: bool = False, retry_after: int = RETRY_AFTER_S) -> None:
        super().__init__(message)
        self.status = status
        self.message = message.encode("utf-8", "backslashreplace").decode()  # it may quote half a surrogate pair
        self.retry = retry
        self.retry_after = retry_after  # seconds

    def answer(self, request: Request, format: Format) -> None:
        headers: Headers = [(b"Content-Type", b"application/json")]
        if self.status == 426:
            headers.append((b"Upgrade", b"websocket"))
        elif self.retry:
            headers.append((b"Retry-After", b"%d" % self.retry_after))
        else:
            headers.append((b"x-should-retry", b"false"))
        request.answer(self.status, format.error(self.status, told(request.head, self.message)), headers)
