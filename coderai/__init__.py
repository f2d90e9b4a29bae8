"""coderai: an AI gateway that relays every byte untouched and keeps an audit trail."""

__version__ = "0.1.0"
