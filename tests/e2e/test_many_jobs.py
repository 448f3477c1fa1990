"""Many jobs at once: each is done, each once, and nothing is left over."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest

from functions.shared.job import JobStatus
from tests.e2e.deployed_jobs import SIMULATOR, DeployedJobs, eventually

SUBMITTERS = 8
# A laptop runs no more functions at once than this, however many jobs there are.
MOST_PROCESSES = 60


@pytest.mark.platform
def test_a_hundred_jobs_submitted_at_once_are_each_done_once(deployed: DeployedJobs) -> None:
    _submit_and_judge(deployed, "hundred", 100)


@pytest.mark.soak
def test_a_thousand_jobs_submitted_at_once_are_each_done_once(deployed: DeployedJobs) -> None:
    _submit_and_judge(deployed, "thousand", 1000)


def _submit_and_judge(deployed: DeployedJobs, named: str, count: int) -> None:
    job_ids = [f"{named}-{number:04}" for number in range(count)]
    with _processes() as most_processes:
        started = time.monotonic()
        with ThreadPoolExecutor(SUBMITTERS) as submitters:
            list(submitters.map(deployed.submit_mail, job_ids))
        submitted = time.monotonic() - started
        # The index of open jobs is empty of them when all have ended well.
        eventually(
            lambda: not _open(deployed, named) or None, seconds=900, what=f"{count} jobs to end"
        )
        took = time.monotonic() - started

    statuses = Counter(deployed.jobs.get(job_id).status for job_id in job_ids)
    mails = Counter(to for sent in deployed.inbox()["mails"] for to in sent["to"])
    deployed.wait_until_quiet()
    sys.stdout.write(
        f"\n{count} jobs: submitted in {submitted:.1f} s, all done in {took:.1f} s "
        f"({count / took:.1f} a second), with {most_processes[0]} processes at most\n"
    )
    assert statuses == {JobStatus.COMPLETED: count}
    assert {mails[SIMULATOR.format(job_id=job_id)] for job_id in job_ids} == {1}
    assert not any(named in str(told["message"]) for told in deployed.inbox()["slack"])
    assert most_processes[0] <= MOST_PROCESSES


def _open(deployed: DeployedJobs, named: str) -> list[str]:
    return [
        job.job_id
        for status in (JobStatus.PENDING, JobStatus.PROCESSING, JobStatus.FAILED)
        for job in deployed.jobs.list(status=status, limit=10_000)
        if job.job_id.startswith(named)
    ]


@contextmanager
def _processes() -> Iterator[list[int]]:
    """The most processes that ran at one time; a list of one, so that it can grow meanwhile."""
    most = [0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(1):
            most[0] = max(most[0], len(psutil.Process().children(recursive=True)))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield most
    finally:
        done.set()
        watching.join()
