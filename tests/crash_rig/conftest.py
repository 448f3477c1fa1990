"""The services read the names of their tables when they are imported, as in Lambda."""

import os

from tests.crash_rig.rig import ITEM_TABLES

for variable, table in ITEM_TABLES.items():
    os.environ.setdefault(variable, table)
