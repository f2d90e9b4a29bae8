"""Every format, for what holds of each; what several tests of formats count with."""

import pytest

from coderai.formats import CHAT_COMPLETIONS, MESSAGES, RESPONSES

FORMATS = [CHAT_COMPLETIONS, RESPONSES, MESSAGES]
each = pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.path)
COUNTED = {"input_tokens": 10, "output_tokens": 5}
