"""What CloudWatch answers to requests that break its rules."""

from salvia.base.errors import AwsError


class InvalidValue(AwsError):
    code = "InvalidParameterValueException"


class InvalidCombination(AwsError):
    code = "InvalidParameterCombinationException"


class MissingParameter(AwsError):
    code = "MissingRequiredParameterException"
