"""Training jobs: run one container on each instance to completion and keep what it leaves in /opt/ml/model.

A job's life is a list of situations, each decided from what is observed of its runs:

    no run yet      wait for the image and for a place on the machine, place the input data, launch   begin()
    running         follow metrics and checkpoints, stop when asked, when late or when one failed       follow()
    all ended       start again when instances were lost or taken back                            begin_again()
                    else upload what they left, then say how it ended                                wind_up()
    settled         remove the runs                                                                   clear()
"""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from salvia.base.arn import Scope
from salvia.model.shapes import ServiceModel
from salvia.ports.compute import Run, RunSpec
from salvia.ports.images import Image
from salvia.ports.objects import NoSuchObjectError
from salvia.ports.table import Record
from salvia.resources.instances import Share
from salvia.resources.machine import whole
from salvia.resources.world import World
from salvia.services.sagemaker.runs import algorithms, channels, ending, inside, pipes
from salvia.services.sagemaker.runs.access import Access
from salvia.services.sagemaker.runs.artifacts import ArtifactError
from salvia.services.sagemaker.runs.cluster import Host, hosts_of, whole_share
from salvia.services.sagemaker.runs.instances import Instance, InstancesJob
from salvia.services.sagemaker.runs.job import AT_ONCE, GRACE, SOON
from salvia.services.sagemaker.runs.mirror import Mirror
from salvia.services.sagemaker.training import attempts, container
from salvia.services.sagemaker.training.artifacts import checkpoints, model_uri, upload_model, upload_output
from salvia.services.sagemaker.training.metrics import scrape
from salvia.services.sagemaker.training.request import admitted

CHECKPOINT_EVERY = 30.0


