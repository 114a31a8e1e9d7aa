"""Uploads at work: begun, received, stored whole, published; what was cut off goes on, and what nobody goes on with is
removed.
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex

from stream.audit.ocsf import AccessSubject, Activity, Actor, ActorKind, Origin
from stream.audit.recorder import Recorder, asset_name
from stream.clock import Clock
from stream.errors import StageError
from stream.events.asset import Profile
from stream.pipelines.source_policies import KnownTenants
from stream.service.problems import Problem, absent
from stream.service.tenant_limits import agreed_region
from stream.service.uploads.register import Upload, UploadRegister, UploadState
from stream.service.uploads.spool import Spool
from stream.service.uploads.tus import Checksum, shown_name
from stream.sessions.background import BackgroundWork, NewFootage

KEPT_MS = 24 * 3_600_000
"""An upload that nobody goes on with for so long is removed."""
ITSELF = Actor("rushes:serve", ActorKind.SYSTEM)
"""Who goes on with what was cut off."""
_WHOLE = frozenset({UploadState.RECEIVING, UploadState.STORED})
_LOOK_S = 30.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """`most_bytes`: of one upload. `tenant_bytes`: of all uploads of a tenant that are kept."""

    most_bytes: int = 64 << 30
    tenant_bytes: int = 1 << 40


@dataclass(frozen=True, slots=True)
class UploadAsked:
    """What a caller wants to send, with rights to publish it there."""

    principal: str
    tenant: str
    project: str
    name: str
    size_bytes: int
    sha256: Checksum | None
    profile: Profile
    labels: Mapping[str, str]


class Uploads:
    """Thread-safe. Between `start` and `close` a thread goes on with what was cut off. `secret` keys names of assets in
    the trail.
    """

    def __init__(
        self,
        register: UploadRegister,
        spool: Spool,
        background: BackgroundWork,
        tenants: KnownTenants,
        clock: Clock,
        limits: UploadLimits,
        recorder: Recorder,
        secret: bytes,
    ) -> None:
        self.register = register
        self.spool = spool
        self.limits = limits
        self._background = background
        self._tenants = tenants
        self._clock = clock
        self._recorder = recorder
        self._secret = secret
        self._lock = threading.Lock()
        self._at_work: set[str] = set()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, asked: UploadAsked) -> Upload:
        """Raises `Problem` (400, 409, 413, 507)."""
        if not 0 < asked.size_bytes <= self.limits.most_bytes:
            raise Problem(
                413,
                f"An upload has from 1 to {self.limits.most_bytes} bytes.",
                code="large_upload" if asked.size_bytes else "invalid_upload_header",
            )
        region = agreed_region(self._tenants, asked.tenant, asked.project)
        self.spool.require_room(self.register.outstanding_bytes() + asked.size_bytes)
        now_ms, upload_id, name = self._clock.now_ms(), token_hex(16), shown_name(asked.name)
        upload = Upload(
            upload_id=upload_id,
            principal=asked.principal,
            tenant=asked.tenant,
            project=asked.project,
            region=region,
            # Ends with the name that people know; nothing on disk is called so.
            asset_id=f"uploads/{upload_id}/{name}",
            name=name,
            profile=asked.profile,
            labels=asked.labels,
            size_bytes=asked.size_bytes,
            sha256=None if asked.sha256 is None else asked.sha256.digest,
            received=0,
            state=UploadState.RECEIVING,
            code=None,
            created_ms=now_ms,
            touched_ms=now_ms,
        )
        # What no event may hold must not be found out after hours of sending.
        self._publication(upload).event()
        self.spool.begin(upload_id)
        self.register.add(upload, self.limits.tenant_bytes)
        return upload

    def find(self, principal: str, upload_id: str) -> Upload:
        """Raises `Problem` (404): also for somebody else's, and for one that has expired."""
        found = self.register.find(upload_id)
        if found is None or found.principal != principal or self._expired(found):
            raise absent()
        return found

    def expires_ms(self, upload: Upload) -> int | None:
        return upload.touched_ms + KEPT_MS if upload.state is UploadState.RECEIVING else None

    def received(self, upload: Upload, count: int) -> None:
        """So many bytes are on disk."""
        self.register.received(upload.upload_id, count, self._clock.now_ms())

    def complete(self, upload: Upload, actor: Actor = ITSELF, origin: Origin = Origin()) -> None:  # noqa: B008 - frozen
        """All bytes are on disk: check and store them, and publish the asset, for `actor`. It may have been interrupted
        anywhere, and done before. Raises `Problem` (460) where the bytes are not those that were announced.
        """
        with self._lock:
            if upload.upload_id in self._at_work or upload.state not in _WHOLE:
                return
            self._at_work.add(upload.upload_id)
        name = asset_name(self._secret, upload.tenant, upload.asset_id)
        subject = AccessSubject("upload publish", upload.tenant, (name,))
        try:
            with self._recorder.access(Activity.PUBLISHED, subject, actor, origin):
                self._store(upload)
                self._publish(upload)
        except BaseException:
            self._leave(upload)
            raise

    def _store(self, upload: Upload) -> None:
        if upload.state is UploadState.STORED:
            return
        expected = None if upload.sha256 is None else Checksum(upload.sha256)
        # As it lies on the disk: that is what will be decoded. Without its part it was stored before.
        if (
            expected is not None
            and self.spool.is_part(upload.upload_id)
            and not self.spool.has(upload.upload_id, expected)
        ):
            self._refuse(upload, "checksum_mismatch")
            raise Problem(460, "The file is not the one whose `sha256` was announced.", code="checksum_mismatch")
        self.spool.store(upload.upload_id, upload.tenant)
        self.register.become(upload.upload_id, UploadState.STORED, self._clock.now_ms())

    def remove(self, upload: Upload) -> None:
        """Raises `Problem` (409) for one that is complete."""
        if upload.state in {UploadState.STORED, UploadState.PUBLISHED} or upload.received == upload.size_bytes:
            raise Problem(409, "The upload is complete: delete the asset instead.", code="upload_complete")
        self.register.forget(upload.upload_id)
        self.spool.remove(upload.upload_id)

    def look(self) -> None:
        """Remove what has expired, and go on with what was cut off."""
        for upload in self.register.untouched_since(self._clock.now_ms() - KEPT_MS):
            self._expire(upload)
        for upload in self.register.unfinished():
            try:
                self.complete(upload)
            # Its sender has gone; what became of it is in the register. What is away now is tried again.
            except (Problem, StageError) as error:
                _log.warning("an upload cannot be published (%s)", error.code)

    def _expire(self, upload: Upload) -> None:
        try:
            # The bytes first: what is forgotten nobody would remove any more. A refused one may have them still.
            self.spool.discard(upload.upload_id, upload.tenant if upload.state is UploadState.REFUSED else None)
            self.register.forget(upload.upload_id)
        except StageError as error:
            _log.warning("%s (%s)", error.message, error.code)

    def waiting(self) -> list[Upload]:
        """Those that are whole, and of which nobody has said yet that they are through."""
        return self.register.unfinished()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="uploads", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.register.close()

    def _work(self) -> None:
        while True:
            try:
                self.look()
            except StageError as error:
                _log.warning("%s (%s)", error.message, error.code)
            if self._stop.wait(_LOOK_S):
                return

    def _publish(self, upload: Upload) -> None:
        """What is not published now is published later: the bytes are safe."""

        def done(reason: str | None) -> None:
            if reason is None:
                self.register.become(upload.upload_id, UploadState.PUBLISHED, self._clock.now_ms())
            else:
                self._refuse(upload, reason)
            self._leave(upload)

        self._background.publish(self._publication(upload), done)

    def _refuse(self, upload: Upload, reason: str) -> None:
        """Its bytes go at once, as no asset will ever be made of them; why, is told for a day."""
        self.register.become(upload.upload_id, UploadState.REFUSED, self._clock.now_ms(), reason)
        self.spool.discard(upload.upload_id, upload.tenant)

    def _leave(self, upload: Upload) -> None:
        with self._lock:
            self._at_work.discard(upload.upload_id)

    def _publication(self, upload: Upload) -> NewFootage:
        return NewFootage(
            publication_id=upload.upload_id,
            tenant=upload.tenant,
            project=upload.project,
            region=upload.region,
            asset_id=upload.asset_id,
            uri=self.spool.uri(upload.upload_id, upload.tenant),
            size_bytes=upload.size_bytes,
            profile=upload.profile,
            labels=dict(upload.labels),
            published_ms=upload.created_ms,
        )

    def _expired(self, upload: Upload) -> bool:
        return upload.state is UploadState.RECEIVING and self._clock.now_ms() - upload.touched_ms >= KEPT_MS
