"""The option table, row by row: the same value from flag, variable and YAML."""

import re

import pytest

from coderai.config import OPTIONS, Duration, HostPort, Settings, Size, resolve

# flag, variable, YAML path, as text, as YAML, value
TABLE = [
    ("aibridge-enabled", "CODER_AIBRIDGE_ENABLED", "aibridge.enabled", "true", "true", True),
    ("aibridge-openai-base-url", "CODER_AIBRIDGE_OPENAI_BASE_URL", "aibridge.openai_base_url",
     "http://[::1]:8/v1", "http://[::1]:8/v1", "http://[::1]:8/v1"),
    ("aibridge-openai-key", "CODER_AIBRIDGE_OPENAI_KEY", None, "sk-1", None, "sk-1"),
    ("aibridge-openai-key-file", "CODER_AIBRIDGE_OPENAI_KEY_FILE", "aibridge.openai_key_file",
     "KEYFILE", "KEYFILE", "KEYFILE"),
    ("aibridge-anthropic-base-url", "CODER_AIBRIDGE_ANTHROPIC_BASE_URL", "aibridge.anthropic_base_url",
     "https://example.com/a", "https://example.com/a", "https://example.com/a"),
    ("aibridge-anthropic-key", "CODER_AIBRIDGE_ANTHROPIC_KEY", None, "sk-2", None, "sk-2"),
    ("aibridge-anthropic-key-file", "CODER_AIBRIDGE_ANTHROPIC_KEY_FILE", "aibridge.anthropic_key_file",
     "KEYFILE", "KEYFILE", "KEYFILE"),
    ("aibridge-bedrock-base-url", "CODER_AIBRIDGE_BEDROCK_BASE_URL", "aibridge.bedrock_base_url",
     "https://bedrock-runtime.eu-west-1.amazonaws.com", "https://bedrock-runtime.eu-west-1.amazonaws.com",
     "https://bedrock-runtime.eu-west-1.amazonaws.com"),
    ("aibridge-bedrock-region", "CODER_AIBRIDGE_BEDROCK_REGION", "aibridge.bedrock_region", "eu-west-1", "eu-west-1",
     "eu-west-1"),
    ("aibridge-bedrock-access-key", "CODER_AIBRIDGE_BEDROCK_ACCESS_KEY", None, "AKIA", None, "AKIA"),
    ("aibridge-bedrock-access-key-secret", "CODER_AIBRIDGE_BEDROCK_ACCESS_KEY_SECRET", None, "s", None, "s"),
    ("aibridge-bedrock-session-token", "CODER_AIBRIDGE_BEDROCK_SESSION_TOKEN", None, "t", None, "t"),
    ("aibridge-bedrock-model", "CODER_AIBRIDGE_BEDROCK_MODEL", "aibridge.bedrock_model", "m", "m", "m"),
    ("aibridge-bedrock-small-fast-model", "CODER_AIBRIDGE_BEDROCK_SMALL_FAST_MODEL",
     "aibridge.bedrock_small_fast_model", "h", "h", "h"),
    ("aibridge-retention", "CODER_AIBRIDGE_RETENTION", "aibridge.retention", "90d", "90d", Duration("90d")),
    ("aibridge-content-retention", "CODER_AIBRIDGE_CONTENT_RETENTION", "aibridge.content_retention", "7d", "7d",
     Duration("7d")),
    ("aibridge-structured-logging", "CODER_AIBRIDGE_STRUCTURED_LOGGING", "aibridge.structured_logging",
     "T", "yes", True),
    ("aibridge-seal-log-interval", "CODER_AIBRIDGE_SEAL_LOG_INTERVAL", "aibridge.seal_log_interval", "5m", "300s",
     Duration("5m")),
    ("aibridge-store-grace", "CODER_AIBRIDGE_STORE_GRACE", "aibridge.store_grace", "2s", "2s", Duration("2s")),
    ("aibridge-allow-byok", "CODER_AIBRIDGE_ALLOW_BYOK", "aibridge.allow_byok", "false", "false", False),
    ("aibridge-send-actor-headers", "CODER_AIBRIDGE_SEND_ACTOR_HEADERS", "aibridge.send_actor_headers", "1", "yes",
     True),
    ("aibridge-max-concurrency", "CODER_AIBRIDGE_MAX_CONCURRENCY", "aibridge.max_concurrency", "9", "9", 9),
    ("aibridge-rate-limit", "CODER_AIBRIDGE_RATE_LIMIT", "aibridge.rate_limit", "9", "9", 9),
    ("aibridge-circuit-breaker-enabled", "CODER_AIBRIDGE_CIRCUIT_BREAKER_ENABLED", "aibridge.circuit_breaker_enabled",
     "true", "true", True),
    ("aibridge-circuit-breaker-failure-threshold", "CODER_AIBRIDGE_CIRCUIT_BREAKER_FAILURE_THRESHOLD",
     "aibridge.circuit_breaker_failure_threshold", "2", "2", 2),
    ("aibridge-circuit-breaker-interval", "CODER_AIBRIDGE_CIRCUIT_BREAKER_INTERVAL",
     "aibridge.circuit_breaker_interval", "2s", "2s", Duration("2s")),
    ("aibridge-circuit-breaker-timeout", "CODER_AIBRIDGE_CIRCUIT_BREAKER_TIMEOUT",
     "aibridge.circuit_breaker_timeout", "2s", "2s", Duration("2s")),
    ("aibridge-circuit-breaker-max-requests", "CODER_AIBRIDGE_CIRCUIT_BREAKER_MAX_REQUESTS",
     "aibridge.circuit_breaker_max_requests", "2", "2", 2),
    ("aibridge-max-retries", "CODER_AIBRIDGE_MAX_RETRIES", "aibridge.max_retries", "2", "2", 2),
    ("aibridge-connect-timeout", "CODER_AIBRIDGE_CONNECT_TIMEOUT", "aibridge.connect_timeout", "2s", "2s",
     Duration("2s")),
    ("aibridge-idle-timeout", "CODER_AIBRIDGE_IDLE_TIMEOUT", "aibridge.idle_timeout", "2s", "2s", Duration("2s")),
    ("aibridge-upstream-ca-file", "CODER_AIBRIDGE_UPSTREAM_CA_FILE", "aibridge.upstream_ca_file", "/x", "/x", "/x"),
    ("aibridge-dump-dir", "CODER_AIBRIDGE_DUMP_DIR", "aibridge.dump_dir", "/x", "/x", "/x"),
    ("aibridge-max-request-body", "CODER_AIBRIDGE_MAX_REQUEST_BODY", "aibridge.max_request_body",
     "2MiB", "2097152", Size("2097152")),
    ("aibridge-max-body-memory", "CODER_AIBRIDGE_MAX_BODY_MEMORY", "aibridge.max_body_memory",
     "3GB", "3gb", Size("3000000000")),
    ("aibridge-max-recorded-text", "CODER_AIBRIDGE_MAX_RECORDED_TEXT", "aibridge.max_recorded_text",
     "5kB", "5 KB", Size("5000")),
    ("http-address", "CODER_HTTP_ADDRESS", "networking.http.httpAddress", ":80", ":80", HostPort("", 80)),
    ("tls-enable", "CODER_TLS_ENABLE", "networking.tls.enable", "0", "false", False),
    ("tls-address", "CODER_TLS_ADDRESS", "networking.tls.address", "[::]:4", "'[::]:4'", HostPort("::", 4)),
    ("tls-cert-file", "CODER_TLS_CERT_FILE", "networking.tls.certFiles", '"a,b"', "['a,b']", ("a,b",)),
    ("tls-key-file", "CODER_TLS_KEY_FILE", "networking.tls.keyFiles", "a, b", "[a, b]", ("a", "b")),
    ("tls-min-version", "CODER_TLS_MIN_VERSION", "networking.tls.minVersion", "tls13", "tls13", "tls13"),
    ("log-human", "CODER_LOGGING_HUMAN", "introspection.logging.humanPath", "/x", "/x", "/x"),
    ("log-json", "CODER_LOGGING_JSON", "introspection.logging.jsonPath", "/x", "/x", "/x"),
    ("log-stackdriver", "CODER_LOGGING_STACKDRIVER", "introspection.logging.stackdriverPath",
     "/x", "/x", "/x"),
    ("log-filter", "CODER_LOG_FILTER", "introspection.logging.filter", "a.*,b", "[a.*, b]",
     (re.compile("a.*"), re.compile("b"))),
    ("verbose", "CODER_VERBOSE", "introspection.logging.verbose", "1", "on", True),
    ("sqlite-path", "CODER_SQLITE_PATH", "sqlitePath", "/x.db", "/x.db", "/x.db"),
    ("sqlite-synchronous", "CODER_SQLITE_SYNCHRONOUS", "coderai.sqlite_synchronous", "full", "full", "full"),
    ("postgres-url", "CODER_PG_CONNECTION_URL", None, "postgres://u:p@h/d", None, "postgres://u:p@h/d"),
    ("spool-dir", "CODER_SPOOL_DIR", "coderai.spool_dir", "/x", "/x", "/x"),
    ("config", "CODER_CONFIG_PATH", None, "FILE", None, "FILE"),
    ("write-config", None, None, "true", None, True),
    ("workers", "CODER_WORKERS", "coderai.workers", "3", "3", 3),
    ("shutdown-drain-delay", "CODER_SHUTDOWN_DRAIN_DELAY", "coderai.shutdown_drain_delay", "5s", "5s",
     Duration("5s")),
    ("shutdown-timeout", "CODER_SHUTDOWN_TIMEOUT", "coderai.shutdown_timeout", "1m", "60s", Duration("1m")),
]  # fmt: skip
ROWS = pytest.mark.parametrize(("flag", "variable", "path", "text", "in_yaml", "value"), TABLE, ids=lambda _: "")


