"""Host paths do not reach clients, and what looks like one but is none stays."""

import pytest

from salvia.base.text import without_paths


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot open /home/ann/.cache/salvia/lock: full", "cannot open lock: full"),
        (
            "[Errno 28] No space left on device: '/var/lib/salvia/x.part'",
            "[Errno 28] No space left on device: 'x.part'",
        ),
        ("is in /root/data/", "is in "),
        (
            "see https://pypi.org/simple/numpy/ or s3://bucket/a/b",
            "see https://pypi.org/simple/numpy/ or s3://bucket/a/b",
        ),
        ("s3:GetObject on arn:aws:s3:::bucket/a/b and 3/4", "s3:GetObject on arn:aws:s3:::bucket/a/b and 3/4"),
    ],
)
def test_paths_are_cut_down_and_addresses_stay(text: str, shown: str) -> None:
    assert without_paths(text) == shown
