"""The schema in PostgreSQL: the same steps as in SQLite, with its types, and a table that holds the version."""

from coderai.store import postgres_types
from coderai.store.driver import StoreUnavailable
from coderai.store.migrations import MIGRATIONS
from coderai.store.postgres_sql import Session

# Replicas that start together migrate one after another.
MIGRATION_LOCK = 0x636F646572616901
VERSION_TABLE = "coderai_schema"
# The latter takes UTF-8 as it takes everything; another would refuse most of the world's letters, row by row.
ENCODINGS = ("UTF8", "SQL_ASCII", None)
_TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
# The schema whose version table a plain name leads to, and the one that new tables are made in.
_ELSEWHERE = "SELECT relnamespace::regnamespace::text, current_schema() FROM pg_class WHERE oid = to_regclass(?)"


def is_current(session: Session) -> bool:
    """Raises StoreUnavailable like `migrate`, and for a database that cannot hold every text."""
    encoding = session.connection.info.parameter_status("server_encoding")
    if encoding not in ENCODINGS:
        raise StoreUnavailable(
            f"the PostgreSQL database has the encoding {encoding}, which cannot hold every text; "
            "create it with ENCODING 'UTF8' TEMPLATE template0"
        )
    return _version(session) == len(MIGRATIONS)


def migrate(session: Session) -> None:
    """Raises StoreUnavailable for a database of another program, or of a newer coderai, or with a trail elsewhere."""
    with session.connection.transaction():
        session.execute("SELECT pg_advisory_xact_lock(?)", (MIGRATION_LOCK,))
        version = _version(session)
        if version == len(MIGRATIONS):
            return
        if not version:
            session.execute(f"CREATE TABLE IF NOT EXISTS {VERSION_TABLE} (version BIGINT NOT NULL)")
        for step in range(version, len(MIGRATIONS)):
            for statement in MIGRATIONS[step]:
                _change(session, _translated(statement), f"schema {step + 1}")
            for table, columns in postgres_types.STEPS.get(step, {}).items():
                _change(session, postgres_types.alteration(table, columns), f"table {table}")
        session.execute(f"DELETE FROM {VERSION_TABLE}")  # noqa: S608 - own name
        session.execute(f"INSERT INTO {VERSION_TABLE} (version) VALUES (?)", (len(MIGRATIONS),))  # noqa: S608 - own name


def _version(session: Session) -> int:
    tables = {row[0] for row in session.execute(_TABLES).fetchall()}
    if VERSION_TABLE not in tables:
        if taken := sorted(tables & {"users", "tokens", "aibridge_interceptions"}):
            raise StoreUnavailable(
                f"the PostgreSQL database belongs to another program (it has a table {taken[0]}); "
                "give coderai a database of its own with --postgres-url"
            )
        _refuse_elsewhere(session)
        return 0
    row = session.execute(f"SELECT version FROM {VERSION_TABLE}").fetchone()  # noqa: S608 - own name
    version = int(row[0]) if row else 0
    if version > len(MIGRATIONS):
        raise StoreUnavailable(
            f"the PostgreSQL database was written by a newer coderai (schema {version}, this one knows "
            f"{len(MIGRATIONS)}); run that version, or give another database with --postgres-url"
        )
    return version


def _refuse_elsewhere(session: Session) -> None:
    """Raises StoreUnavailable where a trail is behind the schema that a new one would begin in: nobody would miss it
    before every token is refused, and replicas that are still at work would write to both.
    """
    if found := session.execute(_ELSEWHERE, (VERSION_TABLE,)).fetchone():
        there, first = found
        raise StoreUnavailable(
            f"the PostgreSQL database has coderai's tables in the schema {there}, but search_path puts the schema "
            f"{first} first; let search_path name {there} first, or {first} alone for a new trail"
        )


def _change(session: Session, sql: str, what: str) -> None:
    try:
        session.execute(sql)
    except postgres_types.REFUSALS as error:
        if isinstance(error, postgres_types.NO_REFUSALS):
            raise
        raise StoreUnavailable(postgres_types.told(error, what)) from error


def _translated(statement: str) -> str:
    # VIRTUAL is all that SQLite can add to a table, and PostgreSQL has it from 18 on
    return statement.replace("WITHOUT ROWID", "").replace("BLOB", "BYTEA").replace(") VIRTUAL", ") STORED")
