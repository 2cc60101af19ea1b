"""Transform jobs: the model's containers on each instance, and the data of a prefix sent through them, object by object.

A job's life is a list of situations, each decided from what is observed of its runs and of the outputs in S3:

    no run yet      wait for the images and for a place on the machine, place the model, launch          begin()
    running         wait until the containers are well, send, and see how it went                        follow()
    all sent        stop the containers, then say how it ended                                           wind_up()
    settled         remove the runs                                                                      settle()
"""

import asyncio
import os
from collections.abc import Iterator
from typing import Any

from salvia.base.arn import Scope
from salvia.base.errors import ValidationError
from salvia.model.shapes import ServiceModel
from salvia.ports.compute import CannotLaunchError, Run
from salvia.ports.images import Image
from salvia.ports.table import Record
from salvia.resources.instances import Share
from salvia.resources.world import World
from salvia.services.sagemaker.runs import channels, ending, inference
from salvia.services.sagemaker.runs.access import Access
from salvia.services.sagemaker.runs.cluster import Host, part_of, whole_share
from salvia.services.sagemaker.runs.job import AT_ONCE, FOLLOW, GRACE, Job
from salvia.services.sagemaker.runs.model import ModelDataError
from salvia.services.sagemaker.runs.places import ChannelError, Item
from salvia.services.sagemaker.transform import capture, container, sending
from salvia.services.sagemaker.transform.request import admitted

STARTUP_SECONDS = 600.0  # until every container must be well
CREDENTIAL_SECONDS = 28 * 86_400.0
_SOONEST, _LATEST = 0.02, 0.5  # seconds between looks at containers that start

Instance = tuple[Host, list[Run]]


