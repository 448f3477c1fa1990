"""The memory that a worker is said to have held."""

import subprocess
import sys

from functions.pipelines.peak_memory import peak_memory_mib

MIB = 1024 * 1024
TELL = "from functions.pipelines.peak_memory import peak_memory_mib; print(peak_memory_mib())"


def test_what_was_held_for_a_moment_counts() -> None:
    before = peak_memory_mib()

    held = bytes(range(256)) * ((before + 100) * MIB // 256)

    assert len(held) > before * MIB
    assert peak_memory_mib() >= before + 100


def test_what_the_starting_process_holds_is_not_a_workers_own() -> None:
    held = bytes(range(256)) * (400 * MIB // 256)

    told = subprocess.run([sys.executable, "-c", TELL], capture_output=True, text=True, check=True)

    assert len(held) == 400 * MIB
    assert int(told.stdout) < 100
