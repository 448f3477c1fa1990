"""Parts as their own ledger, and turns that go from one to the next."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.pipelines import stage_work
from functions.pipelines.extraction import BEGINNING, Extraction
from functions.pipelines.http_exchange import EndpointBusyError
from functions.pipelines.http_source import CURSOR_LENGTH
from functions.pipelines.manifest import Manifest, PartSummary, Position
from functions.pipelines.objects import ObjectsBusyError
from functions.pipelines.part_ledger import Part, PartLedger, StagedPartChangedError
from functions.pipelines.processor import DownstreamThrottledError
from functions.pipelines.progress_notes import JobNotOursError
from functions.pipelines.s3_objects import METADATA_BYTES
from functions.pipelines.sources import PagedSource
from functions.pipelines.stage_work import (
    MAX_TROUBLES,
    Stage,
    StageProgress,
    StageState,
    TooManyPausesError,
    Turn,
    Unfinished,
    parts_of_all,
)
from functions.shared.job import Progress
from tests.functions.pipelines.fake_objects import FakeObjects
from tests.functions.pipelines.pipeline_jobs import FakePages

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
PREFIX = "work/job-1/run/extracted/"


def any_summary(part: int = 0, records: int = 10) -> PartSummary:
    return PartSummary(part, records, 1, 100, "ab" * 32, "cd" * 16)


class TestLedger:
    def test_a_part_that_is_there_wins_over_whoever_comes_later(self) -> None:
        objects = FakeObjects()
        first, second = PartLedger(objects, PREFIX), PartLedger(objects, PREFIX)
        written = first.add(0, Part([b'{"id":1}\n'], following=Position(1, 0, "c")))

        seen = second.add(0, Part([b'{"id":2}\n'], [b"{}\n"]))

        assert seen == written
        assert objects.body(first.part_key(0)) == b'{"id":1}\n'
        assert not [key for key in objects.written if "rejects" in key]

    def test_of_two_that_make_a_part_at_once_the_first_to_write_wins(self) -> None:
        """Both looked before either wrote."""
        objects = FakeObjects()
        ours = Part([b'{"id":2}\n'], [b'"ours"\n'])
        theirs = Part([b'{"id":1}\n'], [b'"theirs"\n'], following=Position(1, 0, "c"))
        written: list[PartSummary] = []
        objects.meanwhile = lambda: written.append(PartLedger(objects, PREFIX).add(0, theirs))
        slow = PartLedger(objects, PREFIX)

        assert slow.add(0, ours) == written[0]
        assert slow.write_manifest("source", 1).parts[0].sha256 == written[0].sha256
        assert objects.body(slow.part_key(0)) == b'{"id":1}\n'
        assert objects.body(slow.rejects_key(written[0])) == b'"theirs"\n'

    def test_behind_another_workers_part_the_source_is_read_from_where_that_one_ends(
        self,
    ) -> None:
        """An API gave each of them another page."""
        objects = FakeObjects()
        pages = FakePages([[{"id": "a"}], [{"id": "b"}], [{"id": "c"}]])
        extraction = Extraction(PagedSource(pages), PartLedger(objects, PREFIX), "source")
        theirs = Part([b'{"id":"z"}\n'], following=Position(1, 0, "2"))
        objects.meanwhile = lambda: PartLedger(objects, PREFIX).add(0, theirs)

        state = BEGINNING
        while (summary := extraction.part(state)) is not None:
            state = state.after(summary)

        bodies = [objects.body(f"{PREFIX}part-0000{part}.jsonl") for part in range(state.part)]
        assert bodies == [b'{"id":"z"}\n', b'{"id":"c"}\n']

    def test_a_part_is_there_only_when_its_rejects_are(self) -> None:
        objects = FakeObjects()
        ledger = PartLedger(objects, PREFIX)
        objects.fail(ObjectsBusyError("no"), method="put_if")

        with pytest.raises(ObjectsBusyError):
            ledger.add(0, Part([b"{}\n"], [b"{}\n"]))

        assert [stored.body for stored in objects.written.values()] == [b"{}\n"]
        assert ledger.find(0) is None

    def test_a_summary_fits_an_objects_metadata_whatever_the_cursor(self) -> None:
        # Where a cursor is not ASCII, JSON spells it with six characters for one.
        following = Position(99_999, 0, "c" * CURSOR_LENGTH)
        summary = PartSummary(
            99_999, 50_000, 50_000, 2**40, "ab" * 32, "cd" * 16, following, "ef" * 8
        )

        [(name, text)] = summary.to_metadata().items()

        assert len(name) + len(text) < METADATA_BYTES
        assert PartSummary.from_metadata({name: text}) == summary

    def test_a_manifest_asks_for_parts_of_earlier_turns_only(self) -> None:
        objects = FakeObjects()
        earlier = PartLedger(objects, PREFIX)
        earlier.add(0, Part([b"{}\n"]))
        ledger = PartLedger(objects, PREFIX)
        ledger.add(1, Part([b"{}\n", b"{}\n"], [b"{}\n"]))
        objects.calls.clear()

        manifest = ledger.write_manifest("source", 2)

        assert objects.count("head") == 1
        assert (manifest.records, manifest.rejected, manifest.size_bytes) == (3, 1, 9)
        assert ledger.manifest() == manifest
        assert ledger.totals() == {"parts": 2, "records": 3, "rejected": 1}

    def test_a_manifest_does_not_leave_out_a_part_that_is_gone(self) -> None:
        with pytest.raises(StagedPartChangedError):
            PartLedger(FakeObjects(), PREFIX).write_manifest("source", 1)

    def test_a_part_that_was_tampered_with_is_not_read(self) -> None:
        objects = FakeObjects()
        ledger = PartLedger(objects, PREFIX)
        summary = ledger.add(0, Part([b"{}\n"]))
        objects.store(ledger.part_key(0), b"[]\n")

        with pytest.raises(StagedPartChangedError):
            ledger.checked_body(summary)

    def test_of_two_that_make_a_part_again_the_first_to_write_wins(self) -> None:
        """Though all that the first one read was rejected, so that its part is empty."""
        objects = FakeObjects()
        ledger = PartLedger(objects, PREFIX)
        ledger.unmark(0)
        objects.meanwhile = lambda: PartLedger(objects, PREFIX).add(0, Part([], [b"{}\n"]))

        summary = ledger.add(0, Part([b"{}\n"]))

        assert (summary.records, summary.rejected) == (0, 1)
        assert objects.body(ledger.part_key(0)) == b""

    def test_a_manifest_that_was_forgotten_is_told_as_a_part_of_the_stage(self) -> None:
        with pytest.raises(StagedPartChangedError, match="retry the job"):
            PartLedger(FakeObjects(), PREFIX).manifest()

    def test_what_is_unmarked_is_done_again(self) -> None:
        ledger = PartLedger(FakeObjects(), PREFIX)
        ledger.mark(any_summary())
        assert ledger.find(0) == any_summary()

        ledger.unmark(0)

        assert ledger.find(0) is None

    def test_a_manifest_comes_back_as_it_was_written(self) -> None:
        manifest = Manifest.of({"a": 1}, [any_summary(0), any_summary(1)])

        assert Manifest.from_json(manifest.to_json()) == manifest


@dataclass
class FakeWork:
    """Some parts of ten records each."""

    parts: int = 5
    # What happens instead of the next part, if anything.
    trouble: Callable[[int], Exception | None] = lambda _part: None
    pause: float = 0
    done: list[int] = field(default_factory=list)
    is_finished: bool = False
    is_closed: bool = False

    def whole(self) -> StageState | None:
        return None

    def part(self, state: StageState) -> PartSummary | Unfinished | None:
        if state.part >= self.parts:
            return None
        error = self.trouble(state.part)
        if error is not None:
            raise error
        self.done.append(state.part)
        return any_summary(state.part)

    def finish(self, state: StageState) -> None:  # noqa: ARG002  # the port's
        self.is_finished = True

    def pause_seconds(self) -> float:
        return self.pause

    def expected_parts(self, state: StageState) -> int | None:  # noqa: ARG002  # the port's
        return self.parts

    def close(self) -> None:
        self.is_closed = True


@dataclass
class Watch:
    """Progress as it is shown, and a clock that the test moves."""

    shown: list[Progress] = field(default_factory=list)
    now: datetime = NOW
    is_ours: bool = True

    def write(self, progress: Progress, now: datetime) -> bool:  # noqa: ARG002  # the port's
        self.shown.append(progress)
        return self.is_ours

    def turn(self, state: StageState, left: float = 900, stage: Stage = Stage.LOAD) -> Turn:
        progress = StageProgress(self.write, stage, now=lambda: self.now)
        return Turn(state, progress, seconds_left=lambda: left)


def states_until_given_up(prepare: Callable[[], FakeWork]) -> list[StageState]:
    states = [StageState()]
    try:
        while True:
            states.append(Watch().turn(states[-1]).take(prepare))
    except TooManyPausesError:
        return states[1:]


class TestTurns:
    def test_a_turn_with_time_enough_does_all_parts_and_what_comes_after(self) -> None:
        work = FakeWork()

        state = Watch().turn(StageState()).take(lambda: work)

        assert (state.part, state.records, state.is_done) == (5, 50, True)
        assert work.is_finished
        assert work.is_closed

    def test_a_turn_without_time_does_one_part_and_lets_the_next_go_on(self) -> None:
        work = FakeWork()
        state = StageState()

        while not state.is_done:
            state = Watch().turn(state, left=10).take(lambda: work)

        assert work.done == [0, 1, 2, 3, 4]
        assert state.turns == 5 + 1

    def test_a_hiccup_is_tried_again_at_the_part_where_it_happened(self) -> None:
        work = FakeWork(trouble=lambda part: EndpointBusyError("no") if part == 3 else None)

        state = Watch().turn(StageState()).take(lambda: work)

        assert (state.part, state.records, state.troubles, state.is_done) == (3, 30, 1, False)
        assert state.pause_seconds >= 2
        assert work.is_closed

    def test_troubles_count_in_a_row_only(self) -> None:
        failed: set[int] = set()

        def once(part: int) -> Exception | None:
            if part in failed:
                return None
            failed.add(part)
            return EndpointBusyError("no")

        work = FakeWork(parts=3 * MAX_TROUBLES, trouble=once)
        state = StageState()
        while not state.is_done:
            state = Watch().turn(state).take(lambda: work)

        assert state.part == 3 * MAX_TROUBLES

    def test_troubles_that_do_not_end_are_raised(self) -> None:
        work = FakeWork(trouble=lambda _part: EndpointBusyError("no"))
        state = StageState()

        for _ in range(MAX_TROUBLES - 1):
            state = Watch().turn(state).take(lambda: work)

        with pytest.raises(EndpointBusyError):
            Watch().turn(state).take(lambda: work)

    def test_a_throttle_is_no_trouble_and_patience_outlasts_the_job(self) -> None:
        work = FakeWork(trouble=lambda _part: DownstreamThrottledError("slower"))

        states = states_until_given_up(lambda: work)

        pauses = [state.pause_seconds for state in states]
        assert pauses[:4] == [15, 30, 60, 120]
        assert states[-1].troubles == 0
        assert timedelta(seconds=sum(pauses)) > timedelta(days=3)

    def test_a_table_that_takes_a_little_now_and_then_is_served_for_days(self) -> None:
        @dataclass
        class Trickle(FakeWork):
            """Of each second turn a piece is taken."""

            def part(self, state: StageState) -> Unfinished:
                return Unfinished(state.turns // 2, is_throttled=True)

        states = states_until_given_up(Trickle)

        assert states[-1].place > 200
        assert timedelta(seconds=sum(state.pause_seconds for state in states)) > timedelta(days=3)

    def test_s3_that_wants_less_is_no_trouble_either(self) -> None:
        slow_down: Any = {"Error": {"Code": "SlowDown"}}
        work = FakeWork(trouble=lambda _part: ClientError(slow_down, "PutObject"))

        state = Watch().turn(StageState()).take(lambda: work)

        assert (state.troubles, state.throttles, state.pause_seconds) == (0, 1, 15)

    def test_what_is_no_hiccup_is_raised_at_once(self) -> None:
        work = FakeWork(trouble=lambda _part: StagedPartChangedError("no"))

        with pytest.raises(StagedPartChangedError):
            Watch().turn(StageState()).take(lambda: work)

    def test_preparing_may_meet_a_hiccup_too(self) -> None:
        def prepare() -> FakeWork:
            raise ObjectsBusyError("no")

        assert Watch().turn(StageState()).take(prepare).troubles == 1

    def test_an_execution_has_no_operations_for_ever_more_turns(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stage_work, "MAX_TURNS", 3)
        work = FakeWork(pause=60)
        state = StageState()

        for _ in range(2):
            state = Watch().turn(state).take(lambda: work)

        with pytest.raises(TooManyPausesError):
            Watch().turn(state).take(lambda: work)

        assert work.done == [0, 1, 2]

    def test_a_state_comes_back_as_it_was_checkpointed(self) -> None:
        state = StageState(
            3,
            30,
            1,
            "ab",
            Position(1, 2, "c"),
            is_done=True,
            turns=4,
            troubles=1,
            place=2,
            throttles=3,
            replaced=6,
        )

        assert StageState.from_event(state.to_event()) == state


class TestProgress:
    def test_it_never_goes_back_from_stage_to_stage(self) -> None:
        watch = Watch()
        for stage in Stage:
            watch.turn(StageState(), stage=stage).take(FakeWork)

        done = [progress.done for progress in watch.shown]
        assert done == sorted(set(done))
        assert {progress.total for progress in watch.shown} == {parts_of_all(5)}
        assert [progress.note for progress in watch.shown] == [
            *("extract", "extract"),
            *("transform", "transform"),
            *("load", "load"),
            *("verify", "verify"),
        ]

    def test_it_is_told_at_most_every_two_seconds(self) -> None:
        watch = Watch()

        def half_a_second(_part: int) -> None:
            watch.now += timedelta(seconds=0.5)

        watch.turn(StageState()).take(lambda: FakeWork(parts=16, trouble=half_a_second))

        assert len(watch.shown) == 1 + 16 // 4 + 1

    def test_the_end_is_expected_as_fast_as_it_went(self) -> None:
        watch = Watch()

        def ten_seconds(_part: int) -> None:
            watch.now += timedelta(seconds=10)

        watch.turn(StageState()).take(lambda: FakeWork(trouble=ten_seconds))

        assert [progress.ends_at for progress in watch.shown] == [
            None,
            *["2026-01-31T09:00:50.000Z"] * 6,
        ]

    def test_a_worker_whose_job_is_anothers_stops_before_the_next_part(self) -> None:
        work = FakeWork()

        with pytest.raises(JobNotOursError):
            Watch(is_ours=False).turn(StageState()).take(lambda: work)

        assert work.done == []
