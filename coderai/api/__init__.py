"""The REST API for audit, and the health of the server: everything served that is no provider's route.

Paths and JSON are Coder's: https://coder.com/docs/reference/api
"""

from coderai.api.application import application
from coderai.api.connection import Connection

__all__ = ["Connection", "application"]
