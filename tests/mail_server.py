"""A mail server of the tests' own, on loopback."""

from __future__ import annotations

import asyncio
import threading
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP, AuthResult

PASSWORD = "correct horse"


class Mailbox:
    """Takes mail as told, and keeps what came: envelope and message."""

    def __init__(self, context=None, *, at_once=False, asks=False) -> None:
        self.came = []
        self.answers = {}
        """What a recipient's address is answered; "data" for a message as a whole."""
        starts = context is not None and not at_once
        told = {"tls_context": context, "require_starttls": True} if starts else {}
        if asks:
            told |= {"authenticator": _judge, "auth_required": starts, "auth_require_tls": starts}
        self._loop = asyncio.new_event_loop()
        serving = self._loop.create_server(
            lambda: SMTP(self, loop=self._loop, **told), "127.0.0.1", 0, ssl=context if at_once else None
        )
        self._server = self._loop.run_until_complete(serving)
        self.port = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 - its name
        """Take a recipient, or say what was told."""
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - its name
        """Keep a message, or say what was told."""
        answer = self.answers.get("data", "250 OK")
        if answer.startswith("250"):
            self.came.append((envelope, message_from_bytes(envelope.content, policy=policy.default)))
        return answer

    def end(self):
        """Stop."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self):
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def _judge(_server, _session, _envelope, _mechanism, given):
    good = (given.login, given.password) == (b"millet", PASSWORD.encode())
    return AuthResult(success=good, handled=False)
