"""Coder's types of columns: SQL that was written for its tables reckons with times and looks into metadata.

For all of coderai they are the texts that they are in SQLite: a parameter is of no type until the server gives it that
of its column, and what is read is made such a text again. https://www.postgresql.org/docs/current/datatype-datetime.html
"""

from collections.abc import Mapping
from typing import Any

from psycopg import Connection, Error, ProgrammingError, errors
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.types.string import TextLoader

# What a step of migrations.py is here beside what it is in every database, by the step's place. Like those, it is never
# changed. Interceptions come first, as for whoever writes: a replica that is still at work is waited for, and waits.
# json, not jsonb: the texts of metadata are sealed as they were written.
STEPS: Mapping[int, Mapping[str, str]] = {
    5: {
        "aibridge_interceptions": "started_at timestamptz, ended_at timestamptz, metadata json",
        "aibridge_user_prompts": "created_at timestamptz, metadata json",
        "aibridge_token_usages": "created_at timestamptz, metadata json",
        "aibridge_tool_usages": "created_at timestamptz, metadata json",
        "aibridge_model_thoughts": "created_at timestamptz, metadata json",
        "aibridge_provider_objects": "created_at timestamptz",
        "aibridge_past_seals": "started_at timestamptz",
        "aibridge_instances": "started_at timestamptz, ended_at timestamptz",
        "aibridge_retention": "started_at timestamptz",
        "tokens": "created_at timestamptz, expires_at timestamptz, revoked_at timestamptz",
        "users": "created_at timestamptz, deleted_at timestamptz",
    }
}
# That a value is not of its column's new type, or that something of others hangs on the old one, or is in the way;
# but not that the role may not, or that there is another program's table.
REFUSALS = (errors.DataError, errors.NotSupportedError, ProgrammingError)
NO_REFUSALS = (errors.InsufficientPrivilege, errors.InvalidSchemaName, errors.DuplicateTable)


def alteration(table: str, columns: str) -> str:
    """The statement: one for all columns, for each rewrites its table."""
    pairs = [column.split() for column in columns.split(", ")]
    changes = [f"ALTER COLUMN {name} TYPE {kind} USING {name}::{kind}" for name, kind in pairs]
    return f"ALTER TABLE {table} {', '.join(changes)}"


def told(error: Error, what: str) -> str:
    """Why a table keeps its old types, or what it lacks, and what to do."""
    said = ": ".join(filter(None, (error.diag.message_primary, error.diag.message_detail)))
    if isinstance(error, errors.DataError):
        remedy = "coderai has not written that: correct the row, then start again"
    elif isinstance(error, ProgrammingError):  # which does not name it
        remedy = "an index, a constraint or a column that others have made is in the way: remove it, then start again"
    else:
        remedy = "remove that, start again, and make it anew"
    return f"the PostgreSQL database cannot be brought up to date, {what}: {' '.join(said.split())}; {remedy}"


class _TimeLoader(Loader):
    def load(self, data: Buffer) -> str:
        return as_text(bytes(data).decode())


def as_text(shown: str) -> str:
    """The time in the form of times.py, from how it is shown in UTC and the ISO style. What has no such form (infinity,
    before Christ, after 9999) stays as it is shown, which is what the server takes for it, too.
    """
    if shown[10:11] != " " or not shown.endswith("+00"):
        return shown
    return f"{shown[:10]}T{shown[11:19]}.{shown[20:-3]:0<6}Z"


def adapt(connection: Connection[Any]) -> None:
    """Has this connection read times and metadata as texts; its time zone has to be UTC, its style of dates ISO."""
    connection.adapters.register_loader("timestamptz", _TimeLoader)
    connection.adapters.register_loader("json", TextLoader)
