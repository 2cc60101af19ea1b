"""A server as far as runs are concerned, to be killed or to be somebody else: `python small_server.py DATA hold|race|finish`."""

# ruff: noqa: T201 - it speaks through a pipe
import asyncio
import json
import sys
from pathlib import Path

from salvia.adapters.compute.process import Process
from salvia.adapters.images.environment import Environment
from salvia.ports.compute import RunSpec

SCRIPT = "echo started; read -t 0.05 <> <(:); exit 0"


async def main(data: Path, act: str) -> None:
    compute = Process(data, {"python": Environment("python")}.__getitem__)
    if act == "race":  # with the template up, so that the kill meets the launch and not the start of a template
        await compute.launch(RunSpec("earlier", "python", ("true",), data / "earlier"))
        print("launching", flush=True)
    run = await compute.launch(RunSpec("run", "python", ("/bin/bash", "-c", SCRIPT), data / "log"))
    if act == "hold":
        print(*[template._process.pid for template in compute._templates.values() if template._process], flush=True)
    while act != "finish" or run.exit_code is None:
        await asyncio.sleep(0.01)
        run = await compute.find("run") or run
    print(json.dumps([run.exit_code, (data / "log").read_text()]))
    compute.close()


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
