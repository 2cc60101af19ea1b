"""The surrogate in a process of its own."""

from collections.abc import AsyncIterator

import pytest

from salvia.adapters.surrogate.process import ProcessSurrogate
from salvia.adapters.surrogate.proposal import suggest
from salvia.ports.surrogate import Observations, SurrogateError

KNOWN = Observations([{}, {"categories": 2}], [[0.1, 0.2], [0.4, 0.6], [0.9, 0.9]], [3.0, 1.0, 2.0], number=20)


@pytest.fixture
async def surrogate() -> AsyncIterator[ProcessSurrogate]:
    opened = ProcessSurrogate()
    yield opened
    await opened.close()


async def test_it_answers_as_the_model_does(surrogate: ProcessSurrogate) -> None:
    assert await surrogate.suggest(KNOWN) == suggest(KNOWN)
    assert await surrogate.importance(KNOWN) == [0.0, 0.0]


async def test_what_goes_wrong_is_said_and_the_next_question_answered(surrogate: ProcessSurrogate) -> None:
    with pytest.raises(SurrogateError, match="Error: "):
        await surrogate.suggest(Observations([{}], [[], [], []], [1.0, 2.0, 3.0], number=20))

    assert await surrogate.suggest(KNOWN) == suggest(KNOWN)


async def test_one_that_was_killed_is_started_again(surrogate: ProcessSurrogate) -> None:
    await surrogate.suggest(KNOWN)
    assert surrogate._process is not None
    surrogate._process.kill()
    await surrogate._process.wait()
    with pytest.raises(SurrogateError, match="ended before it answered"):
        await surrogate.suggest(KNOWN)

    assert await surrogate.suggest(KNOWN) == suggest(KNOWN)


async def test_one_that_nobody_asks_goes(surrogate: ProcessSurrogate) -> None:
    await surrogate.suggest(KNOWN)
    process = surrogate._process
    surrogate._let_go()

    assert process is not None
    assert await process.wait() == 0
    assert await surrogate.suggest(KNOWN) == suggest(KNOWN)
