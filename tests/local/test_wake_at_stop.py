"""The wake-at-stop shim is still needed, and applies to the one version that it was read in."""

import importlib.metadata
import inspect

from aws_durable_execution_sdk_python import state

from local.inside_ministack import wake_at_stop


def test_the_pinned_sdk_still_sleeps_through_its_own_stop() -> None:
    """When this fails, see whether the SDK wakes its thread now.

    If so, delete `local/inside_ministack/wake_at_stop.py`, this file and the line in
    `tests/conftest.py`; if not, state the version there.
    """
    version = importlib.metadata.version("aws-durable-execution-sdk-python")
    source = inspect.getsource(state)
    _, _, stop = source.partition("def stop_checkpointing(self)")
    body, _, _ = stop.partition("\n    def ")

    assert version == wake_at_stop.SDK_VERSION
    assert "_stop" in body
    assert "_checkpoint_queue" not in body
    assert state._STOP_SIGNAL_POLL_SECONDS > 0


def test_the_tests_own_runner_is_woken() -> None:
    assert inspect.unwrap(state.ExecutionState.stop_checkpointing) is not (
        state.ExecutionState.stop_checkpointing
    )
