"""Anthropic's messages behind Amazon Bedrock: the request as InvokeModel wants it, the answer as Anthropic gives it."""

from coderai.bedrock.bedrock import AccessKey, Bedrock, NoCredentials
from coderai.bedrock.request import NotTranslated

__all__ = ["AccessKey", "Bedrock", "NoCredentials", "NotTranslated"]
