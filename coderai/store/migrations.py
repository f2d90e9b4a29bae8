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
)
