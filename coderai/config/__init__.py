"""Every setting: declared once (settings.py), read from flags, environment, YAML and files (resolve.py)."""

from coderai.config.addresses import HostPort
from coderai.config.duration import Duration
from coderai.config.problems import SettingsError
from coderai.config.providers import ProviderSettings
from coderai.config.reload import reload
from coderai.config.resolve import Resolved, resolve
from coderai.config.settings import OPTIONS, Settings
from coderai.config.size import Size
from coderai.config.written import write_config

__all__ = [
    "OPTIONS",
    "Duration",
    "HostPort",
    "ProviderSettings",
    "Resolved",
    "Settings",
    "SettingsError",
    "Size",
    "reload",
    "resolve",
    "write_config",
]
