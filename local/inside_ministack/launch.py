"""Start MiniStack without the parts that the platform does itself.

Runs in MiniStack's own virtual environment, on the standard library and MiniStack alone.
"""

import importlib
from functools import partialmethod
from typing import Any

import watch  # type: ignore[import-not-found]  # on PYTHONPATH only inside MiniStack


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
    _accept_metric_math(importlib.import_module("ministack.services.cloudformation.provisioners"))
    runtime: Any = importlib.import_module("ministack.core.lambda_runtime")
    # After each invocation it looks a thousand times a second, for up to 50 ms, whether the
    # function still has something to say. What comes later shows with the next invocation.
    runtime.Worker._drain_stderr_bounded = partialmethod(  # noqa: SLF001  # no switch for it
        runtime.Worker._drain_stderr_bounded,  # noqa: SLF001  # likewise
        first_line_wait=0.003,
        idle_confirm=0.001,
    )
    importlib.import_module("ministack.app").main()


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
