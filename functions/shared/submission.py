"""Which submission of a job it is whose work is done: an id may come again.

A row is forgotten some days after its job has ended, and then nothing keeps a producer from
submitting another job under the same id. What jobs leave behind for longer than their rows names
the submission, so that the other job does not take it for its own.
"""

from functions.shared import durable_job as job_function
from functions.shared.errors import JobNotFoundError


def submission_of(job_id: str) -> str:
    """The same for all attempts at a job, and another one for the next job of this id.

    Raises:
        JobNotFoundError: The row is gone.
    """
    job = job_function.jobs.get(job_id)
    if job is None:
        raise JobNotFoundError(f"the row of job {job_id} is gone")
    return f"{job_id} of {job.created_at}"
