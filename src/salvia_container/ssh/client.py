"""`ssh HOST COMMAND` between the instances of the job; for any other host it is the system's own."""

import asyncio
import getopt
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import asyncssh

from salvia_container.ssh.secret import Cluster, cluster

_OPTIONS = "1246AaCfGgKkMNnqsTtVvXxYyB:b:c:D:E:e:F:I:i:J:L:l:m:O:o:p:Q:R:S:W:w:"  # of OpenSSH; none of them changes anything here
_SYSTEM = "/usr/bin/ssh"
_FAILED = 255
_NOT_OURS = (asyncssh.HostKeyNotVerifiable, asyncssh.ProtocolError, asyncssh.ConnectionLost)  # somebody else's port


def main(arguments: Sequence[str]) -> int:
    """The exit code of the command; 255 when it could not be asked for."""
    options, rest = getopt.getopt(list(arguments), _OPTIONS)
    host = rest[0].rpartition("@")[2] if rest else ""
    known = cluster()
    if known is None or host not in known.hosts:
        _use_system(arguments)
    silent = ("-n", "") in options or os.path.samestat(os.fstat(0), os.stat(os.devnull))
    try:
        return asyncio.run(run(known, host, " ".join(rest[1:]), asyncssh.DEVNULL if silent else sys.stdin))
    except (OSError, asyncssh.Error) as error:
        sys.stderr.write(f"ssh: {host}: {error}\n")
        return _FAILED


async def run(known: Cluster, host: str, command: str, stdin: object) -> int:
    """Has an instance run a command, with this process's standard output and error. Raises OSError, asyncssh.Error."""
    connection = await _connect(known, host)
    async with connection:
        # Duplicates, for they are closed in the end.
        process = await connection.create_process(
            command, stdin=stdin, stdout=os.dup(1), stderr=os.dup(2), encoding=None
        )
        status = (await process.wait()).exit_status
    return _FAILED if status is None else status


async def _connect(known: Cluster, host: str) -> asyncssh.SSHClientConnection:
    failed: Exception = OSError("there is no port")
    for port in known.ports(host):
        try:
            return await asyncssh.connect(
                host,
                port,
                config=None,
                agent_path=None,
                username="sagemaker",
                client_keys=[asyncssh.import_private_key(known.key().private)],
                known_hosts=([asyncssh.import_public_key(known.key(host).public)], [], []),
            )
        except (OSError, *_NOT_OURS) as error:
            failed = error
    raise failed


def _use_system(arguments: Sequence[str]) -> NoReturn:
    try:
        os.execv(_SYSTEM, [_SYSTEM, *arguments])  # noqa: S606 - to become it is the point
    except FileNotFoundError:
        sys.exit(f"ssh: this is no instance of the job, and for others there is no {_SYSTEM}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
