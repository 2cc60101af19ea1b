"""What docs/operations.md says of every operation is what the server does."""

from pathlib import Path

import pytest

from salvia import app
from salvia.cli.operations import STATES, markdown

ROOT = Path(__file__).resolve().parents[2]
ROWS = app.operations()


def test_the_page_is_what_the_server_answers_with() -> None:
    page = (ROOT / "docs/operations.md").read_text()

    assert page == markdown(ROWS), "run `make docs`"


def test_every_operation_of_every_served_model_has_a_state() -> None:
    assert {row.state for row in ROWS} <= set(STATES)
    assert len({(row.service, row.operation) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.state != "refused"], ids=lambda row: f"{row.service}.{row.operation}"
)
def test_what_answers_stands_where_the_table_says(row: app.OperationRow) -> None:
    path, _, line = row.where.partition(":")
    text = (ROOT / "src" / path).read_text().splitlines()

    assert 0 < int(line) <= len(text)


def test_what_is_recorded_only_is_a_served_operation() -> None:
    for service in app.SERVICES:
        assert service.recorded <= set(service.operations), service.name
