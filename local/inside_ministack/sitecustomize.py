"""What every Python process of MiniStack runs at its start, its function workers included.

On the workers' PYTHONPATH, so that functions need not know that they run locally.
"""

import json_logs  # type: ignore[import-not-found]  # on PYTHONPATH only inside MiniStack
import moved_clock  # type: ignore[import-not-found]  # likewise
import wake_at_stop  # type: ignore[import-not-found]  # likewise
import watch  # type: ignore[import-not-found]  # likewise

watch.end_with_the_platform()
json_logs.install()
wake_at_stop.install()
moved_clock.install()
