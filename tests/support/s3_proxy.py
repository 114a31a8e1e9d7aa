"""An object store in trouble: a proxy before it, in a process of its own. (Some calls of the stores' libraries let no
other thread of theirs run while they wait.)
"""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from tests.support.programs import ROOT, program

CONTROL = "/-/treatment"
PASS, HANG, UNCONDITIONAL, LOST = "pass", "hang", "unconditional", "lost"
"""Forward; do not answer until the treatment changes; forward without conditions; forward and answer nothing."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """What becomes of requests of `method` (of any, if empty) whose path holds `part`. With a `status`, `action` is the
    error code that is answered, in the XML of S3 and Azure.
    """

    action: str
    status: int = 0
    method: str = ""
    part: str = ""

    def applies(self, method: str, path: str) -> bool:
        return self.method in ("", method) and self.part in path


@dataclass(frozen=True, slots=True)
class S3Proxy:
    endpoint: str

    def treat(self, treatment: Treatment) -> None:
        """Every request from here on."""
        body = json.dumps(asdict(treatment)).encode()
        with urllib.request.urlopen(urllib.request.Request(self.endpoint + CONTROL, body, method="POST"), timeout=30):
            return


@contextmanager
def s3_proxy(behind: str) -> Iterator[S3Proxy]:
    """A proxy for the server at the endpoint `behind`, which forwards until it is told otherwise."""
    child = subprocess.Popen(program("s3_proxy", behind), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        yield S3Proxy(child.stdout.readline().strip())
    finally:
        child.kill()
        child.wait(30)
        child.stdout.close()
