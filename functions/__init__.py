"""What must come before any import of a function; else nothing belongs here.

Python looks for garbage whenever 700 objects more are alive. A function that starts makes 75,000
that stay, so that nearly all of this looking is in vain, and takes a sixth of a cold start.
"""

import gc

gc.set_threshold(50_000)
