"""SIGTERM, which a stopped job gets before it is killed."""

import os
import signal
import threading
from collections.abc import Callable


class Termination:
    """Hears SIGTERM even while the main thread is inside native code.

    Until `keep_running` is called, the signal ends the process at once with exit code 143; afterwards it only sets
    `requested`, and the job ends by itself.
    """

    def __init__(self) -> None:
        self.requested = threading.Event()
        self._keep_running = False

    def listen(self, end: Callable[[int], None] = os._exit) -> None:
        """Call once, from the main thread.

        Python runs its signal handlers between bytecodes, so one long native call would hold the answer back. The
        wake-up descriptor is written from the signal itself; a thread waits on it. Having a handler at all matters to
        pid 1 of a namespace, which the kernel otherwise spares from SIGTERM.
        """
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda *_: None)
        threading.Thread(target=self._wait, args=(reader, end), name="termination", daemon=True).start()

    def keep_running(self) -> None:
        self._keep_running = True

    def _wait(self, reader: int, end: Callable[[int], None]) -> None:
        while signal.SIGTERM not in os.read(reader, 64):
            pass
        self.requested.set()
        if not self._keep_running:
            end(128 + signal.SIGTERM)
