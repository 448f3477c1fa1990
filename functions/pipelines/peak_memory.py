"""The most memory that this process has held so far."""

import resource
from pathlib import Path

_STATUS = Path("/proc/self/status")
_KIB_PER_MIB = 1024


def peak_memory_mib() -> int:
    """In MiB, of this program alone.

    What the system counts of resources is inherited: of a process that was forked it tells what
    its parent held, too.
    """
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _KIB_PER_MIB
    [most] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(most) // _KIB_PER_MIB
