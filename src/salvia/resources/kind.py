"""A Resource is one noun of an AWS API. Its verbs come from the service model; subclasses add only what is special."""


class Resource:
    noun: str
