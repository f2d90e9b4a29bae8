"""The table of clients, by what real ones send (shared/clients)."""

import pytest

from coderai.clients import caller
from coderai.wire.head import Head

CAPTURED = [
    (
        {"user-agent": "claude-cli/2.1.197 (external, sdk-cli)", "x-claude-code-session-id": "5a34"},
        "Claude Code",
        "5a34",
    ),
    ({"user-agent": "codex_exec/0.169.0 (Debian 12.0.0; x86_64)", "session-id": "01a2"}, "Codex", "01a2"),
    ({"user-agent": "codex_cli_rs/0.1", "session_id": "01a1"}, "Codex", "01a1"),
    ({"user-agent": "opencode/1.18.33 ai-sdk/provider-utils/4.0.23", "x-session-id": "ses_df"}, "OpenCode", "ses_df"),
]
TABLE = [
    ({"user-agent": "Mux/1", "x-mux-workspace-id": "w"}, "Mux", "w"),
    ({"user-agent": "Zed/0.2"}, "Zed", None),
    ({"user-agent": "GitHubCopilotChat/0.3", "x-interaction-id": "i"}, "GitHub Copilot (VS Code)", "i"),
    ({"user-agent": "copilot/1", "x-client-session-id": "s"}, "GitHub Copilot (CLI)", "s"),
    ({"user-agent": "Kilo-Code/4", "x-kilocode-taskid": "t"}, "Kilo Code", "t"),
    ({"user-agent": "OpenAI/JS 5", "originator": "kilo-code"}, "Kilo Code", None),
    ({"user-agent": "Roo-Code/3"}, "Roo Code", None),
    ({"originator": "roo-code"}, "Roo Code", None),
    # what is built upon another tool may keep that one's User-Agent: the first in the table counts
    ({"user-agent": "opencode/1.2", "originator": "Kilo-Code", "x-kilocode-taskid": "t"}, "Kilo Code", "t"),
    ({"user-agent": "claude-cli/2", "originator": "kilo-code"}, "Claude Code", None),
    ({"user-agent": "Zed/0.2", "x-cursor-client-version": "1"}, "Zed", None),
    ({"user-agent": "opencode/1.2", "originator": "opencode"}, "OpenCode", None),
    ({"user-agent": "coder-agents/1", "x-coder-chat-id": "c"}, "Coder Agents", "c"),
    ({"user-agent": "Charm Crush/1"}, "Charm Crush", None),
    ({"user-agent": "Junie"}, "Junie", None),
    ({"user-agent": "connect-es/1", "x-cursor-client-version": "1"}, "Cursor", None),
    ({"user-agent": "OpenAI/Python 3", "x-session-id": "s"}, "Unknown", "s"),
    ({"session_id": "b", "session-id": "a"}, "Unknown", "a"),
    ({}, "Unknown", None),
]


def head(headers: dict[str, str]) -> Head:
    return Head("POST", b"/", [(name.encode(), value.encode()) for name, value in headers.items()])


@pytest.mark.parametrize(("headers", "client", "session"), CAPTURED + TABLE)
def test_client_and_session(headers: dict[str, str], client: str, session: str | None) -> None:
    who = caller(head(headers))
    assert (who.client, who.session(None)) == (client, session)


def test_the_body_names_the_session_where_no_header_does() -> None:
    assert caller(head({"user-agent": "codex_exec/1"})).session(" 01a2 ") == "01a2"
    assert caller(head({"user-agent": "codex_exec/1", "session-id": "header"})).session("body") == "header"


def test_blank_is_none() -> None:
    assert caller(head({"user-agent": "claude-cli/2", "x-claude-code-session-id": "  "})).session(" ") is None


@pytest.mark.parametrize("coding", ["utf-8", "latin-1"])
def test_a_user_agent_is_recorded_as_it_was_meant(coding: str) -> None:
    head = Head("POST", b"/", [(b"User-Agent", "Zoë's tool/1".encode(coding))])
    assert caller(head).user_agent == "Zoë's tool/1"
