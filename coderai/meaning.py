"""What the settings mean for the parts: the values that these are made of; and for the log, which is told of them."""

from pathlib import Path
from urllib.parse import urlsplit

from coderai import dumps
from coderai.bedrock import AccessKey, Bedrock
from coderai.breaker import BreakerLimits
from coderai.config import ProviderSettings, Settings
from coderai.config.bedrock import BedrockSettings
from coderai.logs import Logger
from coderai.providers import TYPES, Provider
from coderai.routes import Routes
from coderai.store import Database
from coderai.wire.origin import Origin


def routes(settings: Settings) -> Routes:
    """No routes at all while the gateway is off: then the API says how to turn it on."""
    return Routes(
        Provider(
            TYPES[provider.type],
            provider.name,
            provider.base_url,
            provider.keys,
            byok_only=provider.byok_only,
            include_usage=not provider.refuses_stream_options,
            models=provider.models,
            bedrock=_bedrock(provider.bedrock) if provider.bedrock else None,
            dump_dir=_dump_folder(provider, settings),
            key_option=_key_option(provider),
        )
        for provider in (settings.providers if settings.aibridge_enabled else ())
    )


def _dump_folder(provider: ProviderSettings, settings: Settings) -> Path | None:
    folder = provider.dump_dir or settings.aibridge_dump_dir
    return Path(folder) if folder else None


def check_dumps(settings: Settings) -> None:
    """Raises BadFolder where what is to be dumped could not be written."""
    for folder in {_dump_folder(provider, settings) for provider in settings.providers}:
        if folder is not None and settings.aibridge_enabled:
            dumps.check(folder)


def _key_option(provider: ProviderSettings) -> str:
    """An indexed one may have the name of its type; the options of that name must not be set then."""
    if provider.number is not None:
        return f"CODER_AIBRIDGE_PROVIDER_{provider.number}_KEY"
    return f"--aibridge-{provider.name}-key or CODER_AIBRIDGE_{provider.name.upper()}_KEY"


def _bedrock(settings: BedrockSettings) -> Bedrock:
    pairs = zip(settings.access_keys, settings.secrets, strict=True)
    keys = [AccessKey(key, secret, settings.session_token) for key, secret in pairs]
    return Bedrock(settings.base_url, settings.region, keys, settings.model, settings.small_fast_model)


def _secrets(provider: ProviderSettings) -> tuple[str, ...]:
    on_aws = provider.bedrock
    if on_aws is None:
        return provider.keys
    return (*on_aws.access_keys, *on_aws.secrets, *((on_aws.session_token,) if on_aws.session_token else ()))


def breaker_limits(settings: Settings) -> BreakerLimits | None:
    if not settings.aibridge_circuit_breaker_enabled:
        return None
    return BreakerLimits(
        settings.aibridge_circuit_breaker_failure_threshold,
        settings.aibridge_circuit_breaker_interval.seconds,
        settings.aibridge_circuit_breaker_timeout.seconds,
        settings.aibridge_circuit_breaker_max_requests,
    )


def database(settings: Settings) -> Database:
    return Database(Path(settings.sqlite_path), settings.postgres_url, settings.sqlite_synchronous)


def spool_folder(settings: Settings) -> Path:
    """Where there is no home folder, and PostgreSQL is used, it is the working directory."""
    return Path(settings.spool_dir or Path(settings.sqlite_path).parent)


def configure(log: Logger, settings: Settings) -> None:
    """Has the log written where and how the settings say, without the secrets in them. Raises LogError."""
    log.redact(secret for provider in settings.providers for secret in _secrets(provider))
    log.redact(database(settings).secrets)
    log.reconfigure(
        human=settings.log_human,
        json=settings.log_json,
        stackdriver=settings.log_stackdriver,
        verbose=settings.verbose,
        filters=settings.log_filter,
    )


def _is_doubtful(provider: ProviderSettings) -> bool:
    """Whether its requests go where no provider has anything; of OpenAI's own only, as others do without /v1."""
    if provider.bedrock is not None:
        return False
    parts = urlsplit(provider.base_url)
    path = parts.path.rstrip("/")
    if provider.type == "anthropic":
        return path.endswith(("/v1", "/messages"))
    return path.endswith(("/chat/completions", "/responses")) or (parts.hostname == "api.openai.com" and not path)


def warn(settings: Settings, log: Logger) -> None:
    """What is legal and yet hardly meant."""
    if not settings.aibridge_enabled:
        log.warn("the AI gateway is off: set --aibridge-enabled=true or CODER_AIBRIDGE_ENABLED=true")
        return
    keyless = [one for one in settings.providers if not (one.keys or one.bedrock or one.byok_only)]
    single = [f"--aibridge-{one.name}-key" for one in keyless if one.number is None]
    if single and len(keyless) == len(settings.providers):
        log.warn(f"no provider has a key: set {' or '.join(single)}, or their variables")
    for provider in keyless:
        if provider.number is not None:  # the others are there even where nobody wants them
            why = "a provider has no key: set its KEY, or only users with keys of their own get through"
            log.warn(why, provider_name=provider.name)
    for provider in settings.providers:
        if _is_doubtful(provider):
            path = urlsplit(provider.base_url).path.rstrip("/") + next(iter(TYPES[provider.type].formats)).decode()
            log.warn(
                "a base URL looks wrong: OpenAI's ends with /v1/, Anthropic's without it, none with an endpoint's path",
                provider_name=provider.name,
                requests_go_to=f"{Origin.of(provider.base_url)}{path}",
            )
        if provider.byok_only and not settings.aibridge_allow_byok:
            log.warn(
                "nobody can use a provider that takes users' own keys only: set --aibridge-allow-byok=true",
                provider_name=provider.name,
            )
