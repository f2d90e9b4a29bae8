"""The secrets that a test uses, and where none of them may turn up: whatever a server writes, and the process list."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

# A shorter one is a word: it would be found anywhere.
SHORTEST = 8
_NAMES = re.compile(r"CODER_.*(?:KEYS?|SECRETS?|SESSION_TOKEN)|AWS_(?:SECRET_ACCESS_KEY|SESSION_TOKEN)")
_URLS = re.compile(r"(?i:https?_proxy)|CODER_PG_CONNECTION_URL")
_PASSWORD = re.compile(r"//[^/:@]*:([^@]*)@")  # of URLs that are none, too
_CREDENTIALS = re.compile(r"(?i)authorization|x-api-key|api-key|cookie|coder-session-token|x-coder-ai-governance-token")
_CREDENTIAL = re.compile(r"[A-Za-z0-9._-]{12,}")


def in_environment(env: Mapping[str, str]) -> set[str]:
    keys = {key.strip() for name, value in env.items() if _NAMES.fullmatch(name) for key in value.split(",")}
    urls = (value for name, value in env.items() if _URLS.fullmatch(name))
    passwords = {unquote(found[1]) for url in urls if (found := _PASSWORD.search(url))}
    return {secret for secret in keys | passwords if len(secret) >= SHORTEST}


def in_headers(headers: Mapping[str, str]) -> set[str]:
    values = (value for name, value in headers.items() if _CREDENTIALS.fullmatch(name))
    return {secret for value in values for found in _CREDENTIAL.findall(value) for secret in of_token(found)}


def of_token(token: str) -> set[str]:
    """A token's id is no secret, what follows is."""
    id, dash, secret = token.partition("-")
    return {token, secret} if dash and len(id) == 10 and len(secret) >= 22 else {token}


def refuse(secrets: Iterable[str], written: Mapping[str, bytes]) -> None:
    """Fails where one of them was written; by name of place, what it holds."""
    for secret in secrets:
        for place, data in written.items():
            assert secret.encode() not in data, f"{secret} is in {place}"


def files_of(folder: Path, given: set[Path]) -> dict[str, bytes]:
    """All that was written there, but for what was there before."""
    written = {}
    for path in (path for path in folder.rglob("*") if path not in given and path.is_file()):
        with suppress(FileNotFoundError):  # another server of the same folder has removed its log of writes
            written[str(path)] = path.read_bytes()
    return written


def process_list(pid: int) -> dict[str, bytes]:
    """What any user of the machine sees of a process and its children."""
    process = Path(f"/proc/{pid}")
    try:
        children = (process / "task" / str(pid) / "children").read_text().split()
        seen = {f"the command line of {pid}": (process / "cmdline").read_bytes()}
    except OSError:  # it has ended, or this is no Linux
        return {}
    for child in children:
        seen |= process_list(int(child))
    return seen
