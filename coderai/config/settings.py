"""The option table: every setting of coderai, declared once.

From it come the flags, the variables, the YAML keys, `--help`, `--write-config`, config/coderai.yaml and
config/OPTIONS.md. To add one, write an attribute here and a row in tests/config/test_settings.py, and run
`make goldens`. Names that Coder has too are Coder's: https://coder.com/docs/reference/cli/server
"""

# ruff: noqa: RUF009 -- option() makes a dataclass field, which is what a default here is meant to be

import re
from dataclasses import dataclass

from coderai.config.addresses import HostPort
from coderai.config.bedrock import MODEL, SMALL_FAST_MODEL
from coderai.config.duration import Duration
from coderai.config.keys import KEYS
from coderai.config.kinds import (
    ABOVE_ZERO,
    BOOL,
    COUNT,
    DATABASE_PATH,
    DURATION,
    HOST_PORT,
    NAME,
    OPTIONAL_URL,
    PATH,
    PATHS,
    POSTGRES_URL,
    REGEXES,
    SECRET,
    SIZE,
    SYNCHRONOUS,
    TEXT,
    TLS_VERSION,
    URL,
    WHOLE,
)
from coderai.config.option import Group, option, options_of
from coderai.config.providers import DEFAULT_BASE_URLS, ProviderSettings
from coderai.config.size import Size

AIBRIDGE = Group("AI gateway", "Which providers stand behind the gateway, and what is kept of the exchanges.")
NETWORK = Group("Networking", "Where the server listens.")
TLS = Group("TLS", "Serving HTTPS beside plain HTTP.")
LOGGING = Group("Logging", "Where log lines go, and which.")
STORAGE = Group("Storage", "Where the audit trail is kept.")
PROCESS = Group("Process", "How the server is configured and stopped.")


