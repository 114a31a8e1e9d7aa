"""The bytes of one request into an upload: to the disk as they come, in bounded memory, from a client that hurries."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio
from anyio.to_thread import run_sync
from starlette.requests import ClientDisconnect

from stream.service.problems import Problem
from stream.service.uploads.register import Upload
from stream.service.uploads.spool import PartFile
from stream.service.uploads.tus import Checksum
from stream.service.uploads.uploads import Uploads

WITHIN_S, LEAST_BYTES = 30.0, 32 << 10
"""In so long a time so many bytes have to come, or the end."""
_WRITE_BYTES, _KEEP_BYTES = 1 << 20, 64 << 20


@dataclass(slots=True)
class Receiver:
    """Writes to `part`, and counts in the register what is safe; what does not count is written again. With a
    `checksum` nothing counts before the end.
    """

    uploads: Uploads
    upload: Upload
    part: PartFile
    checksum: Checksum | None

    async def take(self, body: AsyncIterator[bytes]) -> int:
        """The offset that was reached; what came before a client went away or was too slow counts. Raises `Problem`
        (408, 413, 460, 507).
        """
        try:
            await self._all(body)
        except ClientDisconnect:
            await self._keep()
            raise
        except TimeoutError:
            await self._keep()
            raise Problem(
                408, f"Less than {LEAST_BYTES >> 10} KiB came in {WITHIN_S:g} seconds.", code="slow_request"
            ) from None
        if self.checksum is not None and not self.part.matches(self.checksum):
            raise Problem(460, "The bytes are not those of `Upload-Checksum`.", code="checksum_mismatch")
        self.checksum = None
        await self._keep()
        return self.part.offset

    async def _all(self, body: AsyncIterator[bytes]) -> None:
        held, kept, came = bytearray(), self.part.offset, 0
        with anyio.fail_after(WITHIN_S) as patience:
            try:
                async for data in body:
                    came += len(data)
                    if self.part.offset + len(held) + len(data) > self.upload.size_bytes:
                        held.clear()
                        raise Problem(413, "There are more bytes than `Upload-Length` says.", code="large_request")
                    held += data
                    if len(held) >= _WRITE_BYTES:
                        await run_sync(self.part.write, bytes(held))
                        held.clear()
                    if self.part.offset - kept >= _KEEP_BYTES:
                        kept = self.part.offset
                        await self._keep()
                    if came >= LEAST_BYTES:
                        came, patience.deadline = 0, anyio.current_time() + WITHIN_S
            finally:
                # Also of who goes away: the next request begins behind it.
                with anyio.CancelScope(shield=True):
                    await run_sync(self.part.write, bytes(held))

    async def _keep(self) -> None:
        if self.checksum is None:
            with anyio.CancelScope(shield=True):
                count = await run_sync(self.part.keep)
                await run_sync(self.uploads.received, self.upload, count)
