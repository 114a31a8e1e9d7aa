"""The `rushes` command line. `commands` has one file per command, `options` what they share, `rendering` their output.

Begin with `app`.
"""

import os

# Before pydantic is imported, which would look through everything that is installed for plugins at every start.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
