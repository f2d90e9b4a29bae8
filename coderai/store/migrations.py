"""The schema, as the steps that lead to it: MIGRATIONS[n] takes a database from version n to n + 1.

A step that has been released is never changed; a change is a further step. Tables and columns carry the
names of Coder's, so that SQL written for those finds its way here.

Every index is paid for on the hot path, hence few. The tables below an interception have the key
(interception_id, id): one index is then both the way from an interception to its rows and what makes an
insert repeatable. Small rows are `WITHOUT ROWID`: they live in that index and nowhere else.
"""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE aibridge_interceptions (
            id TEXT NOT NULL PRIMARY KEY,
            initiator_id TEXT NOT NULL,
            api_key_id TEXT,
            provider TEXT NOT NULL,
            provider_name TEXT NOT NULL DEFAULT '',
            model TEXT NOT NULL,
            client VARCHAR(64) DEFAULT 'Unknown',
            client_session_id VARCHAR(256),
            credential_kind TEXT NOT NULL DEFAULT 'centralized',
            credential_hint VARCHAR(15) NOT NULL DEFAULT '',
            metadata TEXT,
            started_at TEXT NOT NULL,
            ended_at TEXT,
            status BIGINT,
            error_type TEXT,
            error_message TEXT,
            thread_parent_id TEXT,
            thread_root_id TEXT,
            session_id TEXT GENERATED ALWAYS AS (coalesce(client_session_id, thread_root_id, id)) STORED
        )
        """,
        "CREATE INDEX aibridge_interceptions_started ON aibridge_interceptions (started_at, id)",
        """
        CREATE INDEX aibridge_interceptions_initiator
            ON aibridge_interceptions (initiator_id, started_at, id)
        """,
        """
        CREATE TABLE aibridge_token_usages (
            id TEXT NOT NULL,
            interception_id TEXT NOT NULL REFERENCES aibridge_interceptions (id) ON DELETE CASCADE,
            provider_response_id TEXT NOT NULL,
            input_tokens BIGINT NOT NULL,
            output_tokens BIGINT NOT NULL,
            cache_read_input_tokens BIGINT NOT NULL DEFAULT 0,
            cache_write_input_tokens BIGINT NOT NULL DEFAULT 0,
            metadata TEXT,
            created_at TEXT NOT NULL,
            PRIMARY KEY (interception_id, id)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE aibridge_user_prompts (
            id TEXT NOT NULL,
            interception_id TEXT NOT NULL REFERENCES aibridge_interceptions (id) ON DELETE CASCADE,
            provider_response_id TEXT NOT NULL,
            prompt TEXT NOT NULL,
            metadata TEXT,
            created_at TEXT NOT NULL,
            PRIMARY KEY (interception_id, id)
        )
        """,
        """
        CREATE TABLE aibridge_tool_usages (
            id TEXT NOT NULL,
            interception_id TEXT NOT NULL REFERENCES aibridge_interceptions (id) ON DELETE CASCADE,
            provider_response_id TEXT NOT NULL,
            provider_tool_call_id TEXT,
            server_url TEXT,
            tool TEXT NOT NULL,
            input TEXT NOT NULL,
            injected BOOLEAN NOT NULL DEFAULT FALSE,
            invocation_error TEXT,
            metadata TEXT,
            created_at TEXT NOT NULL,
            PRIMARY KEY (interception_id, id)
        )
        """,
        "CREATE INDEX aibridge_tool_usages_call ON aibridge_tool_usages (provider_tool_call_id)",
        """
        CREATE TABLE aibridge_model_thoughts (
            id TEXT NOT NULL,
            interception_id TEXT NOT NULL REFERENCES aibridge_interceptions (id) ON DELETE CASCADE,
            content TEXT NOT NULL,
            metadata TEXT,
            created_at TEXT NOT NULL,
            PRIMARY KEY (interception_id, id)
        )
        """,
        """
        CREATE TABLE aibridge_provider_objects (
            provider_name TEXT NOT NULL,
            object_id TEXT NOT NULL,
            initiator_id TEXT NOT NULL,
            created_at TEXT NOT NULL,
            PRIMARY KEY (provider_name, object_id)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX aibridge_provider_objects_created ON aibridge_provider_objects (created_at)",
        """
        CREATE TABLE users (
            id TEXT NOT NULL PRIMARY KEY,
            name TEXT NOT NULL,
            email TEXT NOT NULL DEFAULT '',
            role TEXT NOT NULL DEFAULT 'member',
            status TEXT NOT NULL DEFAULT 'active',
            created_at TEXT NOT NULL,
            deleted_at TEXT
        )
        """,
        # The name of a deleted user may be given again; both are then meant by `initiator:NAME`.
        "CREATE UNIQUE INDEX users_name ON users (lower(name)) WHERE deleted_at IS NULL",
        """
        CREATE TABLE tokens (
            id TEXT NOT NULL PRIMARY KEY,
            user_id TEXT NOT NULL REFERENCES users (id),
            name TEXT NOT NULL,
            secret_sha256 TEXT NOT NULL,
            created_at TEXT NOT NULL,
            expires_at TEXT,
            revoked_at TEXT
        )
        """,
    ),
    (
        # A process that writes the trail, and the chain of its seals (seals.py). `beat` rises while it lives;
        # `anchor` is the last seal before which all interceptions have been deleted by retention.
        """
        CREATE TABLE aibridge_instances (
            id TEXT NOT NULL PRIMARY KEY,
            started_at TEXT NOT NULL,
            ended_at TEXT,
            beat BIGINT NOT NULL DEFAULT 0,
            seal_number BIGINT NOT NULL DEFAULT 0,
            seal BLOB,
            anchor_number BIGINT NOT NULL DEFAULT 0,
            anchor BLOB
        ) WITHOUT ROWID
        """,
        "ALTER TABLE aibridge_interceptions ADD COLUMN instance_id TEXT",
        "ALTER TABLE aibridge_interceptions ADD COLUMN seal_number BIGINT",
        "ALTER TABLE aibridge_interceptions ADD COLUMN counts_digest BLOB",
        "ALTER TABLE aibridge_interceptions ADD COLUMN content_digest BLOB",
        "ALTER TABLE aibridge_interceptions ADD COLUMN seal BLOB",
        # Links of a chain whose interception is gone (`deleted`), or was sealed again (`superseded`).
        """
        CREATE TABLE aibridge_past_seals (
            instance_id TEXT NOT NULL,
            seal_number BIGINT NOT NULL,
            interception_id TEXT NOT NULL,
            started_at TEXT NOT NULL,
            counts_digest BLOB NOT NULL,
            content_digest BLOB NOT NULL,
            seal BLOB NOT NULL,
            reason TEXT NOT NULL,
            PRIMARY KEY (instance_id, seal_number)
        ) WITHOUT ROWID
        """,
        # How far something goes, by name: `contents`, which are deleted earlier than the counts; `unsealed` (below).
        """
        CREATE TABLE aibridge_retention (
            name TEXT NOT NULL PRIMARY KEY,
            started_at TEXT NOT NULL,
            interception_id TEXT NOT NULL
        ) WITHOUT ROWID
        """,
    ),
    (
        # Sessions of several interceptions; one that is a session by itself is found by its id, and costs nothing here.
        """
        CREATE INDEX aibridge_interceptions_session
            ON aibridge_interceptions (session_id, started_at, id) WHERE session_id <> id
        """,
    ),
    (
        # From before processes were known by an instance: nobody else would end them.
        """
        UPDATE aibridge_interceptions SET ended_at = started_at, error_type = 'interrupted'
        WHERE instance_id IS NULL AND ended_at IS NULL
        """,
        # Up to here interceptions may be without a seal, from before there were any: the newest of them.
        """
        INSERT INTO aibridge_retention (name, started_at, interception_id)
        SELECT 'unsealed', started_at, id FROM aibridge_interceptions
        WHERE instance_id IS NULL AND seal IS NULL ORDER BY started_at DESC, id DESC LIMIT 1
        """,
        # Times hardly ever are the same: behind them, ids would only make the indexes longer.
        "DROP INDEX aibridge_interceptions_started",
        "CREATE INDEX aibridge_interceptions_started ON aibridge_interceptions (started_at)",
        "DROP INDEX aibridge_interceptions_initiator",
        "CREATE INDEX aibridge_interceptions_initiator ON aibridge_interceptions (initiator_id, started_at)",
        "UPDATE aibridge_interceptions SET client = 'Unknown' WHERE client IS NULL",
        """
        CREATE INDEX aibridge_interceptions_facet
            ON aibridge_interceptions (provider, provider_name, model, client, started_at)
        """,
    ),
    (
        # By name and age, so that the newest of many calls of one name is the first that is found.
        "DROP INDEX aibridge_tool_usages_call",
        """
        CREATE INDEX aibridge_tool_usages_call
            ON aibridge_tool_usages (provider_tool_call_id, interception_id)
        """,
    ),
    (
        # As Coder calls it. In PostgreSQL this step also gives columns Coder's types, see postgres_types.py.
        "ALTER TABLE users ADD COLUMN username TEXT GENERATED ALWAYS AS (name) VIRTUAL",
    ),
)
