"""Records of other nouns, as requests name them: by name or by ARN."""

from salvia.base.arn import Arn, Scope
from salvia.base.errors import ValidationError
from salvia.ports.table import Record
from salvia.resources.identity import typed
from salvia.resources.world import World


async def named(world: World, noun: str, text: str, scope: Scope) -> Record:
    """Raises ValidationError, in the noun's own words, for one that is not there or that belongs to somebody else."""
    kind = world.kinds[noun]
    key = typed(text).lower()
    arn = Arn.parse(text) if text.startswith("arn:") else None
    record = None
    if arn is None or str(arn).lower() == kind.identity.arn(scope, key):
        record = await world.table.get(noun, scope.account, scope.region, key)
    if record is None:
        missing = text if arn else kind.identity.arn(scope, key)
        raise ValidationError(kind.absent[1].format(noun=noun, name=typed(text), arn=missing))
    return record
