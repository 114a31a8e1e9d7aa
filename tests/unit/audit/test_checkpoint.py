"""Notes of checkpoints: written as C2SP has them, and read strictly."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stream.audit.checkpoint import Checkpoint, SigningKey, VerifierKey
from stream.errors import BadRequest

KEY = SigningKey("example.com/audit", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = SigningKey("example.com/audit", Ed25519PrivateKey.from_private_bytes(bytes(32)))
CHECKPOINT = Checkpoint("example.com/audit", 42, bytes(range(32)))
NOTE = KEY.sign(CHECKPOINT)


def test_a_note_is_what_other_tools_read() -> None:
    lines = NOTE.decode().split("\n")
    assert lines[:4] == ["example.com/audit", "42", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", ""]
    assert lines[4].startswith("\N{EM DASH} example.com/audit ")
    assert lines[5:] == [""]
    assert str(KEY.verifier).startswith("example.com/audit+29b87bfc+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4")


def test_what_was_signed_is_read() -> None:
    key = VerifierKey.parse(str(KEY.verifier) + "\n")
    assert key == KEY.verifier
    assert key.opened(NOTE) == CHECKPOINT


def test_a_key_that_another_tool_wrote_is_read() -> None:
    """That of the documentation of Go's `sumdb/note`."""
    text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert str(VerifierKey.parse(text)) == text


def test_signatures_of_others_are_passed_over() -> None:
    witness = SigningKey("witness.example", Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\x07"))
    both = NOTE + witness.sign(CHECKPOINT).partition(b"\n\n")[2]
    assert KEY.verifier.opened(both) == CHECKPOINT == witness.verifier.opened(both)


@pytest.mark.parametrize(
    ("note", "why"),
    [
        (NOTE.replace(b"42", b"43"), "its signature is wrong"),
        (OTHER.sign(CHECKPOINT), "has not signed it"),
        (NOTE[:-1], "it is cut off"),
        (NOTE.replace(b"\n42\n", b"\n 42\n"), "does not begin with"),
        (NOTE.replace(b"\n42\n", b"\n042\n"), "does not begin with"),
        (NOTE.replace(b"\n42\n", b"\n4_2\n"), "does not begin with"),
        (NOTE.replace(b"Hh8=", b"Hh9="), "its root is not"),
        (NOTE.replace(b"Hh8=", b"Hh8=\nmore"), "its root is not"),
        (NOTE.replace(b"\n\n", b"\n"), "does not begin with"),
        (NOTE.replace("\N{EM DASH}".encode(), b"-"), "a line of its signatures"),
        (NOTE + b"\n", "a line of its signatures"),
        (b"\xff", "no UTF-8"),
        (b"x" * 20_000, "longer than 16 KiB"),
        (b"", "does not begin with"),
    ],
)
def test_nothing_else_is(note: bytes, why: str) -> None:
    with pytest.raises(BadRequest, match=why) as caught:
        KEY.verifier.opened(note)
    assert caught.value.code == "invalid_checkpoint"


@pytest.mark.parametrize("text", ["", "name", "name+00000000+AAAA", str(KEY.verifier).replace("+29", "+28"), "a b+1+2"])
def test_a_key_is_checked(text: str) -> None:
    with pytest.raises(BadRequest, match=r"name\+id\+key"):
        VerifierKey.parse(text)
