"""An S3-compatible server (moto) in a process of its own, for tests of stores on an object store."""

import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_STARTED_S = 60.0

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "tests",
    "AWS_SECRET_ACCESS_KEY": "tests-secret",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}


@dataclass(frozen=True, slots=True)
class S3Server:
    """Buckets are made by hand, as with a real store."""

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """Which the stores' libraries read, to find it."""
        return {**ENVIRONMENT, "AWS_ENDPOINT_URL": self.endpoint}

    def make_bucket(self, name: str) -> None:
        request = urllib.request.Request(f"{self.endpoint}/{name}", method="PUT")
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """It ends with the block, and what it holds with it."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    try:
        lines = iter(child.stderr.readline, "")
        endpoint = next(line.split("Running on ")[1].strip() for line in lines if "Running on http://127" in line)
        # Its log of requests goes nowhere, and must not fill the pipe.
        drain = threading.Thread(target=lambda: [None for _ in lines], daemon=True)
        drain.start()
        yield S3Server(endpoint)
    finally:
        child.kill()
        child.wait(_STARTED_S)
        child.stderr.close()
