"""Which program is calling, and in which session: one table.

A client is known by the beginning of its User-Agent (whatever the case) or by a header of its own; its session
by a header, else by what its request's body says. Source: what real tools send (shared/clients).
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from coderai.wire.head import Head

Header = Callable[[str], str | None]

UNKNOWN = "Unknown"
LONGEST_NAME = 32  # characters of a User-Agent, or originator, that are looked at; none in the table has more


class Client(NamedTuple):
    name: str
    agent: str = ""  # how its User-Agent begins, in lower case
    header: str = ""  # that only it sends
    originator: str = ""  # what its `originator` header says
    sessions: tuple[str, ...] = ()  # headers that name its session, the first one set counts


CLIENTS = (
    Client("Mux", "mux/", sessions=("x-mux-workspace-id",)),
    Client("Claude Code", "claude", sessions=("x-claude-code-session-id",)),
    Client("Codex", "codex", sessions=("session-id", "session_id")),
    Client("Zed", "zed/"),
    Client("GitHub Copilot (VS Code)", "githubcopilotchat/", sessions=("x-interaction-id",)),
    Client("GitHub Copilot (CLI)", "copilot/", sessions=("x-client-session-id",)),
    Client("Kilo Code", "kilo-code/", originator="kilo-code", sessions=("x-kilocode-taskid",)),
    Client("Roo Code", "roo-code/", originator="roo-code"),
    Client("Coder Agents", "coder-agents/", sessions=("x-coder-chat-id",)),
    Client("Charm Crush", "charm crush/"),
    Client("OpenCode", "opencode/", sessions=("x-session-id",)),
    Client("Junie", "junie"),
    Client("Cursor", header="x-cursor-client-version"),
)
_SESSIONS = {client.name: client.sessions for client in CLIENTS} | {
    UNKNOWN: ("x-claude-code-session-id", "session-id", "session_id", "x-session-id")
}


class Caller(NamedTuple):
    """What a request's head tells of who sends it."""

    client: str
    session_id: str | None
    user_agent: str

    def session(self, in_body: str | None) -> str | None:
        """The session that a header names, else the body."""
        return self.session_id or (in_body or "").strip() or None


def caller(head: Head) -> Caller:
    client = recognise(head.header)
    return Caller(client, session_id(client, head.header), _text(head.fields.get(b"user-agent", b"")))


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")  # what a field's bytes meant before (RFC 9110, section 5.5)


def recognise(header: Header) -> str:
    """The client's name: the first in the table; `header` gives the first field of a (lower-case) name."""
    agent, originator = ((header(name) or "").strip().lower()[:LONGEST_NAME] for name in ("user-agent", "originator"))
    if (named := _named(agent, originator)) is not None:
        return named
    return next((client.name for client in CLIENTS if client.header and header(client.header) is not None), UNKNOWN)


def session_id(client: str, header: Header) -> str | None:
    """The session that the client named by a header."""
    return next((session for name in _SESSIONS[client] if (session := (header(name) or "").strip())), None)


@lru_cache(maxsize=256)  # a company's tools are few; their User-Agents begin alike
def _named(agent: str, originator: str) -> str | None:
    for client in CLIENTS:
        if (client.agent and agent.startswith(client.agent)) or (originator and client.originator == originator):
            return client.name
    return None
