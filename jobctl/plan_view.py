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
    if size.size_bytes:
        mean = counted(round(size.record_bytes), "byte")
        records = f"about {counted(size.records, 'record')} of about {mean}"
        yield Line("records", f"{records}, {size_text(size.size_bytes)}")
    else:
        yield Line("records", "none: the dataset is empty")
    if plan.shards:
        at_once = f"{counted(plan.workers, 'worker')} at once"
        shards = counted(plan.shards, "shard")
        yield Line("executions", f"{1 + plan.shards:,}: one parent and {shards}, {at_once}")
    else:
        yield Line("executions", "1")
    if plan.chunks:
        each = min(plan.chunk_bytes, size.size_bytes)
        about = max(round(each / size.record_bytes), 1)
        yield Line(
            "chunks", f"{plan.chunks:,} of {size_text(each)}, about {counted(about, 'record')}"
        )
    most = f"at most {predicted.largest_execution_operations:,} in one execution"
    yield Line("operations", f"{predicted.operations:,}; {most} (limit {_MOST_OPERATIONS:,})")
    most = f"at most {size_text(predicted.largest_execution_bytes)} in one execution"
    written = size_text(predicted.checkpoint_bytes)
    yield Line("written", f"{written}; {most} (limit {_MOST_MEGABYTES} MB)")
    yield Line("time", _time(predicted, wishes.target_seconds), is_prose=True)
    yield Line("cost", f"{dollars_text(predicted.dollars)}, list prices of us-east-1")
    rate = f"{counted(round(wishes.records_per_second), 'record')} a second"
    most = counted(wishes.max_workers, "worker")
    yield Line("assumed", f"{rate} and worker, at most {most}")
    if planned.is_of_payload:
        yield Line(
            "checked",
            "the dataset and the wishes alone: the job checks the payload's other fields, and the"
            " first records against its processor, when it begins",
            is_prose=True,
        )


def counted(number: int, what: str) -> str:
    """So many of *what*, which is one or several."""
    return f"{number:,} {what}{'s' * (number != 1)}"


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
    if unit == _UNITS[0]:
        return counted(round(value), "byte")
    return f"{value:,.1f} {unit}"


def dollars_text(dollars: float) -> str:
    """Cents, and below a cent what there is of it."""
    return f"${dollars:,.2f}" if dollars >= _A_CENT else f"${dollars:.4f}"


def plan_as_json(planned: Planned) -> str:
    told = {"records": planned.size.records, "record_bytes": planned.size.record_bytes}
    return json.dumps({**told, **planned.plan.to_dict()}, indent=2)
