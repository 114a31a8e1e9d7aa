"""An emulator of Azure Blob storage (Azurite) in a process of its own, for tests of stores on an object store."""

import base64
import email.utils
import hashlib
import hmac
import os
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.azurite import find

ACCOUNT, KEY = "tests", base64.b64encode(b"tests-secret").decode()
_ENDED_S = 60.0
_VERSION = "2023-11-03"


@dataclass(frozen=True, slots=True)
class AzureServer:
    """Containers are made by hand, as with a real store."""

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """Which the stores' libraries read, to find it."""
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
            "AZURE_STORAGE_USE_EMULATOR": "true",
            "AZURITE_BLOB_STORAGE_URL": self.endpoint,
        }

    def make_container(self, name: str) -> None:
        """Signed as "Authorize with Shared Key" of the Blob service says."""
        date = email.utils.formatdate(usegmt=True)
        headers = {"x-ms-date": date, "x-ms-version": _VERSION}
        # Eleven headers that this request does not have stand between the method and its own.
        signed = "\n".join(["PUT", *[""] * 11, *(f"{key}:{value}" for key, value in headers.items())])
        signed += f"\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
        digest = hmac.digest(base64.b64decode(KEY), signed.encode(), hashlib.sha256)
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
        url = f"{self.endpoint}/{ACCOUNT}/{name}?restype=container"
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers, method="PUT"), timeout=30) as answer:
            assert answer.status == 201


@contextmanager
def azure_server(cache_dir: Path) -> Iterator[AzureServer]:
    """It ends with the block, and what it holds with it. Skips on a laptop that does not have it, and fails where
    `CI=true`.
    """
    command = [*_program(cache_dir), "--blobHost", "127.0.0.1", "--blobPort", "0", "--silent", "--disableTelemetry"]
    # The versions of the protocol that its clients speak are newer than those it knows.
    command += ["--inMemoryPersistence", "--skipApiVersionCheck"]
    environment = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    assert child.stdout is not None
    try:
        lines = iter(child.stdout.readline, "")
        endpoint = next(line.split(" on ")[1].strip() for line in lines if "successfully listens on http" in line)
        # What else it says goes nowhere, and must not fill the pipe.
        threading.Thread(target=lambda: [None for _ in lines], daemon=True).start()
        yield AzureServer(endpoint)
    finally:
        child.kill()
        child.wait(_ENDED_S)
        child.stdout.close()


def _program(cache_dir: Path) -> list[str]:
    found = find(cache_dir)
    if found is not None:
        return found
    reason = "Azurite or Node is not here: run `python -m deploy.azurite`"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
