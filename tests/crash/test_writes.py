"""kill -9 while log events, roles, policies, keys and tags are written: what was acknowledged is there, nothing twice."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.crash.cluster import Cluster, Until, working

pytestmark = pytest.mark.slow

KILLS = 8
GROUP = "crash"
STREAMS = 3
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
READ = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}


class LogEvents:
    """Puts batches of events and never tries one again, so that none may be there twice."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.chance = cluster, cluster.draws()
        self.acknowledged: list[list[str]] = []
        self.unanswered: list[list[str]] = []

    def begin(self) -> None:
        self.cluster.ask("logs", lambda logs: logs.create_log_group(logGroupName=GROUP))
        for number in range(STREAMS):
            where = {"logGroupName": GROUP, "logStreamName": str(number)}
            self.cluster.ask("logs", lambda logs: logs.create_log_stream(**where))

    def work(self, until: Until) -> None:
        number = 0
        while until:
            number += 1
            batch = [f"{number}:{index}" for index in range(self.chance.choice([1, 10, 500]))]
            now = int(time.time() * 1000)
            try:
                self.cluster.client("logs").put_log_events(
                    logGroupName=GROUP,
                    logStreamName=str(self.chance.randrange(STREAMS)),
                    logEvents=[{"timestamp": now, "message": message} for message in batch],
                )
            except BotoCoreError:
                self.unanswered.append(batch)
                time.sleep(0.02)
                continue
            self.acknowledged.append(batch)

    def found(self) -> Counter[str]:
        pages = self.cluster.client("logs").get_paginator("filter_log_events").paginate(logGroupName=GROUP)
        return Counter(event["message"] for page in pages for event in page["events"])


class Identities:
    """Makes roles with policies, users with keys, and sessions."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.roles: set[str] = set()
        self.deleted: set[str] = set()
        self.keys: list[dict[str, str]] = []

    def work(self, until: Until) -> None:
        number = 0
        while until:
            number += 1
            name = f"role-{number}"
            self._done(lambda iam: iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST)))
            self._done(
                lambda iam: iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=json.dumps(READ))
            )
            self._done(lambda iam: iam.tag_role(RoleName=name, Tags=[{"Key": "number", "Value": name}]))
            self.roles.add(name)
            if number % 3 == 0:
                self._done(lambda iam: iam.delete_role_policy(RoleName=name, PolicyName="read"))
                self._done(lambda iam: iam.delete_role(RoleName=name))
                self.deleted.add(name)
                self.roles.remove(name)
            if number % 4 == 0:
                self._done(lambda iam: iam.create_user(UserName=name))
                key = self.cluster.ask("iam", lambda iam: iam.create_access_key(UserName=name))["AccessKey"]
                self.keys.append(key)

    def _done(self, call: Callable[[Any], Any]) -> None:
        try:
            self.cluster.ask("iam", call)
        except ClientError as error:  # it was done, and only the answer was lost
            assert error.response["Error"]["Code"] in {"EntityAlreadyExists", "NoSuchEntity"}

    def missing(self) -> list[str]:
        iam = self.cluster.client("iam")
        return [
            name
            for name in self.roles
            if iam.get_role(RoleName=name)["Role"]["Tags"] != [{"Key": "number", "Value": name}]
            or iam.get_role_policy(RoleName=name, PolicyName="read")["PolicyDocument"] != READ
        ]

    def listed(self) -> set[str]:
        pages = self.cluster.client("iam").get_paginator("list_roles").paginate()
        return {role["RoleName"] for page in pages for role in page["Roles"]}

    def refused_keys(self) -> list[str]:
        refused = []
        for key in self.keys[::4]:  # a client costs a second
            session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-west-2")
            sts = session.client("sts", endpoint_url=self.cluster.servers[0].url)
            if not sts.get_caller_identity()["Arn"].endswith(key["UserName"]):
                refused.append(key["AccessKeyId"])
        return refused


def test_events_roles_policies_and_keys_survive(data: Path, chance: random.Random) -> None:
    with Cluster(data, chance, 2) as cluster:
        events, identities = LogEvents(cluster), Identities(cluster)
        events.begin()
        with working(events.work, identities.work):
            cluster.kill_at_random(KILLS)

        found = events.found()
        assert [batch for batch in events.acknowledged if any(found[message] != 1 for message in batch)] == []
        assert [batch for batch in events.unanswered if len({found[message] for message in batch}) != 1] == []
        assert max(found.values()) == 1
        assert identities.missing() == []
        assert not identities.listed() & identities.deleted
        assert identities.refused_keys() == []
        assert len(identities.roles) > 3
        assert cluster.said() == ""
        print(  # noqa: T201 - shown with -rP
            f"{cluster.kills} kills, {len(events.acknowledged)} batches of events acknowledged and {len(events.unanswered)} not, "
            f"{len(identities.roles)} roles, {len(identities.deleted)} deleted, {len(identities.keys)} keys"
        )
