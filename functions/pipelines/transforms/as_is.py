"""Records as they are: any object."""

from functions.pipelines.processor import Transform
from functions.pipelines.records import Record
from functions.pipelines.schema import Schema

_ANY = Schema({"type": "object"})


def _same(record: Record) -> Record:
    return record


AS_IS = Transform(name="as-is", version=1, takes=_ANY, gives=_ANY, key="id", apply=_same)
