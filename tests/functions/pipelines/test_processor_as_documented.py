"""The processor of docs/pipelines.md, built as it stands there."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import boto3
import pytest

from functions.pipelines.dataset_table import DatasetTable
from functions.pipelines.processor import Task
from functions.pipelines.records import RecordRefusedError
from functions.pipelines.transforms.transforming import transforming

REPOSITORY = Path(__file__).parents[3]
PAGE = REPOSITORY / "docs" / "pipelines.md"
BLOCK = re.compile(r"^   ```(python|diff)\n(.*?)^   ```", re.MULTILINE | re.DOTALL)
TABLE = "people"


def shown() -> Mapping[str, str]:
    """The source of each module that is there when all is done as the page says, in order."""
    transform, call, changes = (dedent(text) for _, text in BLOCK.findall(PAGE.read_text()))
    return {
        "functions.pipelines.transforms.normalize_names": transform,
        "functions.pipelines.people_call": call,
        **changed(changes),
    }


def changed(changes: str) -> dict[str, str]:
    """The modules with each line that begins with a plus below the one that it is shown below."""
    sources: dict[str, str] = {}
    path = below = ""
    for line in changes.splitlines(keepends=True):
        if line.startswith("+++ "):
            path = line.removeprefix("+++ ").strip()
            sources[path] = (REPOSITORY / path).read_text()
        elif line.startswith("+"):
            assert sources[path].count(below) == 1, f"{path}: {below}"
            sources[path] = sources[path].replace(below, below + line[1:])
            below += line[1:]
        else:
            below = line[1:]
    return {name_of(path): source for path, source in sources.items()}


def name_of(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, ModuleType]:
    modules = {name: ModuleType(name) for name in shown()}
    for name, module in modules.items():
        # What imports it below finds this one; afterwards all is as it was.
        monkeypatch.setitem(sys.modules, name, module)
    for name, source in shown().items():
        exec(compile(source, name, "exec"), modules[name].__dict__)  # noqa: S102  # our own page
    return modules


@pytest.fixture
def people(table: DatasetTable, monkeypatch: pytest.MonkeyPatch) -> Any:
    del table
    client = boto3.client("dynamodb")
    client.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    monkeypatch.setenv("PEOPLE_TABLE_NAME", TABLE)
    yield client
    client.delete_table(TableName=TABLE)


def test_the_processor_that_is_shown_files_each_person_once(
    built: Mapping[str, ModuleType], table: DatasetTable, people: Any
) -> None:
    processor = built["functions.pipelines.batch_processors"].processor_of(
        "file-people", None, table=table, endpoints_path="/", source="job-1"
    )
    person = transforming(processor.transform)({"id": "1", "name": " ann lee ", "age": 40})

    for _ in range(2):
        processor.call([Task("job-1-0", person)])

    assert people.scan(TableName=TABLE)["Items"] == [{"id": {"S": "1"}, "name": {"S": "Ann Lee"}}]


def test_a_pipeline_finds_the_transform_that_is_shown(built: Mapping[str, ModuleType]) -> None:
    found = built["functions.pipelines.transforms.registry"].transform_named("normalize-names")

    assert found.key in found.gives.required
    with pytest.raises(RecordRefusedError, match="name must be a text that is not blank"):
        transforming(found)({"id": "1", "name": " "})
    with pytest.raises(RecordRefusedError, match="id must have at least 1 characters"):
        transforming(found)({"id": "", "name": "Ann"})


def test_what_is_shown_but_not_made_is_told_with_the_file_to_change(
    built: Mapping[str, ModuleType], table: DatasetTable, people: Any
) -> None:
    del people
    processors = built["functions.pipelines.processors"]
    name = "functions.pipelines.batch_processors"
    forgetful = ModuleType(name)
    exec((REPOSITORY / "functions/pipelines/batch_processors.py").read_text(), forgetful.__dict__)  # noqa: S102  # ours

    with pytest.raises(
        processors.CallMissingError, match=r"batch_processors\.py .* Called\.PEOPLE$"
    ):
        forgetful.processor_of("file-people", None, table=table, endpoints_path="/", source="job-1")


@pytest.mark.parametrize("checks", [["format", "--diff"], ["check", "--quiet"]], ids=" ".join)
@pytest.mark.parametrize("name", shown())
def test_what_is_shown_is_written_as_all_code_here(name: str, checks: list[str]) -> None:
    path = f"{name.replace('.', '/')}.py"

    told = subprocess.run(
        [sys.executable, "-m", "ruff", *checks, "--stdin-filename", path, "-"],
        input=shown()[name],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )

    assert told.returncode == 0, told.stdout
