"""The stages of a pipeline as durable operations, each repeated until it is done.

A stage is polled: what one invocation did of it is checkpointed as the state that the next one
begins with. That takes one operation for each turn, and a pause of hours costs as much as one of a
second.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from aws_durable_execution_sdk_python import DurableContext, StepContext
from aws_durable_execution_sdk_python.config import Duration, StepConfig
from aws_durable_execution_sdk_python.types import WaitForConditionCheckContext
from aws_durable_execution_sdk_python.waits import WaitForConditionConfig, WaitForConditionDecision

from functions.pipelines import pipeline_services as services
from functions.pipelines.extraction import BEGINNING, Extraction
from functions.pipelines.inspection import inspect as inspected
from functions.pipelines.loading import Loading
from functions.pipelines.off_peak import next_off_peak
from functions.pipelines.part_ledger import PartLedger
from functions.pipelines.pipeline_request import ObjectSource, OffPeak, PipelineRequest
from functions.pipelines.pipeline_run import PipelineRun
from functions.pipelines.progress_notes import utc_now
from functions.pipelines.request_fields import HUNDRED_PERCENT, refuse_own_bucket
from functions.pipelines.stage_work import (
    PartWork,
    Stage,
    StageProgress,
    StageState,
    Turn,
    parts_before,
    parts_of_all,
)
from functions.pipelines.transformation import Transformation
from functions.pipelines.transforms.registry import transform_named
from functions.pipelines.verification import Verification
from functions.shared import durable_job as job_function
from functions.shared.errors import JobNotFoundError
from functions.shared.job import Progress, timestamp
from functions.shared.records import RecordSerDes
from functions.shared.retries import BRIEFLY
from functions.shared.start_event import JobRun

INSPECTING = StepConfig(retry_strategy=BRIEFLY, serdes=RecordSerDes(PipelineRun))
FINDING = StepConfig(retry_strategy=BRIEFLY)


@dataclass(frozen=True, slots=True)
class Work:
    """What each stage of one run of a pipeline works with."""

    request: PipelineRequest
    run: PipelineRun

    def extraction(self) -> PartWork:
        source = services.source_of(self.request, self.run)
        return Extraction(source, self._parts(self.run.extracted), self.run.run)

    def transformation(self) -> PartWork:
        return Transformation(
            transform_named(self.request.transform),
            self._parts(self.run.extracted),
            self._parts(self.run.transformed),
            objects=services.objects,
            rejects_key=self.run.rejects,
            fits=services.destination_of(self.request, self.run).fits,
            tolerates_all=self.request.tolerated_rejects_percent >= HUNDRED_PERCENT,
        )

    def loading(self) -> PartWork:
        return Loading(
            self._parts(self.run.transformed),
            self._parts(self.run.loaded),
            services.destination_of(self.request, self.run),
        )

    def verification(self) -> PartWork:
        return Verification(
            self._parts(self.run.transformed),
            self._parts(self.run.loaded),
            self._parts(self.run.verified),
            services.destination_of(self.request, self.run),
            objects=services.objects,
            difference_key=self.run.difference,
        )

    @staticmethod
    def _parts(prefix: str) -> PartLedger:
        return PartLedger(services.objects, prefix)


def inspect(request: PipelineRequest, run: JobRun) -> Callable[[StepContext], PipelineRun]:
    def inspect(_step: StepContext) -> PipelineRun:
        if isinstance(request.source, ObjectSource):
            refuse_own_bucket(
                request.source.ref.bucket, services.settings.data_bucket_name, "source"
            )
        transform = transform_named(request.transform)
        job = job_function.jobs.get(run.job_id)
        if job is None:
            raise JobNotFoundError(f"the row of job {run.job_id} is gone")
        return inspected(
            request, transform, run, created_at=job.created_at, objects=services.objects
        )

    return inspect


def until_done(
    stage: Stage,
    prepare: Callable[[], PartWork],
    run: JobRun,
    context: DurableContext,
    *,
    name: str,
) -> StageState:
    """Take turns at *stage*, an invocation each, until all of its parts are done."""
    write = partial(job_function.jobs.note_progress, run.job_id, run.attempt, run.execution_arn)

    def take_turn(state: StageState, _check: WaitForConditionCheckContext) -> StageState:
        turn = Turn(
            state, StageProgress(write, stage), seconds_left=partial(_seconds_left, context)
        )
        return turn.take(prepare)

    config = WaitForConditionConfig(
        wait_strategy=_until_done,
        initial_state=BEGINNING if stage is Stage.EXTRACT else StageState(),
        serdes=RecordSerDes(StageState),
    )
    return context.wait_for_condition(take_turn, config, name=name)


def _until_done(state: StageState, _turns: int) -> WaitForConditionDecision:
    if state.is_done:
        return WaitForConditionDecision.stop_polling()
    return WaitForConditionDecision.continue_waiting(Duration.from_seconds(state.pause_seconds))


def _seconds_left(context: DurableContext) -> float:
    if context.lambda_context is None:
        return math.inf
    return context.lambda_context.get_remaining_time_in_millis() / 1000


def find_off_peak(
    off_peak: OffPeak, transformed: StageState, run: JobRun
) -> Callable[[StepContext], int]:
    """For how many seconds loading is to wait; asked once, for a clock answers each time anew."""

    def find(_step: StepContext) -> int:
        now = utc_now()
        begins = next_off_peak(now, off_peak.hour, off_peak.time_zone)
        parts = transformed.part
        progress = Progress(
            done=parts_before(Stage.LOAD, parts),
            total=parts_of_all(parts),
            note="wait-for-off-peak",
            ends_at=timestamp(begins),
        )
        job_function.jobs.note_progress(run.job_id, run.attempt, run.execution_arn, progress, now)
        return math.ceil((begins - now).total_seconds())

    return find


def wait_for_off_peak(
    request: PipelineRequest, transformed: StageState, run: JobRun, context: DurableContext
) -> None:
    """Wait for the hour of the payload or of the stage, unless the payload wants none."""
    if request.off_peak is False:
        return
    wanted = request.off_peak if isinstance(request.off_peak, OffPeak) else None
    find = find_off_peak(wanted or services.settings.off_peak, transformed, run)
    seconds = context.step(find, name="find-off-peak", config=FINDING)
    if seconds > 0:
        context.wait(Duration.from_seconds(seconds), name="wait-for-off-peak")
