"""Records as they are, whatever objects they are.

The table of datasets knows them by a text in `id`, and takes none that lacks it; a dataset in S3
takes all.
"""

from functions.pipelines.processor import Transform
from functions.pipelines.records import Record
from functions.pipelines.schema import Schema

_ANYTHING = Schema({"type": "object"})


def _same(record: Record) -> Record:
    return record


AS_IS = Transform(name="as-is", version=2, takes=_ANYTHING, gives=_ANYTHING, key="id", apply=_same)