# What an option makes no sense without.
_AWS = {"CODER_AIBRIDGE_BEDROCK_REGION": "us-east-1", "CODER_AIBRIDGE_BEDROCK_ACCESS_KEY": "AKIA"}
_AWS_SECRET = {"CODER_AIBRIDGE_BEDROCK_ACCESS_KEY_SECRET": "s"}
BESIDE = {
    "aibridge-bedrock-access-key": {"CODER_AIBRIDGE_BEDROCK_REGION": "us-east-1", **_AWS_SECRET},
    "aibridge-bedrock-access-key-secret": _AWS,
    "aibridge-bedrock-session-token": {**_AWS, **_AWS_SECRET},
}


def test_every_option_has_a_row():
    assert [row[0] for row in TABLE] == [option.flag for option in OPTIONS]


def nested(path, value):
    lines = [f"{'  ' * depth}{key}:" for depth, key in enumerate(path.split("."))]
    return "\n".join(lines) + f" {value}\n"


@ROWS
def test_each_option_from_each_source(flag, variable, path, text, in_yaml, value, tmp_path):
    for name, content in (("KEYFILE", "sk-file"), ("FILE", "")):
        (tmp_path / name).write_text(content)
    if text in ("KEYFILE", "FILE"):
        text = value = str(tmp_path / text)
        in_yaml = text
    attribute = flag.replace("-", "_")
    for name in [flag, *([flag.replace("aibridge", "ai-gateway")])]:
        resolved = resolve({name: text}, BESIDE.get(flag, {}))
        assert getattr(resolved.settings, attribute) == value
        assert (resolved.origins[attribute].kind, resolved.origins[attribute].source) == ("flag", f"--{name}")
    for name in [variable, variable.replace("AIBRIDGE", "AI_GATEWAY")] if variable else []:
        resolved = resolve({}, {name: text, **BESIDE.get(flag, {})})
        assert getattr(resolved.settings, attribute) == value
        assert (resolved.origins[attribute].kind, resolved.origins[attribute].source) == ("environment", name)
    for name in [path, path.replace("aibridge", "ai_gateway")] if path else []:
        file = tmp_path / "coderai.yaml"
        file.write_text("# one\n" + nested(name, in_yaml))
        resolved = resolve({"config": str(file)}, {})
        assert getattr(resolved.settings, attribute) == value
        line = name.count(".") + 2
        assert resolved.origins[attribute].source == f"{file}:{line}"


def test_the_defaults():
    settings = Settings()
    assert settings == Settings(**{option.name: option.default_value for option in OPTIONS})
    assert not settings.aibridge_enabled
    assert settings.aibridge_retention.seconds == 60 * 86400
    assert str(settings.http_address) == "127.0.0.1:3000"
    assert settings.log_human == "/dev/stderr"
    assert settings.sqlite_path.endswith("coderai/coderai.db")
    assert resolve({}, {}).settings.providers[0].base_url == "https://api.openai.com/v1/"


def test_no_name_is_declared_twice():
    for names in (
        [flag for option in OPTIONS for flag in option.flags],
        [variable for option in OPTIONS for variable in option.variables],
        [path for option in OPTIONS for path in option.yaml_paths],
        [option.short for option in OPTIONS if option.short],
    ):
        assert len(names) == len(set(names))


def test_secrets_have_no_yaml_key_and_do_not_show():
    settings = resolve({}, {"CODER_AIBRIDGE_OPENAI_KEY": "sk-hush"})
    assert all(option.yaml is None for option in OPTIONS if option.secret)
    assert "sk-hush" not in repr(settings)
