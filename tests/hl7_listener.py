"""An information system of the tests' own: takes HL7 v2 messages over MLLP, or refuses them."""

from __future__ import annotations

import threading

from listeners import Listener

from millet.codec import mllp


class Ris(Listener):
    """Acknowledges each message by its control ID; one after the other gets the next refusal there is."""

    def __init__(self) -> None:
        super().__init__(self._serve_one)
        self.refusals = []
        """MSA-1 and ERR-3."""
        self.never = []
        """What holds one of these is refused with AR."""
        self.slow, self.go = 0, threading.Event()
        """So many messages are answered only once it goes on."""
        self.came, self.taken = [], []

    @staticmethod
    def result(message):
        """The fields of OBR and of the first OBX."""
        segments = [line.split("|") for line in message.decode().split("\r")]
        return tuple(next(one for one in segments if one[0] == name) for name in ("OBR", "OBX"))

    def _serve_one(self, connection):
        received = b""
        while (message := mllp.unframe(received)) is None:
            received += connection.recv(4096)
        self.came.append(message)
        if any(part in message for part in self.never):
            code, error = "AR", ""
        else:
            code, error = self.refusals.pop(0) if self.refusals else ("AA", "")
        if self.slow:
            self.slow -= 1
            self.go.wait(60)
        if code == "AA":
            self.taken.append(message)
        answer = f"MSH|^~\\&|RIS|||||20260102||ACK|9|P|2.5.1\rMSA|{code}|{mllp.control_id(message)}\r"
        answer += f"ERR|||{error}|E\r" if error else ""
        connection.sendall(mllp.frame(answer.encode()))
