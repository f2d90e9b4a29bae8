"""The hot path: from a client's request to its answer's last byte, with the trail stored in between."""

from coderai.gateway.gateway import Gateway

__all__ = ["Gateway"]
