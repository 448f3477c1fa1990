"""A plan as a person reads it: what is cut how, how near that is to the limits, what it costs."""

import json
from collections.abc import Iterable
from datetime import timedelta

from functions.shared.batch_plan import Prediction
from jobctl.batch_planning import Planned
from jobctl.lines import Line
from jobctl.times import duration

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MOST_OPERATIONS = 3_000
_MOST_MEGABYTES = 100
# After that a batch's execution is ended, as its stack says.
_RUN_TIMEOUT = timedelta(days=1)
_THOUSAND = 1_000
_A_CENT = 0.01
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def plan_lines(planned: Planned) -> Iterable[Line]:
    """What `jobctl plan` prints."""
    size, wishes, plan = planned.size, planned.wishes, planned.plan
    predicted = plan.predicted
    mean = f"{size.record_bytes:,.0f} bytes"
    yield Line("records", f"{size.records:,} of about {mean}, {size_text(size.size_bytes)}")
    if plan.shards:
        at_once = f"{plan.workers} worker{'s' * (plan.workers > 1)} at once"
        yield Line("executions", f"{1 + plan.shards:,}: a parent of {plan.shards:,}, {at_once}")
    else:
        yield Line("executions", "1")
    if plan.chunks:
        each = min(plan.chunk_bytes, size.size_bytes)
        about = max(round(each / size.record_bytes), 1)
        yield Line("chunks", f"{plan.chunks:,} of {size_text(each)}, about {about:,} records")
    most = f"at most {predicted.largest_execution_operations:,} in one execution"
    yield Line("operations", f"{predicted.operations:,}; {most} (limit {_MOST_OPERATIONS:,})")
    most = f"at most {size_text(predicted.largest_execution_bytes)} in one execution"
    written = size_text(predicted.checkpoint_bytes)
    yield Line("written", f"{written}; {most} (limit {_MOST_MEGABYTES} MB)")
    yield Line("time", _time(predicted, wishes.target_seconds), is_prose=True)
    yield Line("cost", f"{dollars_text(predicted.dollars)}, list prices of us-east-1")
    rate = f"{wishes.records_per_second:,.0f} records a second"
    yield Line("assumed", f"{rate} and worker, at most {wishes.max_workers:,} workers")


def _time(predicted: Prediction, target_seconds: float) -> str:
    time = timedelta(seconds=predicted.seconds)
    target = duration(timedelta(seconds=target_seconds))
    if predicted.meets_target:
        return f"{duration(time)}, within the {target} wished for"
    way_out = "more workers or more minutes are needed"
    if time > _RUN_TIMEOUT:
        way_out = "it is ended after a day, and `jobctl retry` goes on where it stopped"
    return f"{duration(time)}, more than the {target} wished for: {way_out}"


def size_text(size_bytes: float) -> str:
    """*size_bytes* in the unit that a person would take."""
    value, units = float(size_bytes), iter(_UNITS)
    unit = next(units)
    while value >= _THOUSAND and unit != _UNITS[-1]:
        value, unit = value / _THOUSAND, next(units)
    return f"{value:,.0f} {unit}" if unit == _UNITS[0] else f"{value:,.1f} {unit}"


def dollars_text(dollars: float) -> str:
    """Cents, and below a cent what there is of it."""
    return f"${dollars:,.2f}" if dollars >= _A_CENT else f"${dollars:.4f}"


def plan_as_json(planned: Planned) -> str:
    told = {"records": planned.size.records, "record_bytes": planned.size.record_bytes}
    return json.dumps({**told, **planned.plan.to_dict()}, indent=2)
