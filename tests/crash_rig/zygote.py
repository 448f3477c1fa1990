"""A process that has imported the functions and forks one that runs them, for each invocation.

Starting Python and importing boto3 takes a second, forking takes milliseconds, and a process that
was forked dies as truly as any other. Run as `python -m tests.crash_rig.zygote SOCKET FUNCTIONS
LATE_MODULES`; it ends when its standard input does.

Clients are made before the fork and used only after it, so no two processes share a connection.
"""

import gc
import importlib
import json
import logging
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from aws_durable_execution_sdk_python import state
from aws_durable_execution_sdk_python_testing.invoker import create_test_lambda_context

from functions.shared import names, question_table
from local.inside_ministack import wake_at_stop
from tests.crash_rig.passages import Death, Hooks, Passages

Handler = Callable[[Any, Any], Any]


class PlayedTime:
    """The time of day of a job for which days pass in a moment."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        self._real_now = question_table.now

    def install(self) -> None:
        """Be the time that is imported from now on."""
        vars(question_table)["now"] = self.now

    def now(self) -> datetime:
        return self._real_now() + self.ahead


def main(address: str, functions: Mapping[str, str], late: Sequence[str]) -> None:
    hooks = Hooks()
    time = PlayedTime()
    time.install()
    # Before any client is made: clients take over what their session listens to.
    session = boto3.Session()
    hooks.install(session.events)
    boto3.DEFAULT_SESSION = session
    handlers = {name: _import(target) for name, target in functions.items()}
    for module in late:
        importlib.import_module(module)
    # Looks through all of botocore's folders, once in a process; better here than in each child.
    session.client("dynamodb").can_paginate("query")
    # Nobody waits for the children; the kernel clears them away.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
        listener.bind(address)
        listener.listen(64)
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if sys.stdin in ready:
                return
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    _serve(connection, handlers, hooks, time)


def _import(target: str) -> Handler:
    module, _, attribute = target.rpartition(".")
    handler: Handler = getattr(importlib.import_module(module), attribute)
    return handler


def _serve(
    connection: socket.socket,
    handlers: Mapping[str, Handler],
    hooks: Hooks,
    time: PlayedTime,
) -> None:
    """Answer one invocation as Lambda's runtime does, and leave this process."""
    with connection.makefile("rb") as incoming:
        request = json.loads(incoming.read())
    function: str = request["function"]
    _become(function)
    time.ahead = timedelta(seconds=request["ahead_seconds"])
    death = request["death"]
    hooks.arm(Passages(Path(request["passages"])), death and Death.from_json(death))
    context = create_test_lambda_context(region="eu-west-1", function_name=function)
    try:
        answer = {"payload": handlers[function](request["event"], context)}
    except Exception as error:  # noqa: BLE001  # whatever it is, the runtime reports it
        traceback.print_exc()
        answer = {"error": {"errorType": type(error).__name__, "errorMessage": str(error)}}
    connection.sendall(json.dumps(answer).encode())
    # Whoever waits for the answer waits for the end of this process. What the zygote has open or
    # registered for its own exit is not this process's to close.
    os._exit(0)


def _become(function: str) -> None:
    """Set the one variable that functions have in common and do not agree on."""
    from functions.shared import durable_job  # noqa: PLC0415  # makes clients, so after the hooks

    environ = {**os.environ, names.JOB_TYPE: function}
    durable_job.settings = durable_job.Settings.from_environ(environ)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    wake_at_stop.patch(state)
    main(sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3]))
