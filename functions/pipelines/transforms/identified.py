"""Records as they are: any object with a field `id`, which tells it from all others."""

from functions.pipelines.processor import Transform
from functions.pipelines.records import Record
from functions.pipelines.schema import Schema

_IDENTIFIED = Schema(
    {
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {
                "type": "string",
                "minLength": 1,
                "maxLength": 200,
                "description": "a text of 1 to 200 characters",
            }
        },
    }
)


def _same(record: Record) -> Record:
    return record


IDENTIFIED = Transform(
    name="identified", version=1, takes=_IDENTIFIED, gives=_IDENTIFIED, key="id", apply=_same
)
