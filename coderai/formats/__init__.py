"""The wire formats: what providers' APIs look like. A further one is a file here, and a name below."""

from coderai.formats.chat_completions import ChatCompletions
from coderai.formats.messages import Messages
from coderai.formats.responses import Responses

CHAT_COMPLETIONS = ChatCompletions()
RESPONSES = Responses()
MESSAGES = Messages()

__all__ = ["CHAT_COMPLETIONS", "MESSAGES", "RESPONSES"]