class TrainingJob(InstancesJob):
    noun = "TrainingJob"
    log_group = container.LOG_GROUP
    end_member = "TrainingEndTime"
    recorded = frozenset({"Update"})  # profiler, remote debugging and warm pools have no effect here
    absent = ("ValidationException", "Requested resource not found.")
    taken = (
        "Training job names must be unique within an AWS account and region, "
        "and a training job with this name already exists ({arn})"
    )

    def __init__(self, world: World, model: ServiceModel) -> None:
        super().__init__(world, model)
        self.checkpoints: dict[str, Mirror] = {}  # by run name; only saves work, holds no truth
        self.sent_at: dict[str, float] = {}

    # ------------------------------------------------------------- what the API asks

    async def admit(self, request: dict[str, Any], scope: Scope) -> dict[str, Any]:
        spec = admitted(request)
        name = spec["AlgorithmSpecification"].get("AlgorithmName")
        if name:  # as it is now: the algorithm may be deleted while the job goes on
            algorithm = await algorithms.usable(self.world, name, scope)
            spec = algorithms.applied(algorithm.name, algorithm.spec["TrainingSpecification"], spec)
        access = await Access.of(self.world, spec["RoleArn"], scope.account, scope.region)
        for channel in spec.get("InputDataConfig") or ():
            await access.check_source(channel["DataSource"]["S3DataSource"]["S3Uri"], spec["RoleArn"])
        output = spec["OutputDataConfig"]["S3OutputPath"]
        await access.check_target("S3OutputPath", output, spec["RoleArn"], spec["TrainingJobName"])
        return spec

    async def amend(self, record: Record, request: dict[str, Any]) -> None:
        for name, value in request.items():
            record.spec[name] = record.spec.get(name, {}) | value if isinstance(value, dict) else value

    def demand(self, record: Record) -> Share:
        return whole_share(hosts_of(record.spec))

    def view(self, record: Record) -> dict[str, Any]:
        shown = super().view(record)
        shown["ModelArtifacts"] = {"S3ModelArtifacts": model_uri(record)}
        shown["SecondaryStatus"] = record.status.get("SecondaryStatus", "Starting")
        if ":hyper-parameter-tuning-job/" in record.owner:
            shown["TuningJobArn"] = record.owner
        if shown["TrainingJobStatus"] == "Stopping":
            shown["SecondaryStatus"] = "Stopping"
        return shown

    # ------------------------------------------------------------- what the loop does

    async def reconcile(self, job: Record) -> float | None:
        if job.state not in self.unsettled:
            await self.settle(job)
            return None
        hosts = hosts_of(job.spec)
        runs = [await self.world.compute.find(container.run_name(job, host)) for host in hosts]
        if job.wanted == "stopped" and not any(runs):
            return self.finish(job, "Stopped", message="Training job stopped")
        if self.world.clock.now() >= attempts.waits_until(job) and not any(runs):
            return self.finish(job, "Stopped", attempts.WAITED_TOO_LONG.secondary, attempts.WAITED_TOO_LONG.message)
        images = self.resolve(job, [container.image_of(job.spec)])
        if not isinstance(images, list):
            return images
        image = container.fitting(job, images[0])
        if not container.can_train(job, image):
            return self.finish(job, "Failed", reason=container.NO_PROGRAM)
        missing = [host for host, run in zip(hosts, runs, strict=True) if run is None]
        if missing and len(hosts) > 1 and container.SECRET not in job.status:
            job.status[container.SECRET] = secrets.token_hex(32)
            return AT_ONCE  # saved before the first instance starts: all have the same
        if missing:
            return await self.begin(job, image, hosts, missing)
        begun = [run for run in runs if run is not None]
        if any(run.exit_code is None for run in begun):
            return await self.follow(job, image, hosts, begun)
        why = attempts.why_another(job, begun, self.ends_by(job, attempts.span(begun)[0]))
        if why:
            return await self.begin_again(job, hosts, begun, why)
        return await self.wind_up(job, image, hosts, begun)

    def stream_of(self, job: Record, host: Host) -> str:
        return container.stream_name(job, host)

    def isolated(self, job: Record) -> bool:
        return job.spec["EnableNetworkIsolation"] is True

    def run_of(self, job: Record, image: Image, instance: Instance) -> RunSpec:
        return container.run_of(self.world, job, image, instance)

    async def furnish(self, job: Record, access: Access, hosts: list[Host], host: Host) -> tuple[str, ...]:
        folder = self.world.compute.folder(container.run_name(job, host))
        container.write_configuration(job, folder, hosts, host)
        inside.copy_bundle(self.world.parts.get("ca_bundle"), folder)
        linked = []
        for channel in job.spec.get("InputDataConfig") or ():
            path = f"input/data/{channel['ChannelName']}"
            if not await self.place_channel(job, access, channel, hosts, host, folder / path):
                linked.append(path)
        if job.spec.get("CheckpointConfig"):
            await access.check_checkpoints(job.spec["CheckpointConfig"]["S3Uri"])
            await self.checkpoints_of(job, host).restore()
        return tuple(linked)

    async def place_channel(
        self, job: Record, access: Access, channel: dict[str, Any], hosts: list[Host], host: Host, folder: Path
    ) -> bool:
        """One channel, as its mode has it. False when `folder` must stay as it is. Raises ChannelError."""
        objects = self.world.objects
        mode = channels.mode_of(channel, job.spec["AlgorithmSpecification"]["TrainingInputMode"])
        if mode == "Pipe":
            feed = await pipes.feed_of(objects, channel, hosts, host)
            await access.check_input(channel, feed.items)
            await pipes.lay(objects, feed, self.world.compute.folder(container.run_name(job, host)))
            return True
        items = await channels.items_of(objects, channel, hosts, host)
        await access.check_input(channel, items)
        copied = channels.COPIED if mode == "File" else -1  # FastFile is a view, however small
        return await channels.place(objects, channel, items, folder, copied=copied)

    def ends_by(self, job: Record, started: float) -> float:
        """MaxRuntimeInSeconds is for all attempts together, MaxWaitTimeInSeconds for the waiting too."""
        return min(super().ends_by(job, started) - attempts.spent(job), attempts.waits_until(job))

    async def follow(self, job: Record, image: Image, hosts: list[Host], runs: list[Run]) -> float | None:
        if any(run.waits for run in runs):
            return await self.wait_for_room(job, runs)
        started = min(run.started for run in runs)
        again = await self.stop_when_due(job, runs)
        if job.status.get("SecondaryStatus") == "Interrupted":
            for run in runs:
                await self.world.compute.stop(run.name, GRACE)
        else:
            self.enter(job, "Training", self.training_message(image, hosts), **attempts.began(job, started))
            left = attempts.taken_back(job, self.world.settings, started) - self.world.clock.now()
            if left <= 0 and job.wanted == "running" and not any(run.exit_code for run in runs):
                self.enter(job, "Interrupted", attempts.INTERRUPTED)
                return AT_ONCE  # saved before it happens: how the runs end does not tell why
            again = min(again, max(left, SOON))
        job.status["FinalMetricDataList"] = await scrape(self.world, job, image, hosts)
        await self.send_checkpoints(job, hosts, every=CHECKPOINT_EVERY)
        return again

    async def begin_again(self, job: Record, hosts: list[Host], runs: list[Run], why: str) -> float:
        await self.send_checkpoints(job, hosts, every=0)
        attempts.count(job, runs, why)
        self.enter(job, "Starting", why, **attempts.times(job, self.world.settings, attempts.spent(job)))
        return AT_ONCE

    async def wind_up(self, job: Record, image: Image, hosts: list[Host], runs: list[Run]) -> float | None:
        started, ended = attempts.span(runs)
        if job.status.get("SecondaryStatus") != "Uploading":
            self.enter(job, "Training", self.training_message(image, hosts), **attempts.began(job, started))
            self.enter(job, "Uploading", "Uploading generated training model")
            return AT_ONCE
        folders = [self.world.compute.folder(run.name) for run in runs]
        for host in hosts:
            await self.world.logs.close_file(
                job.account, job.region, container.LOG_GROUP, container.stream_name(job, host)
            )
        job.status["FinalMetricDataList"] = await scrape(self.world, job, image, hosts)
        await self.send_checkpoints(job, hosts, every=0)
        due = self.ends_by(job, started)
        instances = [
            ending.Ended(run, container.LOG_GROUP, container.stream_name(job, host))
            for run, host in zip(runs, hosts, strict=True)
        ]
        how = await ending.of(self.world, job, "Training job", due, instances)
        if how.secondary == "MaxRuntimeExceeded" and due == attempts.waits_until(job):
            how = attempts.WAITED_TOO_LONG
        try:
            if how.status != "Failed":
                await upload_model(self.world.objects, job, folders)
            await upload_output(self.world.objects, job, folders)
        except NoSuchObjectError as error:
            how = ending.Ending("Failed", "Failed", reason=f"ClientError: Failed to upload the output: {error}")
        except ArtifactError as error:
            how = ending.Ending("Failed", "Failed", reason=str(error))
        job.status |= attempts.times(job, self.world.settings, attempts.spent(job) + ended - started)
        return self.finish(job, how.status, how.secondary, how.message, how.reason)

    def runs_of(self, job: Record) -> Iterator[str]:
        for attempt in range(job.status.get("_attempt", 0) + 1):
            yield from (container.run_name(job, host, attempt) for host in hosts_of(job.spec))

    def forget(self, run: str) -> None:
        self.checkpoints.pop(run, None)
        self.sent_at.pop(run, None)

    # ------------------------------------------------------------- the smaller steps

    def training_message(self, image: Image, hosts: list[Host]) -> str:
        """AWS's own words, and what runs otherwise than was asked."""
        asked, machine = whole_share(hosts), whole(self.world)
        message = "Training image download completed. Training in progress."
        if asked.cpus > machine.cpus or asked.memory > machine.memory:
            message = (
                f"Training in progress on what this machine has: {machine.cpus:g} vCPUs and {machine.memory >> 30} GiB "
                f"of the {asked.cpus:g} and {asked.memory >> 30} that the request names."
            )
        return f"{message} ({image.note})" if image.note else message

    def checkpoints_of(self, job: Record, host: Host) -> Mirror:
        name = container.run_name(job, host)
        if name not in self.checkpoints:
            self.checkpoints[name] = checkpoints(self.world.objects, job, self.world.compute.folder(name))
        return self.checkpoints[name]

    async def send_checkpoints(self, job: Record, hosts: list[Host], every: float) -> None:
        for host in hosts if job.spec.get("CheckpointConfig") else ():
            name = container.run_name(job, host)
            now = self.world.clock.now()
            if now - self.sent_at.get(name, 0) >= every:
                await self.checkpoints_of(job, host).send()
                self.sent_at[name] = now
