"""`python -m local`: run the platform on this machine, and deploy to it."""

import signal
import sys

if __name__ == "__main__":
    # The imports take a second or two; a Ctrl-C in between should end them without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from local.command_line import main

    sys.exit(main())
