"""What an algorithm's process does with its arguments."""

import pytest

from salvia_algorithms.first_party import entry
from salvia_algorithms.first_party.serving import Serving
from salvia_container.training import TrainingEnvironment


def nothing(_environment: TrainingEnvironment) -> None:
    raise AssertionError("no training was asked for")


@pytest.mark.parametrize(("arguments", "said"), [(["process"], "Cannot process"), ([], "Cannot start")])
def test_what_it_cannot_do_is_said(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(arguments, nothing) == 64

    assert f"{said}: this image can train." in capsys.readouterr().out


def test_it_serves_with_its_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[object] = []

    def serve(handler: object) -> int:
        served.append(handler)
        return 7

    monkeypatch.setattr(entry, "serve", serve)
    handler = Serving(lambda _folder: pytest.fail("nothing was to be loaded"))

    assert entry.main(["serve"], nothing, handler) == 7

    assert served == [handler]
