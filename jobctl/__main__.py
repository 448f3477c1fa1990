"""`python -m jobctl`."""

from jobctl.cli import app

if __name__ == "__main__":
    app(prog_name="jobctl")
