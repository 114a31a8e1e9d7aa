"""Starting a program as somebody whom file permissions bind: root may read whatever it likes."""

import sys
from pathlib import Path

BOUND_BY_PERMISSIONS = (sys.executable, str(Path(__file__).with_name("drop_privileges.py")))
"""Put before a command."""