@dataclass(frozen=True, kw_only=True)
class Settings:
    aibridge_enabled: bool = option(
        BOOL, "false", yaml="aibridge.enabled", group=AIBRIDGE,
        help="Serve the AI gateway; without it its routes answer 404.",
    )  # fmt: skip
    aibridge_openai_base_url: str = option(
        URL, DEFAULT_BASE_URLS["openai"], yaml="aibridge.openai_base_url", group=AIBRIDGE, live=True,
        help="Where OpenAI's API, or one compatible with it, is reached.",
    )  # fmt: skip
    aibridge_openai_key: str = option(
        KEYS, "", secret=True, group=AIBRIDGE, live=True,
        help="The key for OpenAI, or up to 5, comma-separated. Prefer variable or file: others can see flags.",
    )  # fmt: skip
    aibridge_openai_key_file: str = option(
        PATH, "", yaml="aibridge.openai_key_file", group=AIBRIDGE, live=True,
        help="A file that holds the key, or keys, for OpenAI, read again on reload.",
    )  # fmt: skip
    aibridge_anthropic_base_url: str = option(
        URL, DEFAULT_BASE_URLS["anthropic"], yaml="aibridge.anthropic_base_url", group=AIBRIDGE, live=True,
        help="Where Anthropic's API, or one compatible with it, is reached.",
    )  # fmt: skip
    aibridge_anthropic_key: str = option(
        KEYS, "", secret=True, group=AIBRIDGE, live=True,
        help="The key for Anthropic, or up to 5, comma-separated. Prefer variable or file: others can see flags.",
    )  # fmt: skip
    aibridge_anthropic_key_file: str = option(
        PATH, "", yaml="aibridge.anthropic_key_file", group=AIBRIDGE, live=True,
        help="A file that holds the key, or keys, for Anthropic, read again on reload.",
    )  # fmt: skip
    aibridge_bedrock_base_url: str = option(
        OPTIONAL_URL, "", yaml="aibridge.bedrock_base_url", group=AIBRIDGE, live=True,
        help="Where Amazon Bedrock is reached, if not at its region's usual address.",
    )  # fmt: skip
    aibridge_bedrock_region: str = option(
        TEXT, "", yaml="aibridge.bedrock_region", group=AIBRIDGE, live=True,
        help="The region of Amazon Bedrock; it, or the base URL, puts the provider `anthropic` there.",
    )  # fmt: skip
    aibridge_bedrock_access_key: str = option(
        SECRET, "", secret=True, group=AIBRIDGE, live=True,
        help="The access key for Amazon Bedrock; without it AWS's default chain gives one.",
    )  # fmt: skip
    aibridge_bedrock_access_key_secret: str = option(
        SECRET, "", secret=True, group=AIBRIDGE, live=True,
        help="The access key's secret. Prefer the variable: other users of the machine can see flags.",
    )  # fmt: skip
    aibridge_bedrock_session_token: str = option(
        SECRET, "", secret=True, group=AIBRIDGE, live=True,
        help="The session token that belongs to a temporary access key.",
    )  # fmt: skip
    aibridge_bedrock_model: str = option(
        NAME, MODEL, yaml="aibridge.bedrock_model", group=AIBRIDGE, live=True,
        help="The model that Amazon Bedrock is asked for.",
    )  # fmt: skip
    aibridge_bedrock_small_fast_model: str = option(
        NAME, SMALL_FAST_MODEL, yaml="aibridge.bedrock_small_fast_model", group=AIBRIDGE, live=True,
        other_flags=("aibridge-bedrock-small-fastmodel",),
        help="The model that Amazon Bedrock is asked for where the client's model has `haiku` in its name.",
    )  # fmt: skip
    aibridge_retention: Duration = option(
        DURATION, "60d", yaml="aibridge.retention", group=AIBRIDGE, live=True,
        help="How long interceptions and what was recorded of them are kept; 0 keeps them for ever.",
    )  # fmt: skip
    aibridge_content_retention: Duration = option(
        DURATION, "0", yaml="aibridge.content_retention", group=AIBRIDGE, live=True,
        help="How long prompts, tool inputs and thoughts are kept, if shorter than the counts; 0: as long as these.",
    )  # fmt: skip
    aibridge_structured_logging: bool = option(
        BOOL, "false", yaml="aibridge.structured_logging", group=AIBRIDGE, live=True,
        help="Write every record as a log line too, with the message `interception log`.",
    )  # fmt: skip
    aibridge_seal_log_interval: Duration = option(
        DURATION, "0", yaml="aibridge.seal_log_interval", group=AIBRIDGE, live=True,
        help="How often the last seal of the trail is written to the log, for `coderai audit verify`; 0: never.",
    )  # fmt: skip
    aibridge_store_grace: Duration = option(
        DURATION, "10s", yaml="aibridge.store_grace", group=AIBRIDGE, live=True,
        help="How long the ends of answers wait for a database that fails; then new requests get 503.",
    )  # fmt: skip
    aibridge_allow_byok: bool = option(
        BOOL, "true", yaml="aibridge.allow_byok", group=AIBRIDGE, live=True,
        help="Let users send a provider key of their own, beside their token in X-Coder-AI-Governance-Token.",
    )  # fmt: skip
    aibridge_send_actor_headers: bool = option(
        BOOL, "false", yaml="aibridge.send_actor_headers", group=AIBRIDGE, live=True,
        help="Tell the provider who asks, in X-AI-Bridge-Actor-ID and X-AI-Bridge-Actor-Metadata-Username.",
    )  # fmt: skip
    aibridge_max_concurrency: int = option(
        WHOLE, "0", yaml="aibridge.max_concurrency", older_yaml=("aibridge.maxConcurrency",), group=AIBRIDGE, live=True,
        help="Requests at a time in this process; beyond them, 503; 0: no limit.",
    )  # fmt: skip
    aibridge_rate_limit: int = option(
        WHOLE, "0", yaml="aibridge.rate_limit", older_yaml=("aibridge.rateLimit",), group=AIBRIDGE, live=True,
        help="Requests per second of one user in this process; beyond them, 429; 0: no limit.",
    )  # fmt: skip
    aibridge_circuit_breaker_enabled: bool = option(
        BOOL, "false", yaml="aibridge.circuit_breaker_enabled", older_yaml=("aibridge.circuitBreakerEnabled",),
        group=AIBRIDGE, live=True,
        help="Leave a model alone for a while that answers 429, 503, 504 (Anthropic: or 529) again and again.",
    )  # fmt: skip
    aibridge_circuit_breaker_failure_threshold: int = option(
        ABOVE_ZERO, "5", yaml="aibridge.circuit_breaker_failure_threshold",
        older_yaml=("aibridge.circuitBreakerFailureThreshold",), group=AIBRIDGE, live=True,
        help="So many failures in a row open the circuit breaker.",
    )  # fmt: skip
    aibridge_circuit_breaker_interval: Duration = option(
        DURATION, "10s", yaml="aibridge.circuit_breaker_interval",
        older_yaml=("aibridge.circuitBreakerInterval",), group=AIBRIDGE, live=True,
        help="The closed circuit breaker counts failures anew after this long; 0: never.",
    )  # fmt: skip
    aibridge_circuit_breaker_timeout: Duration = option(
        DURATION, "30s", yaml="aibridge.circuit_breaker_timeout",
        older_yaml=("aibridge.circuitBreakerTimeout",), group=AIBRIDGE, live=True,
        help="So long the circuit breaker stays open before it lets a few requests through.",
    )  # fmt: skip
    aibridge_circuit_breaker_max_requests: int = option(
        ABOVE_ZERO, "3", yaml="aibridge.circuit_breaker_max_requests",
        older_yaml=("aibridge.circuitBreakerMaxRequests",), group=AIBRIDGE, live=True,
        help="So many requests pass the half-open circuit breaker, and close it if they all succeed.",
    )  # fmt: skip
    aibridge_max_retries: int = option(
        WHOLE, "0", yaml="aibridge.max_retries", group=AIBRIDGE, live=True,
        help="How often a refused connection, or a 502, 503 or 504, is tried again before it is relayed.",
    )  # fmt: skip
    aibridge_connect_timeout: Duration = option(
        DURATION, "10s", yaml="aibridge.connect_timeout", group=AIBRIDGE, live=True,
        help="How long connecting to a provider may take; 0: as long as it does.",
    )  # fmt: skip
    aibridge_idle_timeout: Duration = option(
        DURATION, "10m", yaml="aibridge.idle_timeout", group=AIBRIDGE, live=True,
        help="How long a provider may be silent, before or within its answer; 0: for ever. There is no other limit.",
    )  # fmt: skip
    aibridge_upstream_ca_file: str = option(
        PATH, "", yaml="aibridge.upstream_ca_file", group=AIBRIDGE,
        help="Certificates, in PEM, of authorities that providers (or proxies before them) are trusted by as well.",
    )  # fmt: skip
    aibridge_dump_dir: str = option(
        PATH, "", yaml="aibridge.dump_dir", older_yaml=("aibridge.api_dump_dir",), group=AIBRIDGE, live=True,
        help="A folder for dumps of all requests and responses, for debugging; they hold prompts and answers.",
    )  # fmt: skip
    aibridge_max_request_body: Size = option(
        SIZE, "256MB", yaml="aibridge.max_request_body", group=AIBRIDGE, live=True,
        help="The largest request body that is taken; a larger one gets 413.",
    )  # fmt: skip
    aibridge_max_body_memory: Size = option(
        SIZE, "1GB", yaml="aibridge.max_body_memory", group=AIBRIDGE, live=True,
        help="How many bytes of bodies may be in flight in total; a request beyond them gets 503.",
    )  # fmt: skip
    aibridge_max_recorded_text: Size = option(
        SIZE, "1MB", yaml="aibridge.max_recorded_text", group=AIBRIDGE, live=True,
        help="The longest prompt, tool input or thought that is stored whole; the rest of it is cut off.",
    )  # fmt: skip

    http_address: HostPort = option(
        HOST_PORT, "127.0.0.1:3000", yaml="networking.http.httpAddress", group=NETWORK,
        help="Where plain HTTP is served.",
    )  # fmt: skip
    tls_enable: bool = option(
        BOOL, "false", yaml="networking.tls.enable", group=TLS,
        help="Serve HTTPS, with the certificate and key below.",
    )  # fmt: skip
    tls_address: HostPort = option(
        HOST_PORT, "127.0.0.1:3443", yaml="networking.tls.address", group=TLS,
        help="Where HTTPS is served.",
    )  # fmt: skip
    tls_cert_file: tuple[str, ...] = option(
        PATHS, "", yaml="networking.tls.certFiles", group=TLS, live=True,
        help="The certificate chain, in PEM; one file for each key file, in the same order. Of several, a client gets "
        "the first with the name that it asks for, else the first.",
    )  # fmt: skip
    tls_key_file: tuple[str, ...] = option(
        PATHS, "", yaml="networking.tls.keyFiles", group=TLS, live=True,
        help="The private key of the certificate, in PEM.",
    )  # fmt: skip
    tls_min_version: str = option(
        TLS_VERSION, "tls12", yaml="networking.tls.minVersion", group=TLS,
        help="The oldest version of TLS that is spoken.",
    )  # fmt: skip

    log_human: str = option(
        PATH, "/dev/stderr", yaml="introspection.logging.humanPath", env="CODER_LOGGING_HUMAN", group=LOGGING,
        live=True, help="Where readable log lines go; empty turns them off.",
    )  # fmt: skip
    log_json: str = option(
        PATH, "", yaml="introspection.logging.jsonPath", env="CODER_LOGGING_JSON", group=LOGGING, live=True,
        help="Where log lines go as JSON; empty turns them off.",
    )  # fmt: skip
    log_stackdriver: str = option(
        PATH, "", yaml="introspection.logging.stackdriverPath", env="CODER_LOGGING_STACKDRIVER",
        group=LOGGING, live=True, help="Where log lines go as Google Cloud's JSON; empty turns them off.",
    )  # fmt: skip
    log_filter: tuple[re.Pattern[str], ...] = option(
        REGEXES, "", yaml="introspection.logging.filter", short="-l", group=LOGGING, live=True,
        help="Write the debug lines whose logger or message one of these matches; `.*` is all of them.",
    )  # fmt: skip
    verbose: bool = option(
        BOOL, "false", yaml="introspection.logging.verbose", older_yaml=("verbose",), short="-v",
        group=LOGGING, live=True, help="Write debug lines.",
    )  # fmt: skip

    sqlite_path: str = option(
        DATABASE_PATH, "", yaml="sqlitePath", older_yaml=("coderai.sqlite_path",), group=STORAGE,
        default_help="coderai/coderai.db in the user's data directory", help="The SQLite database.",
    )  # fmt: skip

    sqlite_synchronous: str = option(
        SYNCHRONOUS, "normal", yaml="coderai.sqlite_synchronous", group=STORAGE,
        help="`full` waits for the disk at every commit: it survives a loss of power, not only a killed process.",
    )  # fmt: skip
    postgres_url: str = option(
        POSTGRES_URL, "", env="CODER_PG_CONNECTION_URL", secret=True, group=STORAGE,
        help="A PostgreSQL database, instead of SQLite: for several replicas. Prefer the variable to the flag.",
    )  # fmt: skip
    spool_dir: str = option(
        PATH, "", yaml="coderai.spool_dir", group=STORAGE,
        default_help="the directory of the SQLite database, or of its default",
        help="Where records wait for the next start that could not be stored before the server ended.",
    )  # fmt: skip

    config: str = option(
        PATH, "", env="CODER_CONFIG_PATH", short="-c", group=PROCESS,
        help="A YAML file of settings; `-` is standard input.",
    )  # fmt: skip
    write_config: bool = option(
        BOOL, "false", env="", group=PROCESS,
        help="Print the effective settings as YAML, without secrets, and end.",
    )  # fmt: skip
    workers: int = option(
        COUNT, "1", yaml="coderai.workers", group=PROCESS,
        help="How many processes serve, on the same addresses and with the same database.",
    )  # fmt: skip
    shutdown_drain_delay: Duration = option(
        DURATION, "1s", yaml="coderai.shutdown_drain_delay", group=PROCESS, live=True,
        help="How long new connections are still served, with /readyz at 503, when the server is told to stop.",
    )  # fmt: skip
    shutdown_timeout: Duration = option(
        DURATION, "30s", yaml="coderai.shutdown_timeout", group=PROCESS, live=True,
        help="How long answers under way may go on when the server is told to stop.",
    )  # fmt: skip

    # All of them, whether they come from the single-provider options above or are indexed (providers.py).
    providers: tuple[ProviderSettings, ...] = ()


OPTIONS = options_of(Settings)
GROUPS = (AIBRIDGE, NETWORK, TLS, LOGGING, STORAGE, PROCESS)
