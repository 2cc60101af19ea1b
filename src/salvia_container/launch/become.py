"""Turns a forked template into the user's program, as the interpreter would have started and ended it."""

import atexit
import builtins
import contextlib
import gc
import io
import os
import runpy
import signal
import sys
import threading
import types
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from typing import NoReturn

from salvia_container.launch import packages, partial, sandbox, threads
from salvia_container.launch.requests import Request


def become(request: Request) -> NoReturn:
    """From here on this process is the user's."""
    os.environ.clear()
    os.environ.update(request.variables)
    os.chdir(sandbox.ML)
    if not (request.module or request.script):
        execute(request.arguments)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    threads.limit(request.threads)
    threads.reseed()
    packages.use()
    template = set(sys.modules)
    if request.script:
        leave(run_script(request.script, request.arguments), template)
    sys.argv = [request.module, *request.arguments]
    sys.path.insert(0, os.getcwd())
    leave(_run(lambda: runpy.run_module(request.module, run_name="__main__", alter_sys=True)), template)


def execute(arguments: list[str]) -> NoReturn:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them; what is executed now would inherit that
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        os.execvp(arguments[0], arguments)  # noqa: S606 - to become it is the point
    except OSError as error:
        os.write(2, f"{arguments[0]}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def run_script(path: str, arguments: list[str]) -> int:
    """The exit code of `python path arguments`, and everything that the script could look at as it would be then."""
    partial.forget()
    whole = os.path.abspath(path)
    main = types.ModuleType("__main__")
    main.__dict__.update(
        __file__=whole, __cached__=None, __loader__=SourceFileLoader("__main__", whole), __builtins__=builtins
    )
    sys.modules["__main__"] = main
    sys.argv = [path, *arguments]
    sys.path.insert(0, os.path.dirname(os.path.realpath(whole)))
    try:
        with io.open_code(whole) as file:
            source = file.read()
    except OSError as error:
        what = f"can't open file {whole!r}: [Errno {error.errno}] {error.strerror}"
        print(f"{sys.executable}: {what}", file=sys.stderr)
        return 2
    return _run(lambda: exec(compile(source, whole, "exec"), main.__dict__))  # noqa: S102 - it is the user's program


def _run(program: Callable[[], object]) -> int:
    """The exit code of the interpreter that runs `program`."""
    try:
        program()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException as error:  # noqa: BLE001 - as the interpreter does it, without our own frame
        error.with_traceback(_without_ours(error.__traceback__))
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


def _without_ours(trace: types.TracebackType | None) -> types.TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


def leave(code: int, template: set[str]) -> NoReturn:
    """Ends as the interpreter would, but takes apart only what the run has loaded: the template's modules cost 60 ms."""
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - waits for threads that are no daemons
    atexit._run_exitfuncs()  # noqa: SLF001
    for name in sys.modules.keys() - template:
        with contextlib.suppress(AttributeError, KeyError):
            sys.modules.pop(name).__dict__.clear()
    gc.collect()  # files that nobody closed are flushed by this
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code & 0xFF)
