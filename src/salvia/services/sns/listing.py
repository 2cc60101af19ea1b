"""Pages of a hundred, as every list of SNS has them."""

import base64
from collections.abc import Callable
from typing import Any

from salvia.base.call import Call
from salvia.ports.table import Query, Record
from salvia.resources.world import World
from salvia.services.sns.errors import InvalidParameter

_PAGE = 100


async def page(
    world: World, call: Call, kind: str, member: str, view: Callable[[Record], dict[str, Any]], owner: str = ""
) -> dict[str, Any]:
    try:
        key = base64.urlsafe_b64decode(call.params.get("NextToken", "")).decode()
    except ValueError:
        raise InvalidParameter("Invalid parameter: NextToken") from None
    after = (key, key) if key else None
    records = await world.table.select(
        Query(kind, call.account, call.region, owner=owner, sort="key", descending=False, after=after, limit=_PAGE + 1)
    )
    answer: dict[str, Any] = {member: [view(record) for record in records[:_PAGE]]}
    if len(records) > _PAGE:
        answer["NextToken"] = base64.urlsafe_b64encode(records[_PAGE - 1].key.encode()).decode()
    return answer
