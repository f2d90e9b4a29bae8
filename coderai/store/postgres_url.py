"""PostgreSQL's URL as libpq reads it, which takes passwords for more than a URL's rules do: what of it may be shown.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
"""

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from coderai.store.driver import StoreUnavailable
from coderai.wire.origin import bracketed

_SECRETS = ("password", "sslpassword")
_FORM = "write postgres://USER:PASSWORD@HOST:PORT/NAME, and behind a ? none but libpq's parameters"


def require_readable(url: str) -> None:
    """Raises StoreUnavailable for one that libpq cannot read, or reads a part of its password as something else."""
    parts = _parts(url)
    host, port, name = (str(parts.get(part, "")) for part in ("host", "port", "dbname"))
    if not parts or "@" in host + name or not (port.replace(",", "") or "0").isdecimal():
        raise StoreUnavailable(
            "--postgres-url cannot be read as a PostgreSQL URL; "
            + ("percent-encode the special characters of its password" if "@" in url else _FORM)
        )


def shown(url: str) -> str:
    """The URL as it may be shown: without password and parameters."""
    parts = _parts(url)
    user = f"{parts['user']}@" if "user" in parts else ""
    host = bracketed(str(parts.get("host", "")))
    port = f":{parts['port']}" if "port" in parts else ""
    return f"{url.partition('://')[0]}://{user}{host}{port}/{parts.get('dbname', '')}"


def secrets(url: str) -> list[str]:
    """What is in it that no log may hold."""
    parts = _parts(url)
    return [str(parts[name]) for name in _SECRETS if parts.get(name)]


def _parts(url: str) -> dict[str, Any]:
    try:
        return conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # whose message may quote a part of the password
        return {}
