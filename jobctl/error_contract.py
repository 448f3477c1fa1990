"""The error contract for readers that are no Python program: a page, and a table for Ruby.

`python -m jobctl.error_contract` prints both into their places.
"""

from collections.abc import Iterable
from pathlib import Path

from jobctl.contract import (
    CONTRACT,
    UNTOUCHED,
    ContractEntry,
    Operation,
    Source,
)

_INTRODUCTION = """\
# What a producer can catch

<!-- Printed by `python -m jobctl.error_contract` from jobctl/contract.py. -->

A job can go wrong before anyone has it, on its way, or while it runs. Only the first reaches the
code that submits it. This page lists every error, whether it reaches the caller or only the row,
whether to try again, and what the job's row says afterwards.

Three rules cover nearly all of it:

1. **The row is the submission.** When the conditional `PutItem` has returned, the job will run:
   the stream starts it, without the producer. There is nothing to clean up and no second step
   that could be lost.
2. **Choose the job id before the first try, and keep it.** After a timeout, a throttle or a crash
   submit again with the *same* id: a row that was written is found, and no second job is made.
   An error below speaks of one try; the AWS SDK makes several within one call, so after any of
   them the row may be there already.
3. **A failed job does not raise in the producer.** It is in the row (`status`, `error`), in Slack,
   and in `jobctl show ID`. The one exception is a synchronous invoke.

## The classic pattern: row, then Invoke

```ruby
jobs = DurableJobs::Client.new(table_name: ENV.fetch("JOB_TABLE"))
order_id = "order-#{order.id}"

jobs.submit(type: "send-email", payload: mail, job_id: order_id)            # enough by itself
jobs.invoke(type: "send-email", job_id: order_id, function: alias_arn)      # optional: sooner
```

| | `Event` | `RequestResponse` |
|---|---|---|
| For | a start a moment sooner than the stream's | a caller that wants the result or the error |
| Row | as always | with `dispatch = direct`, without `run_at` |
| Answer | 202 at once | after the whole execution: 15 minutes at most |
| A failed job | only the row | `FunctionError`, and the row |
| The producer dies after the row | the dispatcher starts it | the watchdog starts it |
| Both start it | the claim lets one execution work | the same |

Invoke the **alias ARN** that SSM holds under `/durable-jobs/<stage>/job-types/<job-type>`, under
the execution name `<job_id>-1`, with the event `{"attempt":1,"job_id":"...","job_type":"..."}`:
these are the very bytes that the dispatcher sends, so that a repeated call joins the same
execution. `{"job_id","job_type","payload"}` works too, if the payload is the row's; where the
dispatcher was first, that one is answered with 409.
"""

_HEADINGS = {
    Operation.PUT_OBJECT: (
        "Before the row: PutObject",
        "Only for a payload over 200 KB: it goes into the payload bucket first.",
    ),
    Operation.PUT_ITEM: (
        "The row: PutItem",
        "A condition, `attribute_not_exists(job_id)`, makes it safe to repeat.",
    ),
    Operation.INVOKE_EVENT: (
        "After the row: Invoke, Event",
        (
            "Nothing here can lose the job: its row is written. Which of these errors Lambda still "
            "meets after its 202, and whether a 409 comes at once, is not documented."
        ),
    ),
    Operation.INVOKE_SYNC: (
        "After the row: Invoke, RequestResponse",
        "Give the SDK a read timeout above the job's run time, and no retries of its own.",
    ),
    Operation.EXECUTION: (
        "While it runs: the execution",
        (
            "These are codes in the row's `error.type`; a synchronous caller meets them behind "
            "`FunctionError`. A workflow adds its own; a mistake in one shows as the name of its "
            "exception (`key` for a `KeyError`). All of those leave the job `failed`."
        ),
    ),
    Operation.SEND_EMAIL: (
        "While it runs: send-email",
        "What this job type adds to the codes above.",
    ),
    Operation.ORDERS: (
        "While it runs: orders",
        (
            "What `order-transaction`, `order-processing` and `order-orchestration` add. With "
            "these codes, whatever an order had done was undone, in reverse order, and the row's "
            "`error.undone` lists it; a retry does everything anew. Where even undoing failed, "
            "the code is `rollback_incomplete` and nothing else. Nothing more was undone where a "
            "code of the execution above says so: see *Orders that were cut off* in the runbook."
        ),
    ),
    Operation.ASKING: (
        "While it runs: waiting for people",
        (
            "What every job type adds that asks people. Nobody's answer, a no, and a mail that "
            "bounces are no errors: such a job completes with that outcome, unless its own table "
            "below says else. A retry asks anew, as another attempt; the links of the one before "
            "are too late then."
        ),
    ),
    Operation.APPROVAL: (
        "While it runs: document-approval",
        "What this job type adds. The document stays where it is, unless the meaning says else.",
    ),
    Operation.ONBOARDING: (
        "While it runs: user-onboarding",
        (
            "What this job type adds; its welcome mail can end it with the codes of `send-email` "
            "that begin with `mail_` too."
        ),
    ),
    Operation.DATASETS: (
        "While it runs: datasets",
        (
            "What `batch-processing` and `data-pipeline` share. A record that is refused is no "
            "error of the job: it is counted and kept with its reason. Parts that are done stay "
            "done, and a retry goes on behind them."
        ),
    ),
    Operation.BATCH: ("While it runs: batch-processing", "What this job type adds."),
    Operation.PIPELINE: (
        "While it runs: data-pipeline",
        "What this job type adds. Nothing is loaded before everything is transformed.",
    ),
}

