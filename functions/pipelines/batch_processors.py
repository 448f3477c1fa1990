"""The processor that a batch names, with what it calls; made when the first chunk needs it."""

from functools import cache

from functions.pipelines import clients
from functions.pipelines.batch_request import BatchRequest
from functions.pipelines.dataset_table import DatasetTable, TableCall
from functions.pipelines.endpoints import Endpoints
from functions.pipelines.processor import Call, Processor
from functions.pipelines.processors import Called, Recipe, processor_named, recipe_named
from functions.shared.errors import MalformedPayloadError


def checked_recipe(request: BatchRequest) -> Recipe:
    """What is made of records, and what it calls.

    Raises:
        UnknownProcessorError: There is no such processor.
        MalformedPayloadError: It needs an endpoint, or has no use for one.
    """
    recipe = recipe_named(request.processor)
    if recipe.called is Called.ENDPOINT and request.endpoint is None:
        raise MalformedPayloadError("endpoint must name the one that the processor calls")
    if recipe.called is not Called.ENDPOINT and request.endpoint is not None:
        raise MalformedPayloadError("endpoint is only for processors that call one")
    return recipe


def processor_of(
    name: str, endpoint: str | None, *, table: DatasetTable, endpoints_path: str, source: str
) -> Processor:
    """The processor *name*; *source* tells people who wrote what it writes."""
    recipe = recipe_named(name)
    calls: dict[str, Call] = {}
    match recipe.called:
        case Called.DATASET_TABLE:
            dataset = recipe.dataset or ""
            key_field = recipe.transform.key
            calls[Called.DATASET_TABLE] = TableCall(table, dataset, key_field, source)
        case Called.ENDPOINT:
            calls[Called.ENDPOINT] = _http_call(endpoints_path, endpoint or "")
    return processor_named(name, calls)


def _http_call(endpoints_path: str, endpoint: str) -> Call:
    # Few batches post their records; the others do not load what it takes.
    from functions.pipelines.http_call import HttpCall  # noqa: PLC0415
    from functions.pipelines.http_exchange import HttpExchange  # noqa: PLC0415

    exchange = HttpExchange(_endpoints(endpoints_path))
    return HttpCall(exchange, exchange.find(endpoint))


@cache
def _endpoints(path: str) -> Endpoints:
    return Endpoints(path, clients.ssm, clients.secrets)
