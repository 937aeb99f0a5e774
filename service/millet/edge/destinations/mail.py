"""Mail: each notification as a plain text, handed to one mail server (RFC 5321, RFC 5322).

Over TLS from the first byte on port 465 (RFC 8314), else after STARTTLS (RFC 3207), without which nothing is
said. A message has the same Message-ID in every try, so that a mailbox can tell a second copy.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

from millet.codec import notice
from millet.core.language import Language
from millet.core.refusal import Verdict, of_smtp
from millet.edge.destinations.answers import away, broken, judge
from millet.edge.destinations.connecting import connect
from millet.edge.destinations.http import key_of
from millet.edge.destinations.limit import Limit
from millet.edge.destinations.tls import Tls
from millet.errors import DeliveryError
from millet.ports import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Whom mail is handed to, and as whom."""

    host: str
    port: int
    tls: Tls | None
    """None for a connection in the clear."""
    tls_at_once: bool = False
    """Whether it is asked for nothing before TLS (RFC 8314)."""
    user: str = ""
    """Empty for a server that asks for none."""
    password_file: Path | None = None
    """Read each time."""
    timeout_s: float = 30.0
    limit_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What stands on every mail."""

    sender: str
    recipients: tuple[str, ...]
    language: Language
    now_utc: Callable[[], datetime]


class MailDestination:
    """A `Destination`. Thread-safe."""

    def __init__(self, server: MailServer, letter: Letter) -> None:
        self._server = server
        self._letter = letter
        self.limit_s = server.limit_s

    def deliver(self, delivery: Delivery, encoded: bytes) -> None:
        """Send one notification; see `ports.Destination`."""
        try:
            message = self._message(delivery, encoded)
        except ValueError as error:
            raise DeliveryError(f"it cannot be sent as mail: {error}", retryable=False) from None
        with Limit(self.limit_s) as limit:
            try:
                self._send(message, limit)
            except (smtplib.SMTPAuthenticationError, smtplib.SMTPNotSupportedError):
                raise away("does not take our password") from None
            except smtplib.SMTPRecipientsRefused as error:
                _refused([code for code, _ in error.recipients.values()], len(self._letter.recipients))
            except smtplib.SMTPResponseException as error:
                judge(of_smtp(error.smtp_code), f"SMTP {error.smtp_code}")
            except OSError as error:
                said = "took too long" if limit.reached else f"broke off ({type(error).__name__})"
                raise broken(said) from None

    def _message(self, delivery: Delivery, encoded: bytes) -> EmailMessage:
        written = notice.mail(encoded, self._letter.language)
        message = EmailMessage(policy=SMTP)
        message["From"] = self._letter.sender
        message["To"] = ", ".join(self._letter.recipients)
        message["Subject"] = written.subject
        message["Date"] = format_datetime(self._letter.now_utc())
        message["Message-ID"] = f"<{key_of(delivery)}@{self._letter.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(written.text)
        return message

    def _send(self, message: EmailMessage, limit: Limit) -> None:
        with closing(_Line(self._server, limit)) as line:
            line.greet()
            refused = line.send_message(message, self._letter.sender, self._letter.recipients)
            with suppress(OSError):  # what is taken is taken, whatever becomes of the farewell
                line.quit()
        _refused([code for code, _ in refused.values()], len(self._letter.recipients))


class _Line(smtplib.SMTP):
    """A connection of ours, whose every wait and whole length are bounded."""

    def __init__(self, server: MailServer, limit: Limit) -> None:
        self._server = server
        self._limit = limit
        super().__init__(server.host, server.port, socket.gethostname(), server.timeout_s)

    def greet(self) -> None:
        """Encrypt what is not yet, and say who we are. Raises DeliveryError or SMTPException."""
        server = self._server
        self.ehlo_or_helo_if_needed()
        if server.tls is not None and not isinstance(self.sock, ssl.SSLSocket):
            self._encrypt(server.tls())
        if server.user:
            self.login(server.user, _password(server.password_file))

    def _encrypt(self, context: ssl.SSLContext) -> None:
        try:
            self.starttls(context=context)
        except ssl.SSLCertVerificationError:
            raise away("cannot be trusted") from None
        except (smtplib.SMTPException, ssl.SSLError):
            raise away("does not agree on TLS") from None
        if self.sock is not None:
            self._limit.watch(self.sock)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        tls = self._server.tls
        context = tls() if tls is not None and self._server.tls_at_once else None
        return connect((host, port), context, timeout, self._limit)


def _refused(codes: list[int], of: int) -> None:
    """Raise what it means that some of the recipients are not taken."""
    if codes:
        never = [code for code in codes if of_smtp(code) is Verdict.NEVER]
        judge(of_smtp((never or codes)[0]), f"SMTP {codes[0]} for {len(codes)} of {of} recipients")


def _password(path: Path | None) -> str:
    try:
        return "" if path is None else path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = f"the password cannot be read: {type(error).__name__}"
        raise DeliveryError(why, retryable=True, away=True) from None
