"""Jobs that run one container on each of several instances: how they begin, and when they are told to end."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from salvia.base.errors import ValidationError
from salvia.ports.compute import CannotLaunchError, Run, RunSpec
from salvia.ports.credentials import Credential
from salvia.ports.images import Image
from salvia.ports.table import Record
from salvia.resources.instances import Share
from salvia.services.sagemaker.runs.access import Access
from salvia.services.sagemaker.runs.cluster import Host, part_of
from salvia.services.sagemaker.runs.job import AT_ONCE, FOLLOW, GRACE, SOON, Job
from salvia.services.sagemaker.runs.places import ChannelError


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance that is about to start.

    `share` is its part of the machine, `linked` the paths below /opt/ml that it may not change. There is no `credential` when
    the job is isolated.
    """

    hosts: list[Host]
    host: Host
    share: Share
    log: Path
    linked: tuple[str, ...]
    credential: Credential | None


class InstancesJob(Job):
    """A kind says what stands in /opt/ml before an instance starts, and what its run is."""

    log_group: ClassVar[str]

    def stream_of(self, job: Record, host: Host) -> str:
        """The log stream of an instance."""
        raise NotImplementedError

    def isolated(self, job: Record) -> bool:
        raise NotImplementedError

    async def furnish(self, job: Record, access: Access, hosts: list[Host], host: Host) -> tuple[str, ...]:
        """Everything that stands in an instance's /opt/ml before it starts. Returns the paths that must stay as they are.

        Raises ChannelError.
        """
        raise NotImplementedError

    def run_of(self, job: Record, image: Image, instance: Instance) -> RunSpec:
        raise NotImplementedError

    def ends_by(self, job: Record, started: float) -> float:
        """When a job whose instances started then must have ended."""
        return started + float(job.spec["StoppingCondition"]["MaxRuntimeInSeconds"])

    async def begin(self, job: Record, image: Image, hosts: list[Host], missing: list[Host]) -> float | None:
        """Wait for the turn, then furnish and launch the instances that are `missing`."""
        share = await self.turn(job, [image])
        if not isinstance(share, Share):
            return share
        try:
            access = await Access.of(self.world, job.spec["RoleArn"], job.account, job.region)
            linked = {host: await self.furnish(job, access, hosts, host) for host in missing}
            if await self.overtaken(job):
                return AT_ONCE
            await self._launch(job, image, hosts, linked, share, access)
        except ChannelError as error:
            return self.finish(job, "Failed", reason=str(error))
        except ValidationError as error:  # the role was changed or deleted since the job was created
            return self.finish(job, "Failed", reason=f"ClientError: {error}")
        except CannotLaunchError as error:
            return self.finish(job, "Failed", reason=f"InternalServerError: {error}")
        return AT_ONCE

    async def _launch(
        self,
        job: Record,
        image: Image,
        hosts: list[Host],
        linked: Mapping[Host, tuple[str, ...]],
        share: Share,
        access: Access,
    ) -> None:
        credential = None
        if not self.isolated(job):
            seconds = job.spec["StoppingCondition"]["MaxRuntimeInSeconds"] + 2 * GRACE
            credential = await self.world.credentials.issue(access.role, seconds)
        parts = [part_of(share, host, len(hosts)) for host in hosts]
        shares = tuple((part.cpus, part.memory) for part in parts) if len(hosts) > 1 else ()
        specs = []
        for host, paths in linked.items():
            log = await self.world.logs.open_file(job.account, job.region, self.log_group, self.stream_of(job, host))
            part = parts[hosts.index(host)]
            spec = self.run_of(job, image, Instance(hosts, host, part, log, paths, credential))
            specs.append(replace(spec, shares=shares))
            self.watch(job, spec.name)
        launched = await asyncio.gather(*map(self.world.compute.launch, specs), return_exceptions=True)
        for failed in launched:  # none is still on its way when the job is told
            if isinstance(failed, BaseException):
                raise failed

    async def wait_for_room(self, job: Record, runs: Sequence[Run]) -> float:
        """What becomes of a job that may start, and whose instances wait until machines have room for them."""
        self.enter(job, job.status.get("SecondaryStatus", "Starting"), "Waiting for room in the cluster")
        return await self.stop_when_due(job, runs)

    async def stop_when_due(self, job: Record, runs: Sequence[Run]) -> float:
        """Stop what runs when that is wished, when it is late, or when an instance failed. Returns seconds until the next look."""
        for run in runs:
            self.watch(job, run.name)
        left = self.ends_by(job, min(run.started for run in runs)) - self.world.clock.now()
        failed = any(run.exit_code for run in runs)
        if failed or left <= 0 or job.wanted == "stopped":
            for run in runs:
                if run.exit_code is None:
                    await self.world.compute.stop(run.name, GRACE if not failed else GRACE / 12)
        return min(FOLLOW, max(left, SOON)) if left > 0 else FOLLOW
