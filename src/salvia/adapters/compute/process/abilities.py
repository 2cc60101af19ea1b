"""What this machine lets the process engine do, and what to change where it does not: for people, and for FailureReasons."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from salvia.adapters.compute.process import groups
from salvia.adapters.compute.process.template import boot_code, code_folder, interpreter

_APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
_MAX_NAMESPACES = Path("/proc/sys/user/max_user_namespaces")


@dataclass(frozen=True, slots=True)
class Abilities:
    """Each is "" where it works, else the kernel's reason. `privileged`: no user namespace is needed for it."""

    privileged: bool
    user_namespaces: str
    mounts: str
    processes: str
    network: str
    memory_groups: str

    @property
    def sandbox(self) -> bool:
        """Whether runs can be started at all."""
        return not (self.mounts or self.processes)

    def advice(self) -> str:
        """What a person can do about the sandbox; "" when it works."""
        if self.sandbox:
            return ""
        reason = self.mounts or self.processes
        return f"this machine does not let Salvia make sandboxes for jobs ({reason}). {_remedy()}"


def probe(data: Path) -> Abilities:
    """Tries everything; takes some 0.1 s."""
    code = boot_code(code_folder(), "probe")
    done = subprocess.run([interpreter(), "-I", "-S", "-c", code], capture_output=True, check=True, text=True)
    memory = "" if groups.memory_parent(data) else "no control group may be made; memory is watched instead"
    return Abilities(**json.loads(done.stdout), memory_groups=memory)


def _remedy() -> str:
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        return (
            "It runs in a container whose profile forbids namespaces: start the container with "
            "--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined, "
            "and with --cap-add SYS_ADMIN when it runs as root."
        )
    if _is(_APPARMOR, "1"):
        return "AppArmor forbids user namespaces: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
    if _is(_MAX_NAMESPACES, "0"):
        return "User namespaces are switched off: sudo sysctl user.max_user_namespaces=15000"
    return f"Allow user namespaces to user {os.getuid()}, or run the server as root."


def _is(file: Path, value: str) -> bool:
    return file.exists() and file.read_text().strip() == value
