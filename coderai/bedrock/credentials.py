"""AWS credentials and the signature made with them, both by botocore, which is big: it is loaded in a thread, once.

All of this blocks (an import, files, the metadata service): callers run `load_signer`, and `current` of a chain that is
`stale`, in a thread.
Spec: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

# ruff: noqa: PLC0415 -- botocore is an extra, and takes long to load: only who uses Bedrock pays for it

from collections.abc import Mapping
from typing import Any, NamedTuple

SERVICE = "bedrock"


class NoCredentials(Exception):
    """There is nothing to sign with; the message says how to mend it."""


class AccessKey(NamedTuple):
    id: str
    secret: str
    session_token: str = ""

    def __repr__(self) -> str:
        return "AccessKey(...)"


class Chain:
    """AWS's default chain: environment, shared files, SSO, container, instance; refreshed before it expires."""

    def __init__(self) -> None:
        self._credentials: Any = None
        self.known: AccessKey | None = None  # the last one that was used

    def load(self) -> None:
        """Blocks. Raises NoCredentials."""
        import botocore.session
        from botocore.exceptions import CredentialRetrievalError

        try:
            self._credentials = botocore.session.Session().get_credentials()
        except CredentialRetrievalError as error:  # its text is what a command wrote: a script with `set -x` tells keys
            raise NoCredentials(
                f"no AWS credentials found: {error.kwargs.get('provider')} failed; where that is a credential_process, "
                "run it by hand to see why"
            ) from None
        except Exception as error:  # a command that is missing, one that answers no JSON: botocore passes on any fault
            raise NoCredentials(f"no AWS credentials found: {str(error) or type(error).__name__}") from None
        if self._credentials is None:
            raise NoCredentials(
                "no AWS credentials found: give BEDROCK_ACCESS_KEY and BEDROCK_ACCESS_KEY_SECRET, or set up AWS's "
                "default chain (AWS_ACCESS_KEY_ID, ~/.aws, a role of the container or instance)"
            )

    @property
    def stale(self) -> bool:
        """Whether `current` would block."""
        refresh_needed = getattr(self._credentials, "refresh_needed", None)
        return self._credentials is None or (refresh_needed is not None and refresh_needed())

    def current(self) -> AccessKey:
        """Blocks while `stale`. Raises NoCredentials."""
        if self._credentials is None:
            self.load()
        try:
            frozen = self._credentials.get_frozen_credentials()
        except Exception as error:  # as in `load`; and what is refreshed may have expired already
            why = type(error).__name__
            raise NoCredentials(f"no AWS credentials found: they could not be refreshed ({why})") from None
        self.known = AccessKey(frozen.access_key, frozen.secret_key, frozen.token or "")
        return self.known


def load_signer() -> None:
    """Blocks for the import, so that `sign` does not."""
    import botocore.auth
    import botocore.awsrequest
    import botocore.credentials  # noqa: F401


def sign(key: AccessKey, region: str, url: str, headers: Mapping[str, str], body: bytes) -> list[tuple[str, str]]:
    """The headers of a POST, with those that sign it."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest("POST", url, headers=dict(headers), data=body)
    SigV4Auth(Credentials(key.id, key.secret, key.session_token or None), SERVICE, region).add_auth(request)
    return list(request.headers.items())
