"""A gate for tests: knows three tokens and one certificate, and remembers what it was told."""

from dataclasses import dataclass, field

from millet.core.roles import Role, Who, verdict
from millet.ports import Answer, Ask, Shown

TOKENS = {"viewer-token": Role.VIEWER, "reader-token": Role.READER, "ops-token": Role.OPS}
COMMON_NAMES = {"console": Role.ADMIN}


@dataclass
class MemoryGate:
    """A `Gate`."""

    asked: list[Ask] = field(default_factory=list)
    given: list[tuple[str, str, str]] = field(default_factory=list)
    """Who, what, and which series."""

    def ask(self, asked: Ask) -> Answer:
        """Recognise and judge."""
        self.asked.append(asked)
        who = _who(asked.shown)
        return Answer(verdict(who, asked.needed), who)

    def served(self, asked: Ask, who: Who | None, series_uid: str) -> None:
        """Remember."""
        self.given.append((who.name if who else "", asked.what, series_uid))


def _who(shown: Shown) -> Who | None:
    role = TOKENS.get(shown.token)
    if role is None and shown.certificate is not None:
        role = COMMON_NAMES.get(shown.certificate.common_name)
    return Who(name=str(role), role=role) if role else None
