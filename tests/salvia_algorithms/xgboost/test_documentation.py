"""The documentation names what there is."""

from pathlib import Path

import pytest

from salvia_algorithms.xgboost.channels import FORMATS
from salvia_algorithms.xgboost.hyperparameters import ALIASES, TABLE

PAGE = (Path(__file__).parents[3] / "docs" / "algorithms" / "xgboost.md").read_text()


@pytest.mark.parametrize("name", TABLE)
def test_every_hyperparameter_has_its_row_with_its_default(name: str) -> None:
    row = TABLE[name]
    default = "required" if row.required else row.default

    assert any(line.startswith(f"| `{name}` |") and line.endswith(f"| {default} |") for line in PAGE.splitlines())


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.idle])
def test_every_hyperparameter_without_effect_is_listed_with_the_reason(name: str) -> None:
    assert f"| `{name}` | {TABLE[name].idle} |" in PAGE


@pytest.mark.parametrize("word", [*ALIASES, *FORMATS])
def test_every_alias_and_content_type_is_named(word: str) -> None:
    assert f"`{word}`" in PAGE
