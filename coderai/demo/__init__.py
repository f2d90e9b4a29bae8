"""`coderai demo`: the real server before a simulated provider, to be tried without a key or a setting."""

from coderai.demo.run import demonstrate
from coderai.demo.server import DemoFailed

__all__ = ["DemoFailed", "demonstrate"]
