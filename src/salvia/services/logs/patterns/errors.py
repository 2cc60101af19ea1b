"""The one thing that can be wrong with a filter pattern."""

from salvia.base.errors import AwsError


class InvalidPatternError(AwsError):
    code = "InvalidParameterException"

    def __init__(self, why: str) -> None:
        super().__init__(f"Invalid filter pattern: {why}")
