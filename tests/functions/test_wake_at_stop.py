"""The runner is sped up by a patch of the SDK's insides; it must go when upstream needs it not."""

import importlib.metadata
import inspect

from aws_durable_execution_sdk_python import state

from tests.conftest import SDK_THAT_OVERSLEEPS, stop_checkpointing


def test_the_sdk_still_oversleeps_its_own_stop() -> None:
    """Where this fails, a newer SDK is here: see whether it wakes its thread, and delete the patch.

    It sleeps up to 0.1 s on its queue at the end of every invocation.
    """
    version = importlib.metadata.version("aws-durable-execution-sdk-python")

    assert version == SDK_THAT_OVERSLEEPS
    assert "_checkpoint_queue" not in inspect.getsource(stop_checkpointing)
    assert state._STOP_SIGNAL_POLL_SECONDS > 0
