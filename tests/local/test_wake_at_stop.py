"""The wake-at-stop shim is still needed, and applies to the one version that it was read in."""

import importlib.metadata
import inspect

from aws_durable_execution_sdk_python import state

from local.inside_ministack import wake_at_stop


def test_the_pinned_sdk_is_the_one_that_the_shim_was_made_for() -> None:
    assert importlib.metadata.version("aws-durable-execution-sdk-python") == (
        wake_at_stop.SDK_VERSION
    )


def test_the_sdk_still_sleeps_through_its_own_stop() -> None:
    """When this fails, upstream wakes its queue: delete the shim, here and in `tests/conftest`."""
    source = inspect.getsource(state)
    _, _, stop = source.partition("def stop_checkpointing(self)")
    body, _, _ = stop.partition("\n    def ")

    assert "_stop" in body
    assert "_checkpoint_queue" not in body
