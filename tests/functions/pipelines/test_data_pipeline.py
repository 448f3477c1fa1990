"""Pipelines from their source to their destination, in the durable runner."""

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from functions.pipelines import pipeline_services, stage_work
from functions.pipelines.http_exchange import EndpointBusyError
from functions.pipelines.http_source import Pause
from functions.pipelines.transforms import registry
from functions.shared.job_table import JobTable
from tests.functions.job_table_rows import Rows
from tests.functions.pipelines.pipeline_jobs import (
    INCOMING,
    JOB,
    PipelineJobs,
    as_csv,
    as_jsonl,
    gzipped,
    product,
    products,
)

STAGES = ["claim", "inspect-source", "extract", "transform", "load", "verify", "record-completed"]
DATA = pipeline_services.settings.data_bucket_name
API = {"endpoint": "shop", "path": "/products"}


@pytest.fixture
def jobs(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> PipelineJobs:
    return PipelineJobs.open(rows, monkeypatch)


def test_products_go_from_a_file_into_the_table(jobs: PipelineJobs) -> None:
    jobs.objects.store(INCOMING, as_jsonl(products(2_500)))

    ended = jobs.run()

    assert ended.succeeded, jobs.row.get("error")
    assert jobs.result["outcome"] == "loaded"
    assert (jobs.result["records"], jobs.result["rejected"], jobs.result["parts"]) == (2_500, 0, 3)
    assert jobs.result["destination"] == {"table": "products"}
    assert jobs.result["rejects"] is None
    assert len(jobs.table.items) == 2_500
    assert ended.operations == STAGES


def test_a_compressed_csv_file_with_line_breaks_in_quotes_is_read_whole(
    jobs: PipelineJobs,
) -> None:
    rows = products(1_500)
    rows[7]["name"] = '"Tea,\nin ""leaves"""'
    jobs.objects.store("incoming/x.csv.gz", gzipped(as_csv(rows)))

    ended = jobs.run(source="incoming/x.csv.gz")

    assert ended.succeeded, jobs.row.get("error")
    assert (jobs.result["records"], jobs.result["parts"]) == (1_500, 2)
    found = jobs.table.rows("products", ["sku-00007"])["sku-00007"].record
    assert found["name"] == 'Tea,\nin "leaves"'


def test_the_pages_of_an_api_become_a_dataset_in_s3(jobs: PipelineJobs) -> None:
    jobs.pages.pages = [products(100, first) for first in (0, 100, 200)]

    ended = jobs.run(source=API, destination={"dataset": "products"})

    assert ended.succeeded, jobs.row.get("error")
    assert jobs.pages.fetched == [None, "1", "2"]
    manifest = json.loads(jobs.objects.body("datasets/products/_manifest.json"))
    assert (manifest["records"], len(manifest["parts"])) == (300, 3)
    loaded = [record for part in manifest["parts"] for record in jobs.lines(part["key"])]
    assert [record["sku"] for record in loaded] == [each["sku"] for each in products(300)]


def test_all_objects_below_a_prefix_are_read_in_the_order_of_their_keys(
    jobs: PipelineJobs,
) -> None:
    jobs.objects.store("incoming/day/b.csv", as_csv(products(700, 700)))
    jobs.objects.store("incoming/day/a.jsonl", as_jsonl(products(700)))
    for hidden in ("incoming/day/", "incoming/day/_SUCCESS", "incoming/day/.x.crc"):
        jobs.objects.store(hidden, b"" if hidden.endswith("/") else b"{}")

    ended = jobs.run(source={"prefix": "incoming/day/"}, destination={"dataset": "products"})

    assert ended.succeeded, jobs.row.get("error")
    [first, second] = jobs.keys("datasets/products/", "part-")
    skus = [record["sku"] for key in (first, second) for record in jobs.lines(key)]
    assert skus == [each["sku"] for each in products(1_400)]
    assert jobs.result["parts"] == 2


def test_operations_grow_neither_with_parts_nor_with_records(jobs: PipelineJobs) -> None:
    jobs.objects.store(INCOMING, as_jsonl(products(8_000)))

    ended = jobs.run(off_peak={"hour": 20, "time_zone": "UTC"})

    assert jobs.result["parts"] == 8
    assert len(ended.operations) + 1 == 10
    assert not ended.retries


class TestRejects:
    def test_malformed_lines_are_kept_with_their_place_and_reason(self, jobs: PipelineJobs) -> None:
        lines = as_jsonl(products(1_200)).splitlines(keepends=True)
        lines[3] = b'{"sku": \n'
        lines[1_100] = b"[1]\n"
        jobs.objects.store(INCOMING, b"".join(lines) + b'{"sku": "cut o')

        ended = jobs.run(tolerated_rejects_percent=1)

        assert ended.succeeded, jobs.row.get("error")
        assert (jobs.result["records"], jobs.result["rejected"]) == (1_198, 3)
        assert jobs.result["rejects"] == f"results/{JOB}/attempt-1/rejects.jsonl"
        told = [(each["stage"], each["error"], each["item"]) for each in jobs.rejects]
        assert told == [
            ("extract", "not_json", 0),
            ("extract", "not_an_object", 0),
            ("extract", "truncated", 0),
        ]
        assert jobs.rejects[0]["at"] == sum(map(len, lines[:3]))
        assert jobs.rejects[2]["record"] == '{"sku": "cut o'

    def test_records_that_the_transform_refuses_are_kept_with_part_and_line(
        self, jobs: PipelineJobs
    ) -> None:
        records = products(1_500)
        records[1_200]["price"] = -1
        jobs.objects.store(INCOMING, as_jsonl(records))

        jobs.run(tolerated_rejects_percent=0.1)

        [reject] = jobs.rejects
        assert (reject["stage"], reject["error"]) == ("transform", "schema")
        assert (reject["part"], reject["line"]) == (1, 201)
        assert reject["record"]["sku"] == "sku-01200"
        assert "price" in reject["reason"]
        assert jobs.result["records"] == 1_499

    def test_a_record_that_utf8_cannot_write_is_kept_whole(self, jobs: PipelineJobs) -> None:
        strange = product(1, name="x" * 5_000 + "\ud800")
        jobs.pages.pages = [[product(0), strange]]

        jobs.run(source=API, tolerated_rejects_percent=50)

        assert [reject["record"] for reject in jobs.rejects] == [strange]

    def test_a_record_is_as_long_as_it_may_be_wherever_it_comes_from(
        self, jobs: PipelineJobs
    ) -> None:
        long = product(1, name="x" * 256 * 1024)
        jobs.pages.pages = [[product(0), long]]

        jobs.run(source=API, tolerated_rejects_percent=50)

        [reject] = jobs.rejects
        assert (reject["error"], reject["record"]) == ("too_long", long)

    def test_one_reject_too_many_loads_nothing(self, jobs: PipelineJobs) -> None:
        records = [*products(98), product(98, price=-1), product(99, price=-1)]
        jobs.objects.store(INCOMING, as_jsonl(records))

        ended = jobs.run(tolerated_rejects_percent=1)

        assert not ended.succeeded
        assert jobs.error["type"] == "too_many_rejects"
        assert jobs.error["message"].startswith("2 of 100 records were rejected, and 1 percent")
        assert len(jobs.rejects) == 2
        assert not jobs.table.items

    def test_as_many_rejects_as_are_tolerated_are_tolerated(self, jobs: PipelineJobs) -> None:
        jobs.objects.store(INCOMING, as_jsonl([*products(99), product(99, price=-1)]))

        assert jobs.run(tolerated_rejects_percent=1).succeeded

    def test_of_rejects_from_both_stages_each_part_has_its_own_together(
        self, jobs: PipelineJobs
    ) -> None:
        lines = as_jsonl([product(0, price=-1), *products(1_500, 1)]).splitlines(keepends=True)
        jobs.objects.store(INCOMING, b"".join([*lines[:5], b"?\n", *lines[5:], b"!\n"]))

        jobs.run(tolerated_rejects_percent=1)

        assert [each["stage"] for each in jobs.rejects] == ["extract", "transform", "extract"]

    def test_what_the_table_cannot_keep_is_rejected_before_it_is_loaded(
        self, jobs: PipelineJobs
    ) -> None:
        records: list[Any] = [{"id": f"r{number}"} for number in range(10)]
        unfit = [{"id": "x", "number": 10**40 + 1}, {"id": "y", "tree": nested(40)}]
        jobs.objects.store(INCOMING, as_jsonl([*records, *unfit]))

        jobs.run(transform="as-is", tolerated_rejects_percent=50)

        assert [each["error"] for each in jobs.rejects] == ["unfit_for_table"] * 2
        assert jobs.result["records"] == 10

    def test_a_source_of_which_nothing_fits_ends_the_job_at_its_first_part(
        self, jobs: PipelineJobs
    ) -> None:
        jobs.objects.store(INCOMING, as_jsonl([{"id": number} for number in range(5_000)]))

        jobs.run(tolerated_rejects_percent=99)

        assert jobs.error["type"] == "schema_mismatch"
        assert "none of the first 1000 records fits normalize-products" in jobs.error["message"]
        assert len(jobs.rejects) == 1_000
        assert not jobs.keys("transformed/")

    def test_a_source_that_is_something_else_altogether_is_told_with_the_reason(
        self, jobs: PipelineJobs
    ) -> None:
        jobs.objects.store(INCOMING, b"sku;name\n" * 10)

        jobs.run(tolerated_rejects_percent=99)

        assert jobs.error["type"] == "schema_mismatch"
        assert "10 times: not_json" in jobs.error["message"]
        assert len(jobs.rejects) == 10

    def test_one_record_does_not_tell_of_a_source(self, jobs: PipelineJobs) -> None:
        jobs.pages.pages = [[{"id": 1}], [{"id": 2}, 3], products(998)]

        jobs.run(source=API, tolerated_rejects_percent=1)

        assert jobs.row["status"] == "completed", jobs.error
        assert (jobs.result["records"], jobs.result["rejected"]) == (998, 3)

    def test_a_thousand_records_tell_of_a_source_in_however_many_parts(
        self, jobs: PipelineJobs
    ) -> None:
        pages = [[{"id": number} for number in range(300)] for _ in range(6)]
        jobs.pages.pages = [[*pages[0][:-1], "no record"], *pages[1:]]

        jobs.run(source=API)

        assert jobs.error["type"] == "schema_mismatch"
        assert "none of the first 1200 records fits" in jobs.error["message"]
        assert Counter(each.get("part") for each in jobs.rejects) == {
            None: 1,
            0: 299,
            1: 300,
            2: 300,
            3: 300,
        }

    def test_a_source_may_be_rejected_as_a_whole_where_all_of_it_is_tolerated(
        self, jobs: PipelineJobs
    ) -> None:
        jobs.objects.store(INCOMING, as_jsonl([{"id": number} for number in range(1_500)]))

        ended = jobs.run(tolerated_rejects_percent=100)

        assert ended.succeeded, jobs.row.get("error")
        assert (jobs.result["records"], jobs.result["rejected"]) == (0, 1_500)

    def test_a_header_that_lacks_a_field_ends_the_job_before_anything_is_read(
        self, jobs: PipelineJobs
    ) -> None:
        jobs.objects.store("incoming/x.csv", b"sku,name,currency\nA,Tea,EUR\n")

        jobs.run(source="incoming/x.csv", tolerated_rejects_percent=100)

        assert jobs.error["type"] == "schema_mismatch"
        assert jobs.error["step"] == "inspect-source"
        assert "lacks price" in jobs.error["message"]


class TestSources:
    def test_a_missing_object_is_told(self, jobs: PipelineJobs) -> None:
        jobs.run()

        assert jobs.error["type"] == "source_not_found"

    @pytest.mark.parametrize(
        "source", [f"s3://{DATA}/results/x.jsonl", {"prefix": f"s3://{DATA}/work/"}]
    )
    def test_the_data_bucket_is_not_read_by_the_back_door(
        self, jobs: PipelineJobs, source: Any
    ) -> None:
        ended = jobs.run(source=source)

        assert not ended.succeeded
        assert jobs.error["type"] == "malformed_payload"
        assert "source names the data bucket" in jobs.error["message"]
        assert not jobs.objects.calls

    def test_an_object_of_a_bucket_that_may_not_be_read_is_told(self, jobs: PipelineJobs) -> None:
        jobs.objects.forbidden = frozenset({"theirs"})

        jobs.run(source="s3://theirs/x.jsonl")

        assert jobs.error["type"] == "source_access"
        assert "source_buckets" in jobs.error["message"]

    @pytest.mark.parametrize("body", [b"", b"\n \n"], ids=["no byte", "blank lines"])
    def test_an_empty_source_is_an_error(self, jobs: PipelineJobs, body: bytes) -> None:
        jobs.objects.store(INCOMING, body)

        jobs.run()

        assert jobs.error["type"] == "source_empty"
        assert "allow_empty" in jobs.error["message"]

    @pytest.mark.parametrize("body", [b"", b"\n \n"], ids=["no byte", "blank lines"])
    def test_an_empty_source_that_may_be_empty_makes_an_empty_dataset(
        self, jobs: PipelineJobs, body: bytes
    ) -> None:
        jobs.objects.store(INCOMING, body)

        ended = jobs.run(allow_empty=True, destination={"dataset": "products"})

        assert ended.succeeded, jobs.row.get("error")
        assert (jobs.result["records"], jobs.result["parts"]) == (0, 0)
        assert json.loads(jobs.objects.body("datasets/products/_manifest.json"))["parts"] == []

    def test_an_api_without_a_record_is_an_empty_source(self, jobs: PipelineJobs) -> None:
        jobs.pages.pages = [[]]

        jobs.run(source=API)

        assert jobs.error["type"] == "source_empty"

    def test_a_header_alone_is_an_empty_source(self, jobs: PipelineJobs) -> None:
        jobs.objects.store("incoming/x.csv", b"sku,name,price,currency\r\n")

        jobs.run(source="incoming/x.csv")

        assert jobs.error["type"] == "source_empty"

    def test_a_source_that_is_changed_while_it_is_read_ends_the_job(
        self, jobs: PipelineJobs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        jobs.objects.store(INCOMING, as_jsonl(products(2_500)))
        put = jobs.objects.put

        def changing(key: str, body: bytes, metadata: Any = None) -> None:
            put(key, body, metadata)
            if key.endswith("source.json"):
                jobs.objects.store(INCOMING, as_jsonl(products(2_501)))

        monkeypatch.setattr(jobs.objects, "put", changing)

        jobs.run()

        assert jobs.error["type"] == "source_changed"
        assert jobs.error["step"] == "extract"

    @pytest.mark.parametrize(
        ("key", "body", "told"),
        [
            ("incoming/x.jsonl.gz", b"no gzip at all", "is no gzip"),
            ("incoming/x.jsonl.gz", gzipped(as_jsonl(products(9)))[:-9], "cut off"),
            (INCOMING, gzipped(as_jsonl(products(9))), "must end with .gz"),
        ],
    )
    def test_a_compressed_source_that_is_not_what_its_name_says_is_told(
        self, jobs: PipelineJobs, key: str, body: bytes, told: str
    ) -> None:
        jobs.objects.store(key, body)

        jobs.run(source=key)

        assert jobs.error["type"] == "source_unreadable"
        assert told in jobs.error["message"]


class TestPauses:
    def test_a_long_pause_between_pages_is_waited_for_durably(self, jobs: PipelineJobs) -> None:
        jobs.pages.pages = [products(10, 10 * number) for number in range(8)]
        jobs.pages.pause_seconds = 30

        ended = jobs.run(source=API)

        assert ended.succeeded, jobs.row.get("error")
        assert ended.invocations == 8
        assert len(jobs.pages.fetched) == 8
        assert jobs.naps == []
        # The execution, the operations, and one more for each of the seven pauses.
        assert 1 + len(ended.operations) + 7 <= 12 + 8

    def test_a_short_pause_is_slept_through(self, jobs: PipelineJobs) -> None:
        jobs.pages.pages = [products(10), products(10, 10)]
        jobs.pages.pause_seconds = 0.5

        ended = jobs.run(source=API)

        assert ended.invocations == 1
        assert jobs.naps == [0.5]

    def test_the_payload_may_ask_for_other_pauses(self, jobs: PipelineJobs) -> None:
        jobs.pages.pages = [products(10), products(10, 10)]
        jobs.pages.pause_seconds = 300

        ended = jobs.run(source=API, pause_seconds=0)

        assert (ended.invocations, jobs.naps) == (1, [])

    def test_a_source_that_has_enough_is_asked_again_after_its_pause(
        self, jobs: PipelineJobs
    ) -> None:
        jobs.pages.pages = [products(10)]
        jobs.pages.instead = [Pause(3600)] * 9

        ended = jobs.run(source=API)

        assert ended.succeeded, jobs.row.get("error")
        assert ended.invocations == 10

    def test_a_source_that_wants_to_be_left_alone_for_ever_is_given_up(
        self, jobs: PipelineJobs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("functions.pipelines.stage_work.MAX_TURNS", 20)
        jobs.pages.pages = [products(10)]
        jobs.pages.instead = [Pause(60)] * 50

        jobs.run(source=API)

        assert jobs.error["type"] == "too_many_pauses"
        assert len(jobs.pages.fetched) == 20

    def test_a_source_that_fails_each_time_is_given_up_after_six_times(
        self, jobs: PipelineJobs
    ) -> None:
        jobs.pages.pages = [products(10)]
        jobs.pages.instead = [EndpointBusyError("no answer") for _ in range(50)]

        jobs.run(source=API)

        assert jobs.error["type"] == "endpoint_busy"
        assert len(jobs.pages.fetched) == 6

    def test_what_fails_now_and_then_is_done_in_the_end(self, jobs: PipelineJobs) -> None:
        jobs.pages.pages = [products(10, 10 * number) for number in range(9)]
        fetch = jobs.pages.fetch
        failed: set[Any] = set()

        def failing_once(cursor: str | None) -> Any:
            if cursor not in failed:
                failed.add(cursor)
                raise EndpointBusyError("no answer")
            return fetch(cursor)

        jobs.monkeypatch.setattr(jobs.pages, "fetch", failing_once)

        ended = jobs.run(source=API)

        assert ended.succeeded, jobs.row.get("error")
        assert jobs.result["records"] == 90


class TestOffPeak:
    def test_loading_waits_for_the_hour_of_the_payload(self, jobs: PipelineJobs) -> None:
        jobs.objects.store(INCOMING, as_jsonl(products(10)))

        ended = jobs.run(off_peak={"hour": 2, "time_zone": "Asia/Tokyo"})

        waits = [each for each in ended.result.operations if each.name == "wait-for-off-peak"]
        # From 09:00 UTC to 02:00 in Tokyo, which is 17:00 UTC.
        assert [found_steps(ended, "find-off-peak"), len(waits)] == [8 * 3600, 1]
        assert ended.invocations == 2
        assert ended.operations == [
            "claim",
            "inspect-source",
            "extract",
            "transform",
            "find-off-peak",
            "wait-for-off-peak",
            "load",
            "verify",
            "record-completed",
        ]

    def test_without_a_word_the_hour_is_the_stages(self, jobs: PipelineJobs) -> None:
        jobs.objects.store(INCOMING, as_jsonl(products(10)))

        ended = jobs.run(off_peak=None)

        # From 10:00 to 02:00 in Berlin.
        assert found_steps(ended, "find-off-peak") == 16 * 3600

    def test_within_the_hour_nothing_is_waited_for(self, jobs: PipelineJobs) -> None:
        jobs.objects.store(INCOMING, as_jsonl(products(10)))

        ended = jobs.run(off_peak={"hour": 9, "time_zone": "UTC"})

        assert "wait-for-off-peak" not in ended.operations

    def test_the_hour_is_not_looked_for_again_after_the_wait(self, jobs: PipelineJobs) -> None:
        """A clock that goes on, as clocks do, would ask for another wait."""
        jobs.objects.store(INCOMING, as_jsonl(products(10)))
        asked: list[None] = []

        def tomorrow() -> Any:
            asked.append(None)
            return jobs.now + timedelta(hours=3 * len(asked))

        jobs.monkeypatch.setattr("functions.pipelines.pipeline_stages.utc_now", tomorrow)

        ended = jobs.run(off_peak={"hour": 20, "time_zone": "UTC"})

        assert ended.succeeded
        assert (ended.invocations, len(asked)) == (2, 1)


class TestVerification:
    def test_what_is_missing_or_different_in_the_table_is_told_by_part_and_line(
        self, jobs: PipelineJobs
    ) -> None:
        jobs.objects.store(INCOMING, as_jsonl(products(2_500)))
        after_loading(jobs, lambda: spoil(jobs, missing=("sku-01004",), other=("sku-01001",)))

        jobs.run()

        assert jobs.error["type"] == "verification_failed"
        assert jobs.error["step"] == "verify"
        assert jobs.error["message"] == (
            "1 of 3 parts differ from the manifest: 1 missing, 1 different;"
            " part 1: 1 missing, 1 different (lines 2, 5)."
            f" All of it is in results/{JOB}/attempt-1/difference.json"
        )
        told = json.loads(jobs.objects.body(f"results/{JOB}/attempt-1/difference.json"))
        assert told["differences"] == [
            {
                "part": 1,
                "missing": 1,
                "different": 1,
                "overwritten": 0,
                "lines": [2, 5],
                "replaced": 0,
                "replaced_lines": [],
                "replaced_until": 1,
            }
        ]

    def test_a_retry_loads_the_parts_that_differed_and_no_others(self, jobs: PipelineJobs) -> None:
        jobs.objects.store(INCOMING, as_jsonl(products(2_500)))
        after_loading(jobs, lambda: spoil(jobs, missing=("sku-01004",)))
        jobs.run()
        jobs.table.writes.clear()

        ended = jobs.retry()

        assert ended.succeeded, jobs.row.get("error")
        assert jobs.result["records"] == 2_500
        assert sorted(jobs.table.writes) == [f"sku-{number:05}" for number in range(1_000, 2_000)]

    def test_a_part_in_s3_that_is_not_what_was_written_is_told(self, jobs: PipelineJobs) -> None:
        jobs.objects.store(INCOMING, as_jsonl(products(1_500)))

        def spoiled() -> None:
            [_, second] = jobs.keys("datasets/products/", "part-")
            lines = jobs.objects.body(second).splitlines(keepends=True)
            jobs.objects.store(second, b"".join([b"{}\n", *lines[1:-1]]))

        after_loading(jobs, spoiled)

        jobs.run(destination={"dataset": "products"})

        assert "part 1: 1 missing, 1 different (lines 1, 500)" in jobs.error["message"]

    def test_a_part_that_is_gone_from_s3_is_told(self, jobs: PipelineJobs) -> None:
        jobs.objects.store(INCOMING, as_jsonl(products(1_500)))
        after_loading(
            jobs, lambda: jobs.objects.remove(jobs.keys("datasets/products/", "part-")[0])
        )

        jobs.run(destination={"dataset": "products"})

        assert "part 0: 1000 missing" in jobs.error["message"]

    def test_another_jobs_manifest_is_told(self, jobs: PipelineJobs) -> None:
        jobs.objects.store(INCOMING, as_jsonl(products(10)))
        after_loading(jobs, lambda: jobs.objects.store("datasets/products/_manifest.json", b"{}"))

        jobs.run(destination={"dataset": "products"})

        assert "manifest is not the one that was written" in jobs.error["message"]

    def test_the_same_record_of_another_job_is_as_good(self, jobs: PipelineJobs) -> None:
        jobs.objects.store(INCOMING, as_jsonl(products(10)))

        def overwritten() -> None:
            for place, (record, _) in jobs.table.items.items():
                jobs.table.items[place] = record, "job-2/run/part-00000"

        after_loading(jobs, overwritten)

        assert jobs.run().succeeded


class TestKeysThatComeAgain:
    """Of records with one key the last one of the source stays, whatever happens on the way."""

    def test_the_last_one_stays_and_those_before_it_are_told(self, jobs: PipelineJobs) -> None:
        jobs.objects.store(
            INCOMING, as_jsonl([*products(1_500), product(7, stock=2), product(7, stock=3)])
        )

        ended = jobs.run()

        assert ended.succeeded, jobs.row.get("error")
        assert (jobs.result["records"], jobs.result["rejected"]) == (1_502, 0)
        assert jobs.result["replaced"] == 2
        assert stock_of(jobs, "sku-00007") == 3
        told = json.loads(jobs.objects.body(jobs.result["difference"]))
        assert (told["replaced"], told["parts_that_differ"]) == (2, 0)
        assert [(each["part"], each["replaced_lines"]) for each in told["differences"]] == [
            (0, [8]),
            (1, [501]),
        ]

    def test_a_dataset_in_s3_keeps_all_of_them(self, jobs: PipelineJobs) -> None:
        jobs.objects.store(INCOMING, as_jsonl([*products(1_500), product(7)]))

        jobs.run(destination={"dataset": "products"})

        assert (jobs.result["records"], jobs.result["replaced"]) == (1_501, 0)
        assert jobs.result["difference"] is None

    @pytest.mark.parametrize("missing", ["sku-00001", "sku-01001", "sku-02001"])
    def test_a_retry_that_loads_a_part_again_does_not_take_back_what_replaced_it(
        self, jobs: PipelineJobs, missing: str
    ) -> None:
        """Key 7 is in all parts, 1007 in the last two."""
        records = products(2_500)
        records[1_500] = product(7, stock=2)
        records[2_200], records[2_201] = product(7, stock=3), product(1_007, stock=3)
        jobs.objects.store(INCOMING, as_jsonl(records))
        jobs.run()
        undisturbed = dict(jobs.table.items)
        jobs.start_over()
        after_loading(jobs, lambda: spoil(jobs, missing=(missing,)))
        jobs.run()
        assert jobs.error["type"] == "verification_failed"

        ended = jobs.retry()

        assert ended.succeeded, jobs.row.get("error")
        assert jobs.result["replaced"] == 3
        assert without_runs(jobs.table.items) == without_runs(undisturbed)

    def test_a_worker_that_comes_late_is_found_out_and_mended_by_a_retry(
        self, jobs: PipelineJobs
    ) -> None:
        jobs.objects.store(INCOMING, as_jsonl([*products(1_500), product(7, stock=2)]))
        late: list[Any] = []
        write = jobs.table.write

        def remembering(dataset: str, rows: Any) -> None:
            late.append((dataset, list(rows)))
            write(*late[-1])

        jobs.monkeypatch.setattr(jobs.table, "write", remembering)
        after_loading(jobs, lambda: write(*late[0]))
        jobs.run()
        assert (
            "part 1: 1 overwritten by an earlier part with the same key (lines 501)"
            in jobs.error["message"]
        )

        ended = jobs.retry()

        assert ended.succeeded, jobs.row.get("error")
        assert stock_of(jobs, "sku-00007") == 2

    @pytest.mark.parametrize("seed", range(12))
    def test_whatever_is_spoilt_retries_come_to_what_an_undisturbed_run_leaves(
        self, jobs: PipelineJobs, seed: int
    ) -> None:
        chosen = random.Random(seed)  # noqa: S311  # no secret
        jobs.monkeypatch.setattr("functions.pipelines.pipeline_request.MIN_PART_RECORDS", 1)
        records = [product(chosen.randrange(30), stock=number) for number in range(60)]
        last = {record["sku"]: record["stock"] for record in records}
        jobs.objects.store(INCOMING, as_jsonl(records))
        spoilt = chosen.sample(sorted(last), 3)
        after_loading(jobs, lambda: spoil(jobs, tuple(spoilt[:2]), tuple(spoilt[2:])))
        jobs.run(part_records=chosen.choice([3, 7, 20]))
        assert jobs.error["type"] == "verification_failed"

        ended = jobs.retry()

        assert ended.succeeded, jobs.row.get("error")
        assert jobs.result["replaced"] == len(records) - len(last)
        assert {sku: stock_of(jobs, sku) for sku in last} == last


class TestThrottles:
    """A table that wants to be called less often makes a pipeline slower, and nothing else."""

    def test_a_table_that_takes_nothing_for_hours_is_waited_for(self, jobs: PipelineJobs) -> None:
        jobs.objects.store(INCOMING, as_jsonl(products(1_500)))
        throttle(jobs, "write", turns=12)

        ended = jobs.run()

        assert ended.succeeded, jobs.row.get("error")
        assert len(jobs.table.items) == 1_500
        assert ended.invocations == 1 + 12

    def test_the_place_in_a_part_is_kept(self, jobs: PipelineJobs) -> None:
        jobs.objects.store(INCOMING, as_jsonl(products(1_000)))
        taken = iter([30, 10**6])
        left = [next(taken)]

        def busy(method: str) -> bool:
            left[0] -= method == "write"
            if left[0] == -100:
                left[0] = next(taken)
            return left[0] < 0

        jobs.table.is_throttled = busy

        ended = jobs.run()

        assert ended.succeeded, jobs.row.get("error")
        assert ended.invocations > 1
        assert set(jobs.table.writes.values()) == {1}

    def test_a_table_that_is_not_to_be_read_so_fast_is_read_more_slowly(
        self, jobs: PipelineJobs
    ) -> None:
        jobs.objects.store(INCOMING, as_jsonl(products(1_500)))
        throttle(jobs, "rows", turns=8)

        ended = jobs.run()

        assert ended.succeeded, jobs.row.get("error")
        assert ended.invocations == 1 + 8


class TestAttempts:
    def test_a_retry_goes_on_where_the_attempt_before_stopped(self, jobs: PipelineJobs) -> None:
        jobs.objects.store(INCOMING, as_jsonl(products(4_500)))
        jobs.objects.fail(RuntimeError("a bug"), method="put_if", nth=3)
        jobs.run()
        assert jobs.error["type"] == "runtime"
        jobs.objects.heal()
        staged = jobs.keys("extracted/part")
        jobs.objects.calls.clear()

        ended = jobs.retry()

        assert ended.succeeded, jobs.row.get("error")
        assert len(staged) == 2
        for key in staged:
            assert jobs.objects.count("put_if", key) == 0
            assert jobs.objects.count("head", key) == 1
        # The source is read from the third part on, once.
        assert jobs.objects.count("read", INCOMING) == 1

    def test_a_retry_fetches_no_page_again_that_is_there(self, jobs: PipelineJobs) -> None:
        jobs.pages.pages = [products(10, 10 * number) for number in range(5)]
        jobs.objects.fail(RuntimeError("a bug"), method="put_if", nth=4)
        jobs.run(source=API)
        jobs.objects.heal()
        assert jobs.pages.fetched == [None, "1", "2", "3"]

        ended = jobs.retry()

        assert ended.succeeded, jobs.row.get("error")
        # That of the put which failed, and the last one.
        assert jobs.pages.fetched[4:] == ["3", "4"]

    def test_another_job_of_the_same_id_fetches_an_api_anew(self, jobs: PipelineJobs) -> None:
        jobs.pages.pages = [products(10)]
        jobs.run(source=API)
        jobs.rows.clear()
        jobs.submit(source=API, created_at="2026-05-01T00:00:00.000Z")

        jobs.attempt(1)

        assert jobs.pages.fetched == [None, None]

    def test_a_retry_reads_another_source_anew(self, jobs: PipelineJobs) -> None:
        jobs.objects.store(INCOMING, as_jsonl(products(1_500)))
        jobs.objects.fail(RuntimeError("a bug"), method="put", nth=2)
        jobs.run()
        jobs.objects.heal()
        jobs.objects.store(INCOMING, as_jsonl(products(1_600)))

        ended = jobs.retry()

        assert ended.succeeded, jobs.row.get("error")
        assert jobs.result["records"] == 1_600

    def test_a_transform_of_another_version_is_done_anew(self, jobs: PipelineJobs) -> None:
        jobs.objects.store(INCOMING, as_jsonl(products(10)))
        after_loading(jobs, lambda: spoil(jobs, missing=("sku-00001",)))
        jobs.run()
        raised = replace(registry.TRANSFORMS["normalize-products"], version=2)
        jobs.monkeypatch.setattr(registry, "TRANSFORMS", {"normalize-products": raised})

        jobs.retry()

        assert len({key.split("/")[2] for key in jobs.keys("transformed/part")}) == 2

    def test_another_job_of_the_same_id_begins_anew(self, jobs: PipelineJobs) -> None:
        jobs.objects.store(INCOMING, as_jsonl(products(10)))
        jobs.run()
        jobs.rows.clear()
        jobs.submit(created_at="2026-05-01T00:00:00.000Z")

        jobs.attempt(1)

        assert len(jobs.keys("extracted/part")) == 2


class TestForgottenParts:
    """What is below `work/` is kept for 30 days, the manifest longer than the parts it names."""

    @pytest.mark.parametrize("stage", ["extracted", "transformed"])
    @pytest.mark.parametrize("kept", [0, 1, 2])
    def test_a_retry_makes_them_again(self, jobs: PipelineJobs, stage: str, kept: int) -> None:
        jobs.pages.pages = [products(10), [*products(9, 10), "no record"], products(10, 20)]
        after_loading(jobs, lambda: spoil(jobs, missing=("sku-00001",)))
        jobs.run(source=API, tolerated_rejects_percent=50)
        assert jobs.error["type"] == "verification_failed"
        made = jobs.keys(f"/{stage}/part-")
        gone = made[: len(made) - kept]
        if kept < 2:
            gone += jobs.keys(f"/{stage}/rejects-")
        before = {key: jobs.objects.body(key) for key in gone}
        for key in gone:
            jobs.objects.remove(key)

        ended = jobs.retry()

        assert ended.succeeded, jobs.row.get("error")
        assert (jobs.result["records"], jobs.result["rejected"]) == (29, 1)
        assert {key: jobs.objects.body(key) for key in gone} == before

    @pytest.mark.parametrize(
        "gone", ["extracted/part-00001", "transformed/part-00001", "extracted/rejects-00001"]
    )
    def test_a_part_that_is_forgotten_meanwhile_is_told(
        self, jobs: PipelineJobs, gone: str
    ) -> None:
        jobs.pages.pages = [products(10), [*products(9, 10), "no record"], products(10, 20)]
        note, transforms = JobTable.note_progress, registry.TRANSFORMS
        apply = transforms["normalize-products"].apply

        def forgetting(record: Any) -> Any:
            for key in jobs.keys(gone):
                jobs.objects.remove(key)
            return apply(record)

        forgetful = replace(registry.TRANSFORMS["normalize-products"], apply=forgetting)
        if gone.startswith("extracted"):
            jobs.monkeypatch.setattr(registry, "TRANSFORMS", {"normalize-products": forgetful})
        else:

            def noting(self: JobTable, *args: Any) -> bool:
                if args[3].note == "load":
                    for key in jobs.keys(gone):
                        jobs.objects.remove(key)
                return note(self, *args)

            jobs.monkeypatch.setattr(JobTable, "note_progress", noting)

        jobs.run(source=API, tolerated_rejects_percent=50)

        assert jobs.error["type"] == "staged_part_changed"
        assert "retry the job" in jobs.error["message"]
        jobs.monkeypatch.setattr(JobTable, "note_progress", note)
        jobs.monkeypatch.setattr(registry, "TRANSFORMS", transforms)

        assert jobs.retry().succeeded, jobs.row.get("error")

        assert (jobs.result["records"], jobs.result["rejected"]) == (29, 1)


class TestTurns:
    def test_a_stage_stops_before_the_invocation_does_and_goes_on_in_the_next(
        self, jobs: PipelineJobs
    ) -> None:
        jobs.objects.store(INCOMING, as_jsonl(products(4_500)))
        jobs.monkeypatch.setattr(
            "functions.pipelines.pipeline_stages._seconds_left", lambda _context: 59.0
        )

        ended = jobs.run()

        assert ended.succeeded, jobs.row.get("error")
        assert jobs.result["records"] == 4_500
        # Each of five parts has a turn of its own in each of four stages; the source is the last
        # one's end too.
        assert ended.invocations == 4 * 5 + 1
        for stage in ("extracted", "transformed"):
            for key in jobs.keys(f"{stage}/part"):
                assert jobs.objects.count("put_if", key) == 1

    def test_progress_tells_stage_parts_records_and_the_expected_end(
        self, jobs: PipelineJobs
    ) -> None:
        jobs.objects.store(INCOMING, as_jsonl(products(4_000)))
        shown: list[Any] = []

        def slow(record: Any) -> Any:
            row = jobs.row
            if row.get("progress") and row["progress"] not in shown:
                shown.append(row["progress"])
            return normalize(record)

        normalize = registry.TRANSFORMS["normalize-products"].apply
        slowed = replace(registry.TRANSFORMS["normalize-products"], apply=slow)
        jobs.monkeypatch.setattr(registry, "TRANSFORMS", {"normalize-products": slowed})
        ticks = iter(range(10**6))
        jobs.monkeypatch.setattr(
            "functions.pipelines.stage_work.utc_now",
            lambda: jobs.now + timedelta(seconds=5 * next(ticks)),
        )

        jobs.run()

        assert [(each["done"], each["total"]) for each in shown] == [
            (5, 20),
            (6, 20),
            (7, 20),
            (8, 20),
        ]
        assert {each["note"] for each in shown} == {"transform"}
        assert [each["records"] for each in shown] == [0, 1_000, 2_000, 3_000]
        assert "ends_at" in shown[-1]
        assert "ends_at" not in shown[0]

    def test_the_row_names_a_stage_before_its_first_part_is_done(self, jobs: PipelineJobs) -> None:
        jobs.pages.pages = [products(10)]
        shown: dict[str, Any] = {}

        def show(stage: str) -> None:
            shown.setdefault(stage, jobs.row.get("progress", {}).get("note"))

        def fetching(cursor: str | None) -> Any:
            show("extract")
            return fetch(cursor)

        def transforming(record: Any) -> Any:
            show("transform")
            return normalize.apply(record)

        def busy(method: str) -> bool:
            show("load" if method == "write" else "verify")
            return False

        fetch, normalize = jobs.pages.fetch, registry.TRANSFORMS["normalize-products"]
        jobs.monkeypatch.setattr(jobs.pages, "fetch", fetching)
        watched = replace(normalize, apply=transforming)
        jobs.monkeypatch.setattr(registry, "TRANSFORMS", {"normalize-products": watched})
        jobs.table.is_throttled = busy

        ended = jobs.run(source=API, off_peak={"hour": 20, "time_zone": "UTC"})

        assert ended.succeeded, jobs.row.get("error")
        assert shown == {stage: stage for stage in ("extract", "transform", "load", "verify")}

    def test_a_job_that_was_stopped_does_no_more_parts(self, jobs: PipelineJobs) -> None:
        jobs.pages.pages = [products(10, 10 * number) for number in range(9)]
        jobs.pages.pause_seconds = 60
        fetch = jobs.pages.fetch

        def stopping(cursor: str | None) -> Any:
            if cursor == "3":
                jobs.stop()
            return fetch(cursor)

        jobs.monkeypatch.setattr(jobs.pages, "fetch", stopping)

        ended = jobs.run(source=API)

        assert not ended.succeeded
        assert jobs.pages.fetched == [None, "1", "2", "3"]


def found_steps(ended: Any, name: str) -> Any:
    [step] = [each for each in ended.result.operations if each.name == name]
    return json.loads(step.result)


def after_loading(jobs: PipelineJobs, do: Callable[[], object]) -> None:
    """Have somebody else at work between loading and its verification, once."""
    seen: list[None] = []
    note = JobTable.note_progress

    def noting(self: JobTable, *args: Any) -> bool:
        if args[3].note == "verify" and not seen:
            seen.append(None)
            do()
        return note(self, *args)

    jobs.monkeypatch.setattr(JobTable, "note_progress", noting)


def throttle(jobs: PipelineJobs, method: str, *, turns: int) -> None:
    """Let the table turn all calls of *method* away until the pipeline has paused so often."""
    turn = stage_work.Turn._throttled
    left = [turns]

    def pausing(self: stage_work.Turn) -> Any:
        left[0] -= 1
        return turn(self)

    jobs.monkeypatch.setattr(stage_work.Turn, "_throttled", pausing)
    jobs.table.is_throttled = lambda called: called == method and left[0] > 0


def stock_of(jobs: PipelineJobs, sku: str) -> int:
    stock: int = jobs.table.rows("products", [sku])[sku].record["stock"]
    return stock


def without_runs(items: Mapping[Any, Any]) -> dict[Any, Any]:
    """The run is named by when its job was submitted; its parts are not."""
    return {place: (record, source.rpartition("/")[2]) for place, (record, source) in items.items()}


def nested(levels: int) -> Any:
    return [nested(levels - 1)] if levels else []


def spoil(jobs: PipelineJobs, missing: tuple[str, ...] = (), other: tuple[str, ...] = ()) -> None:
    for sku in missing:
        del jobs.table.items["products", sku]
    for sku in other:
        record, source = jobs.table.items["products", sku]
        jobs.table.items["products", sku] = {"M": {**record["M"], "stock": {"N": "9"}}}, source
