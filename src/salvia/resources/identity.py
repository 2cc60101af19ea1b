"""How a noun is named: the name a user typed, the key the table uses, the ARN that stands for it everywhere."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from salvia.base.arn import Scope
from salvia.resources.derive import Derived


def typed(text: str) -> str:
    """What the user typed, of a name or an ARN: in an ARN it follows the type, and may have slashes of its own."""
    return text.partition("/")[2] or text if text.startswith("arn:") else text


@dataclass(frozen=True, slots=True)
class Identity:
    model: Derived

    def name(self, members: Mapping[str, Any]) -> str:
        """What the user typed; the parts of a compound name are joined by a slash."""
        parts = [typed(str(members.get(member, ""))) for member in self.model.identity]
        return parts[0] if len(parts) == 1 else "/".join(parts)

    def key(self, members: Mapping[str, Any]) -> str:
        """SageMaker's names are unique, and its ARNs written, without regard to case."""
        return self.name(members).lower()

    def arn(self, scope: Scope, key: str) -> str:
        return scope.arn(self.model.service, f"{self.model.arn_type}/{key}")

    def chosen(self, scope: Scope) -> dict[str, str]:
        """Members of the identity that the caller does not choose (DomainId, ...), drawn at random."""
        fresh = f"{self.model.arn_type[:1]}-{secrets.token_hex(6)}"
        return {member: self.arn(scope, fresh) if member.endswith("Arn") else fresh for member in self.model.assigned}

    @property
    def words(self) -> str:
        """The noun in prose: "training job"."""
        return self.model.arn_type.replace("-", " ")
