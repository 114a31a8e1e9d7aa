"""Sessions of browsers: how long they hold, and what is kept of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.clock import ManualClock
from stream.errors import Unavailable
from stream.identity.browser_origins import has_token
from stream.identity.browser_sessions import IDLE_MS, MOST_MS, BrowserSessions, SignedIn

ANA = SignedIn("oidc:https://idp.example#ana", "Ana", ("oidc-group:https://idp.example#cutters",))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def sessions(tmp_path: Path, clock: ManualClock) -> Iterator[BrowserSessions]:
    made = BrowserSessions(tmp_path / "sessions.db", clock)
    yield made
    made.close()


def test_another_process_finds_a_session_until_it_ends(
    sessions: BrowserSessions, tmp_path: Path, clock: ManualClock
) -> None:
    secret = sessions.begin(ANA)
    other = BrowserSessions(tmp_path / "sessions.db", clock)
    found = other.find(secret)
    assert found is not None
    assert found.who == ANA
    assert has_token(secret, found.token)
    assert not has_token(secret, None)
    assert not has_token(secret + "x", found.token)
    assert other.find(secret + "x") is None
    sessions.end(secret)
    assert other.find(secret) is None
    other.close()


def test_a_session_that_nobody_uses_ends(sessions: BrowserSessions, clock: ManualClock) -> None:
    secret = sessions.begin(ANA)
    clock.advance(IDLE_MS / 1000 - 1)
    assert sessions.find(secret) is not None
    clock.advance(IDLE_MS / 1000 - 1)
    assert sessions.find(secret) is not None
    clock.advance(IDLE_MS / 1000)
    assert sessions.find(secret) is None


def test_a_session_in_use_ends_too(sessions: BrowserSessions, clock: ManualClock) -> None:
    secret, short = sessions.begin(ANA), sessions.begin(ANA, until_ms=clock.now_ms() + 60_000)
    clock.advance(59)
    assert sessions.find(short) is not None
    clock.advance(1)
    assert sessions.find(short) is None
    for _ in range(MOST_MS // IDLE_MS * 2 - 1):
        clock.advance(IDLE_MS / 2000)
        assert sessions.find(secret) is not None
    clock.advance(IDLE_MS / 2000)
    assert sessions.find(secret) is None


def test_a_sign_in_ends_the_session_before_it(sessions: BrowserSessions) -> None:
    old = sessions.begin(ANA)
    new = sessions.begin(ANA, replaces=old)
    assert old != new
    assert sessions.find(old) is None
    assert sessions.find(new) is not None


def test_who_reads_the_file_cannot_take_a_session_over(sessions: BrowserSessions, tmp_path: Path) -> None:
    secret = sessions.begin(ANA)
    found = sessions.find(secret)
    assert found is not None
    files = list(tmp_path.iterdir())
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    kept = b"".join(path.read_bytes() for path in files)
    assert ANA.principal.encode() in kept
    assert secret.encode() not in kept
    assert found.token.encode() not in kept


def test_a_file_that_cannot_be_used_is_said(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "sessions.db").write_bytes(b"no database" * 1000)
    with pytest.raises(Unavailable) as caught:
        BrowserSessions(tmp_path / "sessions.db", clock)
    assert caught.value.code == "sessions_unavailable"
