"""What AWS's launchers start as `/usr/sbin/sshd -D`: runs commands for the other instances of the job, with the variables that it has itself.

(OpenSSH's would have them read those variables from /etc/environment, where the launchers write them.)
"""

import asyncio
import sys
from asyncio.subprocess import PIPE

import asyncssh

from salvia_container.ssh.secret import Cluster, cluster


async def listen(known: Cluster) -> asyncssh.SSHAcceptor:
    """Raises OSError when none of the ports is free."""
    taken = OSError("there is no port")
    for port in known.ports(known.current):
        try:
            return await asyncssh.listen(
                known.current,
                port,
                server_host_keys=[asyncssh.import_private_key(known.key(known.current).private)],
                authorized_client_keys=asyncssh.import_authorized_keys(known.key().public.decode()),
                process_factory=_run,
                encoding=None,
            )
        except OSError as error:
            taken = error
    raise taken


async def _run(session: asyncssh.SSHServerProcess[bytes]) -> None:
    if session.command is None:
        session.stderr.write(b"This server runs commands, it has no shell to offer.\n")
        session.exit(1)
        return
    started = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", session.command, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    await session.redirect(stdin=started.stdin, stdout=started.stdout, stderr=started.stderr, send_eof=False)
    await session.stdout.drain()
    await session.stderr.drain()
    code = await started.wait()
    session.exit(code if code >= 0 else 128 - code)
    await session.wait_closed()


async def _serve() -> None:
    known = cluster()
    if known is not None:
        await (await listen(known)).wait_closed()


if __name__ == "__main__":
    try:
        asyncio.run(_serve())
    except OSError as error:
        sys.exit(f"sshd: the other instances cannot reach this one: {error}")
