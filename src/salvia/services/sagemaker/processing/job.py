"""Processing jobs: run one container on each instance to completion, with inputs from S3 and outputs that go back there.

A job's life is a list of situations, each decided from what is observed of its runs:

    no run yet      wait for the image and for a place on the machine, place the inputs, launch   begin()
    running         send what goes up continuously, stop when asked, when late or when one failed  follow()
    all ended       upload what they left, then say how it ended                                  wind_up()
    settled         remove the runs                                                               settle()
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from salvia.base.arn import Scope
from salvia.model.shapes import ServiceModel
from salvia.ports.compute import Run, RunSpec
from salvia.ports.images import Image
from salvia.ports.objects import NoSuchObjectError
from salvia.ports.table import Record
from salvia.resources.instances import Share
from salvia.resources.world import World
from salvia.services.sagemaker.processing import container, data
from salvia.services.sagemaker.processing.request import admitted
from salvia.services.sagemaker.runs import ending, inside
from salvia.services.sagemaker.runs.access import Access
from salvia.services.sagemaker.runs.artifacts import ArtifactError
from salvia.services.sagemaker.runs.cluster import Host, hosts_of, whole_share
from salvia.services.sagemaker.runs.instances import Instance, InstancesJob
from salvia.services.sagemaker.runs.job import AT_ONCE
from salvia.services.sagemaker.runs.left import read_below
from salvia.services.sagemaker.runs.mirror import Mirror

SEND_EVERY = 10.0  # seconds between looks for what goes up continuously
_LONGEST_MESSAGE = 1024


class ProcessingJob(InstancesJob):
    noun = "ProcessingJob"
    log_group = container.LOG_GROUP
    end_member = "ProcessingEndTime"
    absent = ("ValidationException", "Could not find requested job with name: {name}")
    taken = "Job name must be unique within an AWS account and region, and a job with this name already exists ({arn})"

    def __init__(self, world: World, model: ServiceModel) -> None:
        super().__init__(world, model)
        self.mirrors: dict[str, list[Mirror]] = {}  # by run name; only saves work, holds no truth
        self.sent_at: dict[str, float] = {}

    # ------------------------------------------------------------- what the API asks

    async def admit(self, request: dict[str, Any], scope: Scope) -> dict[str, Any]:
        spec = admitted(request)
        access = await Access.of(self.world, spec["RoleArn"], scope.account, scope.region)
        for channel in data.inputs(spec):
            await access.check_source(channel["DataSource"]["S3DataSource"]["S3Uri"], spec["RoleArn"])
        for output in data.outputs(spec):
            await access.check_target("S3Output", output["S3Uri"], spec["RoleArn"])
        return spec

    def demand(self, record: Record) -> Share:
        return whole_share(_hosts(record))

    # ------------------------------------------------------------- what the loop does

    async def reconcile(self, job: Record) -> float | None:
        if job.state not in self.unsettled:
            await self.settle(job)
            return None
        hosts = _hosts(job)
        runs = [await self.world.compute.find(container.run_name(job, host)) for host in hosts]
        if job.wanted == "stopped" and not any(runs):
            return self.finish(job, "Stopped", message="Processing job stopped")
        images = self.resolve(job, [job.spec["AppSpecification"]["ImageUri"]])
        if not isinstance(images, list):
            return images
        (image,) = images
        if not container.command(job, image):
            return self.finish(job, "Failed", reason=container.NO_PROGRAM)
        missing = [host for host, run in zip(hosts, runs, strict=True) if run is None]
        if missing:
            return await self.begin(job, image, hosts, missing)
        begun = [run for run in runs if run is not None]
        if any(run.exit_code is None for run in begun):
            return await self.follow(job, hosts, begun)
        return await self.wind_up(job, hosts, begun)

    def stream_of(self, job: Record, host: Host) -> str:
        return container.stream_name(job, host)

    def isolated(self, job: Record) -> bool:
        return container.isolated(job)

    def run_of(self, job: Record, image: Image, instance: Instance) -> RunSpec:
        return container.run_of(self.world, job, image, instance)

    async def furnish(self, job: Record, access: Access, hosts: list[Host], host: Host) -> tuple[str, ...]:
        folder = self.world.compute.folder(container.run_name(job, host))
        container.write_configuration(job, folder, hosts, host)
        inside.copy_bundle(self.world.parts.get("ca_bundle"), folder)
        return tuple(await data.place(self.world.objects, access, job, folder, hosts, host))

    async def follow(self, job: Record, hosts: list[Host], runs: list[Run]) -> float | None:
        if any(run.waits for run in runs):
            return await self.wait_for_room(job, runs)
        started = min(run.started for run in runs)
        self.enter(job, "Processing", "Processing in progress", ProcessingStartTime=started)
        again = await self.stop_when_due(job, runs)
        await self.send(job, runs)
        return again

    async def wind_up(self, job: Record, hosts: list[Host], runs: list[Run]) -> float | None:
        started = min(run.started for run in runs)
        if job.status.get("SecondaryStatus") != "Uploading":
            self.enter(job, "Processing", "Processing in progress", ProcessingStartTime=started)
            self.enter(job, "Uploading", "Uploading the outputs")
            return AT_ONCE
        streams = [container.stream_name(job, host) for host in hosts]
        for stream in streams:
            await self.world.logs.close_file(job.account, job.region, container.LOG_GROUP, stream)
        instances = [ending.Ended(run, container.LOG_GROUP, stream) for run, stream in zip(runs, streams, strict=True)]
        how = await ending.of(self.world, job, "Processing job", self.ends_by(job, started), instances)
        folders = [self.world.compute.folder(run.name) for run in runs]
        try:
            await data.upload(self.world.objects, job, folders, failed=how.status == "Failed")
        except NoSuchObjectError as error:
            how = ending.Ending("Failed", "Failed", reason=f"ClientError: Failed to upload the output: {error}")
        except ArtifactError as error:
            how = ending.Ending("Failed", "Failed", reason=str(error))
        for run in runs:
            with suppress(OSError):
                said = read_below(self.world.compute.folder(run.name), "output/message", _LONGEST_MESSAGE)
                job.status.setdefault("ExitMessage", said.decode(errors="ignore"))
        reason = how.message if how.secondary == "MaxRuntimeExceeded" else how.reason
        return self.finish(job, how.status, how.secondary, how.message, reason)

    # ------------------------------------------------------------- the smaller steps

    def runs_of(self, job: Record) -> Iterator[str]:
        return (container.run_name(job, host) for host in _hosts(job))

    def forget(self, run: str) -> None:
        self.mirrors.pop(run, None)
        self.sent_at.pop(run, None)

    async def send(self, job: Record, runs: list[Run]) -> None:
        """Outputs with S3UploadMode Continuous go up while the job runs."""
        for run in runs:
            if run.name not in self.mirrors:
                folder = self.world.compute.folder(run.name)
                self.mirrors[run.name] = data.mirrors(self.world.objects, job, folder)
            now = self.world.clock.now()
            if self.mirrors[run.name] and now - self.sent_at.get(run.name, 0) >= SEND_EVERY:
                for mirror in self.mirrors[run.name]:
                    await mirror.send()
                self.sent_at[run.name] = now


def _hosts(job: Record) -> list[Host]:
    return hosts_of({"ResourceConfig": job.spec["ProcessingResources"]["ClusterConfig"]})
