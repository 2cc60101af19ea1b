"""Where compiled code is kept, and what it is found by."""

import sys
from pathlib import Path

import pytest

from salvia_algorithms.compiled import InEnvironment, compiled
from salvia_algorithms.randomcutforest import trees


def source(folder: Path, text: str = "same") -> str:
    folder.mkdir(parents=True)
    (folder / "code.py").write_text(text)
    return str(folder / "code.py")


def test_compiled_code_is_found_by_what_the_source_says_not_by_where_it_stands(tmp_path: Path) -> None:
    one, moved, changed = (
        InEnvironment.from_function(source, source(tmp_path / place / "package", text))
        for place, text in (("a", "same"), ("b", "same"), ("c", "other"))
    )

    assert one.get_source_stamp() == moved.get_source_stamp() != changed.get_source_stamp()
    assert one.get_disambiguator() == moved.get_disambiguator()


def test_it_is_kept_in_the_python_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    place = InEnvironment.from_function(source, source(tmp_path / "package"))
    place.ensure_cache_path()

    assert Path(place.get_cache_path()) == tmp_path / "compiled"
    assert (tmp_path / "compiled").is_dir()


def test_an_environment_that_cannot_be_written_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/proc/none")

    def twice(value: int) -> int:
        return 2 * value

    assert compiled("int64(int64)")(twice)(4) == 8


def test_nothing_is_compiled_for_other_types_than_those_declared() -> None:
    with pytest.raises(TypeError):
        trees.grow(*[None] * 6)  # type: ignore[arg-type]
