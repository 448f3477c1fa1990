"""The Ruby client's own tests, where there is a Ruby."""

import shutil
import subprocess
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[2] / "clients/ruby"
RUBY = shutil.which("ruby")


@pytest.mark.skipif(RUBY is None, reason="no ruby on this machine")
def test_the_ruby_client_keeps_its_own_promises() -> None:
    done = subprocess.run(  # the project's own tests
        [RUBY or "ruby", "-w", "test/test_client.rb"],
        cwd=CLIENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stderr