_NAMED_BY = {
    Source.CHECK: "our clients, before any call",
    Source.MODEL: "",
    Source.COMMON: "any AWS service",
    Source.SDK: "the SDK; the names are botocore's",
    Source.RESPONSE: "no exception: a field of the response",
    Source.ROW: "",
}


_RUBY_OPERATIONS = {
    "PutObject": Operation.PUT_OBJECT,
    "PutItem": Operation.PUT_ITEM,
    # An Event and a synchronous invoke meet the same errors by the same names.
    "Invoke": Operation.INVOKE_SYNC,
}


def error_contract_page() -> str:
    """The whole page, as Markdown."""
    return "\n".join(_page())


def _page() -> Iterable[str]:
    yield _INTRODUCTION
    for operation, (title, about) in _HEADINGS.items():
        yield f"## {title}"
        yield ""
        yield about
        yield ""
        yield "| Error | Means | Reaches | Try again? | The row then says | What to do |"
        yield "|---|---|---|---|---|---|"
        for entry in CONTRACT:
            if entry.operation is operation:
                yield _row(entry)
        yield ""


def _row(entry: ContractEntry) -> str:
    names = "<br>".join(f"`{name}`" for name in entry.names)
    if source := _NAMED_BY[entry.source]:
        names += f"<br>({source})"
    cells = (names, entry.meaning, entry.reaches, entry.retry, _leaves(entry), entry.advice)
    return f"| {' | '.join(cells)} |"


def _leaves(entry: ContractEntry) -> str:
    if entry.leaves == UNTOUCHED:
        return "whatever it said before"
    return " or ".join("no row" if status is None else f"`{status}`" for status in entry.leaves)


def error_kinds_for_ruby() -> str:
    """Kinds by operation and name, for the answers of AWS that a producer can get."""
    lines = [
        "# frozen_string_literal: true",
        "",
        "# Printed by `python -m jobctl.error_contract` from jobctl/contract.py.",
        "module DurableJobs",
        "  ERROR_KINDS = {",
    ]
    for title, operation in _RUBY_OPERATIONS.items():
        lines.append(f'    "{title}" => {{')
        lines += [
            f'      "{name}" => "{entry.kind}",'
            for entry in CONTRACT
            if entry.operation is operation and entry.source in {Source.MODEL, Source.COMMON}
            for name in entry.names
        ]
        lines[-1] = lines[-1].removesuffix(",")
        lines.append("    }.freeze,")
    lines[-1] = lines[-1].removesuffix(",")
    return "\n".join([*lines, "  }.freeze", "end", ""])


_ROOT = Path(__file__).parents[1]
PRINTED = {
    _ROOT / "docs/error-contract.md": error_contract_page,
    _ROOT / "clients/ruby/lib/durable_jobs/error_contract.rb": error_kinds_for_ruby,
}

if __name__ == "__main__":
    for path, text in PRINTED.items():
        path.write_text(text())
