"""Chunks and parts of a few records, so that a job has some of them and dies within a second.

Imported by the process that the functions' processes are forked from. What it changes are the
least sizes that payloads and plans may have; how a job is divided is still theirs.
"""

from datetime import timedelta
from types import ModuleType
from typing import Any

from functions.pipelines import pipeline_request, progress_notes, stage_work
from functions.shared import batch_plan


def replace(module: ModuleType, **values: Any) -> None:
    """Set those of the attributes that *module* has, which is one at least."""
    known = vars(module).keys() & values.keys()
    assert known, f"{module.__name__} has none of {', '.join(values)} any more"
    vars(module).update({name: values[name] for name in known})


replace(pipeline_request, MIN_PART_RECORDS=10)
replace(batch_plan, MIN_CHUNK_BYTES=1024)
replace(batch_plan, MIN_RECORDS_OF_SMALL_CHUNK=31)
replace(batch_plan, CHUNKS_OF_A_SMALL_DATASET=4)
# Progress is told when something begins and when it ends, and not as often as the machine is slow.
for module in (progress_notes, stage_work):
    replace(module, PAUSE=timedelta(hours=1), seconds_between_notes=lambda _shards=0: 3600.0)
