"""`rushes access` as an administrator uses it."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from sinks.maintenance.marker import identified
from stream.access.api_keys import is_key
from stream.cli.app import app
from stream.cli.execution import CANNOT_RUN, execute


class Admin:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.code = 0
        self.err = ""

    def call(self, *words: str) -> str:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            self.code = execute(app, ["--state", f"{self.root}/state", "access", *words])
        self.err = err.getvalue()
        return out.getvalue()


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    return Admin(tmp_path)


def test_roles_are_given_explained_and_taken(admin: Admin) -> None:
    assert "Nobody has been given a role" in admin.call("list")
    admin.call("give", "viewer", "service:acme/bot", "--tenant", "acme", "--project", "red")
    admin.call("give", "editor", "team:cutters", "--tenant", "acme", "--days", "3")
    admin.call("team", "cutters", "--tenant", "acme", "--member", "service:acme/bot")
    assert "may search in acme/red" in admin.call(
        "explain", "service:acme/bot", "search", "--tenant", "acme", "--project", "red"
    )
    decision = json.loads(admin.call("explain", "service:acme/bot", "export", "--tenant", "acme", "--json"))
    assert (admin.code, decision["allowed"]) == (0, True)
    assert decision["reasons"][0]["text"].startswith("is editor through team cutters, given by os:")
    assert "may not delete" in admin.call("explain", "service:acme/bot", "delete", "--tenant", "acme")
    assert admin.code == 1
    admin.call("take", "editor", "team:cutters", "--tenant", "acme")
    assert "no role of theirs" in admin.call("explain", "service:acme/bot", "export", "--tenant", "acme")
    kinds = [record["kind"] for record in json.loads(admin.call("list", "--json"))]
    assert kinds == ["grant", "team"]
    assert "find moments" in admin.call("roles")


def test_in_a_pipe_a_row_is_a_line(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    person = "oidc:https://identity.provider.example.com/realms/media#248289761001-and-more"
    admin.call("give", "viewer", person, "--tenant", "acme", "--project", "documentary")
    monkeypatch.delenv("COLUMNS", raising=False)
    for columns, lines in ((None, 1), ("80", 0)):
        if columns is not None:
            monkeypatch.setenv("COLUMNS", columns)
        found = [line for line in admin.call("list").splitlines() if person in line and "viewer" in line]
        assert len(found) == lines


def test_a_key_is_shown_once_and_never_kept(admin: Admin) -> None:
    secret = admin.call("key", "bot", "--tenant", "acme", "--role", "viewer").strip()
    assert is_key(secret)
    (made,) = json.loads(admin.call("list", "--json"))
    assert "digest" not in made
    assert "viewer" in admin.call("list")
    for path in (admin.root / "state").iterdir():
        assert secret.encode() not in path.read_bytes()
        assert secret[4:20].encode() not in path.read_bytes()
    assert (admin.root / "state" / "access.pepper").stat().st_mode & 0o077 == 0
    admin.call("revoke", made["key_id"])
    assert (admin.code, json.loads(admin.call("list", "--json"))) == (0, [])


def test_a_key_becomes_less_and_never_more(admin: Admin) -> None:
    admin.call("key", "bot", "--tenant", "acme", "--days", "30")
    (made,) = json.loads(admin.call("list", "--json"))
    told = admin.call("narrow", made["key_id"], "--role", "viewer", "--project", "news", "--days", "7")
    assert (admin.code, f"key {made['key_id']} has less" in told) == (0, True), admin.err
    (less,) = json.loads(admin.call("list", "--json"))
    assert (less["roles"], less["project"], less["until_ms"] < made["until_ms"]) == (["viewer"], "news", True)
    more = ((("--role", "admin"), "its roles are viewer"), (("--days", "70"), "ends before"), ((), "say what"))
    for words, why in more:
        admin.call("narrow", made["key_id"], *words)
        assert (admin.code, why in admin.err) == (CANNOT_RUN, True), admin.err
    assert json.loads(admin.call("list", "--json")) == [less]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("give", "god", "service:a/b"), "Invalid value for 'role': 'god' is not one of 'viewer'"),
        (("give", "viewer", "anna"), "oidc:ISSUER#SUBJECT"),
        (("team", "x", "--member", "team:y"), "service:TENANT/NAME"),
        (("give", "viewer", "service:a/b", "--tenant", "a/b"), "tenant"),
        (("give", "viewer", "service:a/b", "--project", "*"), "project"),
        (("give", "viewer", "service:a/b", "--days", "0"), "--days"),
        (("take", "viewer", "service:a/b"), "is not viewer"),
        (("revoke", "k1"), "no key k1"),
        (("key", "a b"), "owner"),
        (("explain", "service:a/b", "fly"), "fly"),
    ],
)
def test_what_is_wrong_is_said(admin: Admin, words: tuple[str, ...], named: str) -> None:
    admin.call(*words)
    assert admin.code == CANNOT_RUN
    assert named in admin.err
    assert json.loads(admin.call("list", "--json")) == []


def test_a_register_that_cannot_be_read_gives_nobody_anything(admin: Admin) -> None:
    admin.call("give", "viewer", "service:acme/bot")
    path = admin.root / "state" / "access.json"
    for text in ("[", "{}", "[{}]", '[{"kind": "grant"}]'):
        path.write_text(text)
        admin.call("list")
        assert admin.code == CANNOT_RUN
        assert "access_unreadable" in admin.err


def test_who_is_not_reached_is_told(admin: Admin) -> None:
    admin.call("give", "viewer", "team:cutters", "--tenant", "acme")
    assert "team:cutters of acme has no members yet" in admin.err
    admin.call("team", "cutters", "--tenant", "acme", "--member", "oidc:https://idp.example.com#248 289")
    admin.call("give", "editor", "team:cutters", "--tenant", "acme")
    assert (admin.code, admin.err) == (0, "")


def test_who_forgets_the_cluster_is_told_where_the_roles_are(admin: Admin) -> None:
    identified(admin.root / "state", (), "rushes", "a cluster")
    admin.call("revoke", "k0123456789ab")
    assert admin.code == CANNOT_RUN
    assert "need --broker" in admin.err
    assert f"in {admin.root}/state" in admin.err