class TransformJob(Job):
    noun = "TransformJob"
    end_member = "TransformEndTime"
    absent = ("ValidationException", "Could not find requested job with name: {name}")
    taken = "Job name must be unique within an AWS account and region, and a job with this name already exists ({arn})"

    def __init__(self, world: World, model: ServiceModel) -> None:
        super().__init__(world, model)
        self.sendings: dict[str, asyncio.Task[None]] = {}  # of this server, by the name of an instance's first run

    # ------------------------------------------------------------- what the API asks

    async def admit(self, request: dict[str, Any], scope: Scope) -> dict[str, Any]:
        spec = admitted(request)
        model = await self._model(spec["ModelName"], scope)
        containers = inference.containers_of(model.spec)
        if any(one.get("Mode") == "MultiModel" for one in containers):
            raise ValidationError(
                f"Model {model.name} is a multi-model container: it cannot be used for a transform job."
            )
        if (model.spec.get("InferenceExecutionConfig") or {}).get("Mode") == "Direct":
            raise ValidationError(
                f"The containers of model {model.name} are invoked directly: a transform job needs Serial."
            )
        role = model.spec["ExecutionRoleArn"]
        access = await Access.of(self.world, role, scope.account, scope.region)
        await access.check_source(spec["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"], role)
        await access.check_target("S3OutputPath", spec["TransformOutput"]["S3OutputPath"], role)
        if spec.get("DataCaptureConfig"):
            await access.check_target("DestinationS3Uri", spec["DataCaptureConfig"]["DestinationS3Uri"], role)
        # As it is now: the model may be deleted while the job goes on.
        isolated = model.spec["EnableNetworkIsolation"]
        return spec | {"_model": {"containers": containers, "role": role, "isolated": isolated}}

    async def _model(self, name: str, scope: Scope) -> Record:
        kind = self.world.kinds["Model"]
        key = kind.identity.key({"ModelName": name})
        found = await self.world.table.get("Model", scope.account, scope.region, key)
        if found is None:
            raise ValidationError(kind.absent[1].format(noun="Model", name=name, arn=kind.identity.arn(scope, key)))
        return found

    def demand(self, record: Record) -> Share:
        return whole_share(container.hosts(record))

    # ------------------------------------------------------------- what the loop does

    async def reconcile(self, job: Record) -> float | None:
        if job.state not in self.unsettled:
            await self.settle(job)
            return None
        hosts = container.hosts(job)
        runs = [[await self.world.compute.find(name) for name in container.run_names(job, host)] for host in hosts]
        begun = [run for each in runs for run in each if run is not None]
        if job.wanted == "stopped" and not begun:
            return self.finish(job, "Stopped", message="Transform job stopped")
        images = self.resolve(job, [one["Image"] for one in container.containers(job)])
        if not isinstance(images, list):
            return images
        missing = [host for host, each in zip(hosts, runs, strict=True) if any(run is None for run in each)]
        if missing and job.wanted != "stopped":
            return await self.begin(job, images, hosts, missing)
        instances = [(host, [run for run in each if run is not None]) for host, each in zip(hosts, runs, strict=True)]
        how = await self.result(job, instances)
        return await (self.follow(job, instances) if how is None else self.wind_up(job, begun, how))

    async def begin(self, job: Record, images: list[Image], hosts: list[Host], missing: list[Host]) -> float | None:
        share = await self.turn(job, images)
        if not isinstance(share, Share):
            return share
        try:
            access = await Access.of(self.world, job.spec["_model"]["role"], job.account, job.region)
            linked = {host: await self.furnish(job, access, host) for host in missing}
            if await self.overtaken(job):
                return AT_ONCE
            for host, paths in linked.items():
                await self.launch(job, images, host, paths, part_of(share, host, len(hosts)), access)
        except ModelDataError as error:
            return self.finish(job, "Failed", reason=f"ClientError: {error}")
        except ValidationError as error:  # the role was changed or deleted since the job was created
            return self.finish(job, "Failed", reason=f"ClientError: {error}")
        except CannotLaunchError as error:
            return self.finish(job, "Failed", reason=f"InternalServerError: {error}")
        return AT_ONCE

    async def furnish(self, job: Record, access: Access, host: Host) -> list[tuple[str, ...]]:
        """The model of each container of an instance. Raises ModelDataError."""
        names = zip(container.containers(job), container.run_names(job, host), container.labels(job), strict=True)
        return [await inference.furnish(self.world, job, one, access, name, label) for one, name, label in names]

    async def launch(
        self,
        job: Record,
        images: list[Image],
        host: Host,
        linked: list[tuple[str, ...]],
        share: Share,
        access: Access,
    ) -> None:
        """The containers of an instance share its part of the machine."""
        isolated = job.spec["_model"]["isolated"]
        credential = None if isolated else await self.world.credentials.issue(access.role, CREDENTIAL_SECONDS)
        for number, (name, label) in enumerate(zip(container.run_names(job, host), container.labels(job), strict=True)):
            log = await self.world.logs.open_file(
                job.account, job.region, container.LOG_GROUP, container.stream_name(job, host, label)
            )
            serving = inference.Serving(
                record=job,
                container=container.containers(job)[number],
                image=images[number],
                name=name,
                label=label,
                log=log,
                share=share,
                credential=credential,
                isolated=isolated,
                variables=container.variables(job.spec),
            )
            self.watch(job, name)
            await self.world.compute.launch(inference.run_of(self.world, serving, linked[number]))

    async def result(self, job: Record, instances: list[Instance]) -> ending.Ending | None:
        """How the job ended, or None while it goes on."""
        if job.wanted == "stopped":
            return ending.Ending("Stopped", "Stopped", "Transform job stopped")
        outcomes = [sending.outcome(sending.folder_of(self.world, runs[0].name)) for _, runs in instances]
        for (host, runs), outcome in zip(instances, outcomes, strict=True):
            for run, label in zip(runs, container.labels(job), strict=True):
                if outcome is None and run.exit_code is not None:
                    stream = container.stream_name(job, host, label)
                    why = await ending.reason(self.world, job, ending.Ended(run, container.LOG_GROUP, stream))
                    return ending.Ending("Failed", "Failed", "Transform job failed", why)
        if any(outcome is None for outcome in outcomes):
            return None
        failures = [failure for outcome in outcomes for failure in outcome or ()]
        if not failures:
            return ending.Ending("Completed", "Completed", "Transform job completed")
        why = f"AlgorithmError: See job logs for more information. {failures[0]}"
        return ending.Ending("Failed", "Failed", "Transform job failed", why)

    async def follow(self, job: Record, instances: list[Instance]) -> float | None:
        started = min(run.started for _, runs in instances for run in runs)
        self.enter(job, "Transforming", "Transform in progress", TransformStartTime=started)
        age, again = self.world.clock.now() - started, FOLLOW
        for host, runs in instances:
            for run in runs:
                self.watch(job, run.name)
            if sending.outcome(sending.folder_of(self.world, runs[0].name)) is not None or self.is_sending(runs[0]):
                continue
            if all(await asyncio.gather(*(self.world.serving.ping(run.name) for run in runs))):
                await self.send(job, host, runs)
            elif age > STARTUP_SECONDS:
                reason = "ClientError: The primary container for the transform job did not pass the ping health check."
                sending.write_outcome(sending.folder_of(self.world, runs[0].name), [reason])
                return AT_ONCE
            else:
                again = min(again, _LATEST, max(age / 20, _SOONEST))
        return again

    async def wind_up(self, job: Record, runs: list[Run], how: ending.Ending) -> float | None:
        for host in container.hosts(job):
            task = self.sendings.get(container.run_names(job, host)[0])
            if task is not None:
                task.cancel()
        living = [run for run in runs if run.exit_code is None]
        for run in living:
            await self.world.compute.stop(run.name, GRACE / 12)
        if living:
            return FOLLOW
        for stream in container.streams(job):
            await self.world.logs.close_file(job.account, job.region, container.LOG_GROUP, stream)
        return self.finish(job, how.status, how.secondary, how.message, how.reason)

    # ------------------------------------------------------------- the smaller steps

    def runs_of(self, job: Record) -> Iterator[str]:
        return (name for host in container.hosts(job) for name in container.run_names(job, host))

    def forget(self, run: str) -> None:
        self.world.serving.forget(run)
        task = self.sendings.pop(run, None)
        if task is not None:
            task.cancel()

    def is_sending(self, first: Run) -> bool:
        """Whether this server sends the instance's data. What went wrong unexpectedly is raised, and tried again."""
        task = self.sendings.get(first.name)
        if task is None:
            return False
        if task.done():
            del self.sendings[first.name]
            if not task.cancelled():
                task.result()
            return False
        return True

    async def send(self, job: Record, host: Host, runs: list[Run]) -> None:
        """Begin to send, unless another server does."""
        held = sending.lock(sending.folder_of(self.world, runs[0].name))
        if held is None:
            return
        task = asyncio.create_task(self._send(job, host, tuple(run.name for run in runs), held))
        self.sendings[runs[0].name] = task
        task.add_done_callback(lambda _: self.look(runs[0].name))

    async def _send(self, job: Record, host: Host, runs: tuple[str, ...], held: int) -> None:
        try:
            log = await self.world.logs.open_file(
                job.account, job.region, container.LOG_GROUP, container.data_log(job, host)
            )
            try:
                items = await self._items(job, host)
            except (ChannelError, ValidationError) as error:
                failures = [str(error)]
            else:
                failures = await sending.Sending(self.world, job, runs, items, log).send()
                if not failures:
                    await capture.keep(self.world, job, runs[0], items)
            sending.write_outcome(sending.folder_of(self.world, runs[0]), failures)
        finally:
            os.close(held)

    async def _items(self, job: Record, host: Host) -> list[Item]:
        """The instance's objects: they are divided by key. Raises ChannelError, and ValidationError for a role that is gone."""
        source = job.spec["TransformInput"]["DataSource"]["S3DataSource"] | {"S3DataDistributionType": "ShardedByS3Key"}
        channel = {"DataSource": {"S3DataSource": source}}
        access = await Access.of(self.world, job.spec["_model"]["role"], job.account, job.region)
        items = await channels.items_of(self.world.objects, channel, container.hosts(job), host)
        await access.check_input(channel, items)
        return items
