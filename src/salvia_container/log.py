"""Lines of a job's log in the form AWS's framework containers print: `[2024-05-01:10:00:00:INFO] message`."""

import time


def info(message: str) -> None:
    _line("INFO", message)


def warning(message: str) -> None:
    _line("WARNING", message)


def error(message: str) -> None:
    _line("ERROR", message)


def _line(level: str, message: str) -> None:
    # Each line leaves at once: users follow the log live, and a killed process must not take lines with it.
    print(f"[{time.strftime('%Y-%m-%d:%H:%M:%S', time.gmtime())}:{level}] {message}", flush=True)
