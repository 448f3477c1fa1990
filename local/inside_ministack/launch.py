"""Start MiniStack without the parts that the platform does itself.

Runs in MiniStack's own virtual environment, on the standard library and MiniStack alone.
"""

import importlib
from functools import partialmethod
from typing import Any

import http_api  # type: ignore[import-not-found]  # on PYTHONPATH only inside MiniStack
import mail_events  # type: ignore[import-not-found]  # likewise
import sns_to_lambda  # type: ignore[import-not-found]  # likewise
import watch  # type: ignore[import-not-found]  # likewise


def main() -> None:
    """Serve until told to stop."""
    watch.end_with_the_platform()
    lambda_service: Any = importlib.import_module("ministack.services.lambda_svc")
    # MiniStack's event source mappings lose returned item failures and retry a poison batch
    # for ever; `local/event_source_mappings.py` runs them instead. There is no switch for it.
    for poll in ("_poll_dynamodb_streams", "_poll_sqs"):
        if not hasattr(lambda_service, poll):
            raise RuntimeError(f"this MiniStack has no {poll}")
        setattr(lambda_service, poll, _nothing_polled)
    # Its scheduler calls a function once and forgets the error; see `local/schedule.py`.
    events: Any = importlib.import_module("ministack.services.eventbridge")
    if not hasattr(events, "_tick_scheduled_rules"):
        raise RuntimeError("this MiniStack has no _tick_scheduled_rules")
    events._tick_scheduled_rules = _nothing_polled  # noqa: SLF001  # no switch for it
    _name_errors(lambda_service)
    provisioners: Any = importlib.import_module("ministack.services.cloudformation.provisioners")
    _accept_metric_math(provisioners)
    http_api.below_the_platform(provisioners._RESOURCE_HANDLERS)  # noqa: SLF001  # no switch for it
    ses, ses_v2, sns = (
        importlib.import_module(f"ministack.services.{name}") for name in ("ses", "ses_v2", "sns")
    )
    mail_events.publish(ses, ses_v2, sns)
    sns_to_lambda.deliver_by_invoke(sns)
    runtime: Any = importlib.import_module("ministack.core.lambda_runtime")
    # After each invocation it looks a thousand times a second, for up to 50 ms, whether the
    # function still has something to say. What comes later shows with the next invocation.
    runtime.Worker._drain_stderr_bounded = partialmethod(  # noqa: SLF001  # no switch for it
        runtime.Worker._drain_stderr_bounded,  # noqa: SLF001  # likewise
        first_line_wait=0.003,
        idle_confirm=0.001,
    )
    _move_clocks(runtime)
    importlib.import_module("ministack.app").main()


def _move_clocks(runtime: Any) -> None:
    """Let a function's process look at the platform's clock before each invocation."""
    reading = '        event = _ms_msg["event"]\n'
    script = runtime._PYTHON_WORKER_SCRIPT  # noqa: SLF001  # no switch for it
    if script.count(reading) != 1:
        raise RuntimeError("this MiniStack's worker reads its events in another way")
    # A function may have a PYTHONPATH without the platform's folder, and keeps the real time.
    following = """        if "moved_clock" in sys.modules:
            sys.modules["moved_clock"].follow()
"""
    runtime._PYTHON_WORKER_SCRIPT = script.replace(reading, reading + following)  # noqa: SLF001  # likewise


def _name_errors(lambda_service: Any) -> None:
    """Let a function's error be of the class that it raised, as Lambda says it.

    MiniStack calls them all `Runtime.HandlerError`, and a caller that tells a service's *no* from
    its crash could not.
    """
    original = lambda_service._execute_function_warm  # noqa: SLF001  # no switch for it

    def execute(*args: Any, **kwargs: Any) -> Any:
        answer = original(*args, **kwargs)
        body = answer.get("body")
        if answer.get("error") and isinstance(body, dict):
            raised = _class_raised(answer.get("log") or "", body.get("errorMessage") or "")
            body["errorType"] = raised or body.get("errorType")
        return answer

    lambda_service._execute_function_warm = execute  # noqa: SLF001  # likewise


def _class_raised(log: str, message: str) -> str | None:
    """The name at the end of the traceback that ends *log*; None where no exception was raised."""
    if "Traceback (most recent call last)" not in log:
        return None
    text = log.rstrip()
    if message.strip():
        text, found, _ = text.rpartition(f": {message.rstrip()}")
        if not found:
            return None
    return text.rpartition("\n")[2].rpartition(".")[2] or None


def _accept_metric_math(provisioners: Any) -> None:
    """Let a template's alarm have metric math, which MiniStack's own alarms know nothing of.

    The alarm is kept whole, as a description of what to watch; MiniStack evaluates none of it.
    """
    original = provisioners._cw_metric_alarm_record  # noqa: SLF001  # no switch for it

    def record(name: str, properties: dict[str, Any]) -> Any:
        metrics = properties.get("Metrics")
        if not metrics:
            return original(name, properties)
        single = {key: value for key, value in properties.items() if key != "Metrics"}
        of_metrics = next(query["MetricStat"] for query in metrics if "MetricStat" in query)
        alarm = original(name, {**single, **of_metrics["Metric"], "Period": of_metrics["Period"]})
        alarm["Metrics"] = metrics
        return alarm

    provisioners._cw_metric_alarm_record = record  # noqa: SLF001  # likewise


def _nothing_polled() -> bool:
    return False


if __name__ == "__main__":
    main()
