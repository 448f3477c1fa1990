"""What a pipeline's job comes to, decided from its stages' counts."""

from dataclasses import asdict, dataclass
from typing import Any

from functions.pipelines.pipeline_request import PipelineRequest
from functions.pipelines.pipeline_run import PipelineRun
from functions.pipelines.request_fields import HUNDRED_PERCENT
from functions.pipelines.stage_work import StageState
from functions.shared.errors import PermanentError


class TooManyRejectsError(PermanentError):
    """More records were rejected than the payload tolerates; nothing was loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """All that was not rejected is where it should be, and was seen there.

    But for *replaced* records, in whose place there is a later one with the same key; which ones
    these are stands in the *difference*.
    """

    records: int
    rejected: int
    replaced: int
    parts: int
    manifest: str
    rejects: str | None
    difference: str | None
    destination: dict[str, Any]
    checksum: str
    outcome: str = "loaded"


def check_rejects(
    extracted: StageState, transformed: StageState, request: PipelineRequest, run: PipelineRun
) -> int:
    """How many records were rejected, where that many may be.

    Raises:
        TooManyRejectsError: It is more.
    """
    rejected = extracted.rejected + transformed.rejected
    records = transformed.records + rejected
    tolerated = request.tolerated_rejects_percent
    if rejected * HUNDRED_PERCENT > tolerated * records:
        raise TooManyRejectsError(
            f"{rejected} of {records} records were rejected, and {tolerated:g} percent may be;"
            f" nothing was loaded. They are in {run.rejects} with their reasons: mend them in the"
            " source, or submit the job with more tolerated_rejects_percent"
        )
    return rejected


def loaded(
    verified: StageState, rejected: int, request: PipelineRequest, run: PipelineRun
) -> Loaded:
    """The result of a job whose destination holds what was staged."""
    return Loaded(
        records=verified.records,
        rejected=rejected,
        replaced=verified.replaced,
        parts=verified.part,
        manifest=run.manifest,
        rejects=run.rejects if rejected else None,
        difference=run.difference if verified.replaced else None,
        destination=asdict(request.destination),
        checksum=verified.checksum,
    )
