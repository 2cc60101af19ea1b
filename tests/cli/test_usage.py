"""What `salvia status` says of the machine's users."""

from typing import Any

from salvia.cli.usage import Use, uses


class Server:
    """Jobs and endpoints as Describe shows them; a page of a list holds one."""

    def __init__(self, *shown: dict[str, Any]) -> None:
        self.shown = shown

    def call(self, service: str, operation: str, **members: Any) -> dict[str, Any]:
        noun = operation.removeprefix("Describe").removeprefix("List").removesuffix("s")
        found = [one for one in self.shown if f"{noun}Name" in one]
        if operation.startswith("Describe"):
            return next(one for one in found if one[f"{noun}Name"] == members[f"{noun}Name"])
        found = [one for one in found if one[f"{noun}Status"] == members.get("StatusEquals", one[f"{noun}Status"])]
        start = int(members.get("NextToken", 0))
        page: dict[str, Any] = {"Endpoints" if noun == "Endpoint" else f"{noun}Summaries": found[start : start + 1]}
        return page | ({"NextToken": str(start + 1)} if len(found) > start + 1 else {})


def job(noun: str, name: str, created: float, resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    given = {f"{noun}Name": name, f"{noun}Arn": f"arn:{name}", f"{noun}Status": "InProgress", "CreationTime": created}
    return given | resources | more


TWO = {"InstanceType": "ml.m5.large", "InstanceCount": 2}


def test_jobs_stand_in_the_order_in_which_they_came_and_say_how_many_are_before_them() -> None:
    groups = {"ResourceConfig": {"InstanceGroups": [TWO, TWO | {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1}]}}
    server = Server(
        job("TransformJob", "third", 3, {"TransformResources": TWO}),
        job("TrainingJob", "second", 2, groups, SecondaryStatus="Starting"),
        job("TrainingJob", "first", 1, {"ResourceConfig": TWO}, SecondaryStatus="Training", TrainingStartTime=1.5),
        job("TrainingJob", "ended", 0, {"ResourceConfig": TWO}, TrainingJobStatus="Completed"),
    )

    assert [str(use) for use in uses(server)] == [
        "TrainingJob first: Training, 2 x ml.m5.large (4 CPUs, 16 GiB)",
        "TrainingJob second: waits behind 1 older job, 2 x ml.m5.large, 1 x ml.c5.xlarge (8 CPUs, 24 GiB)",
        "TransformJob third: waits behind 2 older jobs, 2 x ml.m5.large (4 CPUs, 16 GiB)",
    ]


def test_a_job_that_is_stopping_is_there_until_it_has_ended() -> None:
    cluster = {"ProcessingResources": {"ClusterConfig": TWO}}
    server = Server(job("ProcessingJob", "late", 1, cluster, ProcessingJobStatus="Stopping", ProcessingStartTime=2))

    assert [(use.name, use.status, use.ahead) for use in uses(server)] == [("late", "Stopping", 0)]


def test_endpoints_reserve_nothing() -> None:
    variants = [{"CurrentInstanceCount": 2}, {"CurrentInstanceCount": 1}]
    server = Server(
        {"EndpointName": "e", "EndpointStatus": "InService", "ProductionVariants": variants},
        {"EndpointName": "new", "EndpointStatus": "Creating"},
    )

    assert uses(server) == [
        Use("Endpoint", "e", "InService", "3 instances"),
        Use("Endpoint", "new", "Creating", "0 instances"),
    ]
    assert str(uses(server)[0]) == "Endpoint e: InService, 3 instances (reserves nothing)"
