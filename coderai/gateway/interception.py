"""One intercepted exchange as the trail sees it: what is recorded at its start and at its end, and told in the log."""

import asyncio
from collections.abc import Callable, Iterable

from coderai.auth import User
from coderai.clients import caller
from coderai.formats.format import Ask, Reading
from coderai.gateway.masking import as_written, brought, masked
from coderai.gateway.shortened import shortened
from coderai.keys import BYOK, Key, Keys
from coderai.logs import Logger
from coderai.recorder import Recorder
from coderai.records import (
    AnsweredPrompt,
    Ended,
    Finding,
    Prompt,
    ProviderObject,
    Record,
    Started,
    new_id,
)
from coderai.routes import Route
from coderai.store import times
from coderai.user_tokens import without_token
from coderai.wire.request import Request


class Interception:
    """Writes the records of one exchange: `begin` counts once; `end`, to be called once, begins what has not begun."""

    def __init__(
        self,
        recorder: Recorder,
        log: Logger,
        text_limit: int,
        request: Request,
        user: User,
        route: Route,
        keys: Keys,
        ask: Ask,
    ) -> None:
        self.id = new_id()
        self._recorder = recorder
        self._log = log
        self._text_limit = text_limit
        self._request = request
        self._brought = request.head.once(brought)
        self._user = user
        self._route = route
        self._keys = keys
        own = keys.secrets if keys.kind == BYOK else ()
        self._clients_secrets = (user.token_id, *self._brought, *own)
        self._hint = keys.hint
        self._ask = ask
        self._prompt: Record | None = None
        self._started: asyncio.Future[None] | None = None
        self._stored: asyncio.Future[None] | None = None  # the end

    def begin(self) -> asyncio.Future[None]:
        """Resolved when the start, and the prompt with it, are stored: in a moment, or at once if that is hurried."""
        if self._started is None:
            self._started = self._begin()
        return self._started

    def _begin(self) -> asyncio.Future[None]:
        who = self._request.head.once(caller)
        session = who.session(self._ask.session_id)
        provider = self._route.provider
        started = Started(
            initiator_id=self._user.id,
            api_key_id=self._user.token_id,
            provider=provider.kind.name,
            provider_name=provider.name,
            model=self._without_credentials(self._ask.model),
            client=who.client,
            client_session_id=session and self._without_credentials(session),
            correlating_tool_call_id=self._ask.tool_call_id,
            credential_kind=self._keys.kind,
            credential_hint=self._hint,
            metadata={"request_user_agent": self._without_credentials(who.user_agent)},
        )
        self._log.debug(
            "interception started",
            interception_id=self.id,
            provider=provider.name,
            route=self._route.path.decode(),
            streaming=self._ask.stream,
            credential_kind=started.credential_kind,
            credential_hint=started.credential_hint,
            **started.metadata,
        )
        at = times.now()
        records = [Record(self.id, self.id, at, started)]
        if self._ask.prompt is not None:
            self._prompt = Record(new_id(), self.id, at, shortened(self._ask.prompt, self._text_limit))
            records.append(self._prompt)
        return self._recorder.put(records, hurry=False)

    def end(
        self,
        status: int | None,
        reading: Reading,
        error_type: str | None = None,
        error_message: str | None = None,
        key: Key | None = None,
        then: Callable[[], None] | None = None,
    ) -> asyncio.Future[None]:
        """Resolved when all that was found in the answer, and the end, are stored; `then` is called a moment before.

        key: with which it was served.
        """
        self.begin()
        at = times.now()
        records = [Record(new_id(), self.id, at, finding) for finding in self._findings(reading)]
        if self._prompt is not None:
            prompt = self._prompt
            assert isinstance(prompt.finding, Prompt)
            answered = AnsweredPrompt(prompt.finding, reading.message_id)
            records.insert(0, Record(prompt.id, self.id, prompt.at, answered))
        ended = Ended(
            status=status,
            error_type=error_type or self.without_secrets(reading.error_type),
            error_message=self.without_secrets(error_message or reading.error_message),
            credential_hint=None if key is None or key.hint == self._hint else key.hint,
        )
        self._log.debug("interception ended", interception_id=self.id, status=status, error_type=ended.error_type)
        records.append(Record(self.id, self.id, at, ended))
        self._stored = self._recorder.put(records, then=then)
        return self._stored

    @property
    def ended(self) -> bool:
        """Not before all has been put: what fails until then may be tried with less."""
        return self._stored is not None

    def cut(self) -> None:
        """The server cuts its client off, which may not have got its end yet."""
        if self._stored is not None:
            self._recorder.withhold(self._stored)

    def _findings(self, reading: Reading) -> Iterable[Finding]:
        for finding in reading.findings:
            yield shortened(finding, self._text_limit)
        if reading.message_id and self._ask.kept:
            # GET /responses/{id} and the like, and what goes on from it, are for this user only
            yield ProviderObject(
                object_id=reading.message_id,
                provider_name=self._route.provider.name,
                initiator_id=self._user.id,
            )

    def _without_credentials(self, told: str) -> str:
        """Of what the client tells of itself: it may put its credentials anywhere."""
        for secret in self._clients_secrets:  # a few; three times a request, so without a generator
            if secret in told:
                return self._masked(told)
        return told

    def without_secrets(self, message: str | None) -> str | None:
        return self._masked(message) if message else message

    def _masked(self, message: str) -> str:
        secrets = as_written((*self._keys.secrets, *self._route.provider.secrets))
        # the user's token may be in the query or body
        return without_token(masked(message, (*self._brought, *secrets)), self._user.token_id)
