"""What a program says on its standard error: passed on as it comes, and the line of it that tells why the program ended."""

import contextlib
import os
import re
import threading

_TAIL = 16384  # bytes that are looked at for the cause
_LONGEST = 600  # characters of a cause
_STRAGGLERS = 1.0  # seconds for what a process left behind to let go of its standard error
_ERROR = re.compile(
    r"^(?:\[[^\]]*\]:?)?\s*(?:[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Warning)\b.*|ERROR: .*)$"
)
_TAG = re.compile(
    r"\[\d+,\d+\]<std(?:err|out)>:"
)  # which process said it, as mpirun writes it before all that it reads at once


class Said:
    """Reads the pipe that is a program's standard error, from the moment it is made."""

    def __init__(self, reader: int) -> None:
        self._kept = b""
        self._thread = threading.Thread(target=self._pass_on, args=(reader,), daemon=True)
        self._thread.start()

    def text(self) -> str:
        """The end of it. Call it when the program has ended."""
        self._thread.join(_STRAGGLERS)
        return self._kept.decode(errors="replace")

    def _pass_on(self, reader: int) -> None:
        while data := os.read(reader, 65536):
            with contextlib.suppress(OSError):  # a full disk must not keep the program from ending
                os.write(2, data)
            self._kept = (self._kept + data)[-_TAIL:]
        os.close(reader)


def cause(said: str) -> str:
    """The line that says why a program ended: of several errors the last, which ended it; "" when it said nothing."""
    lines = [line.strip() for line in _TAG.sub("", said).replace("\r", "\n").splitlines() if line.strip(" -")]
    named = [line for line in lines if _ERROR.match(line)]
    return (named or lines or [""])[-1][:_LONGEST]
