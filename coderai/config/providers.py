"""What a provider behind the gateway is, wherever its settings come from."""

from dataclasses import dataclass, field

from coderai.config.bedrock import BedrockSettings

# What a type is reached at by default, and so which types there are.
DEFAULT_BASE_URLS = {
    "openai": "https://api.openai.com/v1/",
    "anthropic": "https://api.anthropic.com/",
    "copilot": "https://api.individual.githubcopilot.com",
}
CHATGPT, CHATGPT_BASE_URL = ("openai", "chatgpt"), "https://chatgpt.com/backend-api/codex"
SINGLE = ("openai", "anthropic")  # the types that have options of their own
RESERVED_NAMES = ("interceptions", "sessions", "models", "clients", "proxy", "providers")  # routes of the API


@dataclass(frozen=True, kw_only=True)
class ProviderSettings:
    type: str  # one of DEFAULT_BASE_URLS: which formats and which auth header
    name: str  # the route's first segment
    base_url: str
    keys: tuple[str, ...] = field(default=(), repr=False)
    refuses_stream_options: bool = False  # then no include_usage is added to what goes upstream
    models: tuple[str, ...] = ()  # patterns of the models that may be used; none: all of them
    dump_dir: str = ""  # where its API dumps go, if not to --aibridge-dump-dir
    bedrock: BedrockSettings | None = None  # then base_url and keys are none of Anthropic's
    key_file: str = ""  # where the keys came from, if from a file
    number: int | None = None  # of an indexed one; None: of the options of its type

    @property
    def byok_only(self) -> bool:
        """Its users bring their own credential: it takes no key."""
        return is_byok_only(self.type, self.name)


def is_byok_only(kind: str, name: str) -> bool:
    return kind == "copilot" or (kind, name) == CHATGPT
