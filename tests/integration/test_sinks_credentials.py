"""An object store that looks at who asks: the credentials of the environment, wrong ones, and some without rights."""

import json
import re
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest

from sinks.location import Location
from stream.errors import Unavailable
from tests.support.annotations import annotations, events, planned
from tests.support.s3_server import S3Server, s3_server
from tests.support.sinks import build, rows_of

PLACE = Location.of("s3://guarded/store")
_ANYBODY = "AWS4-HMAC-SHA256 Credential=a/20200101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0"
_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


@dataclass(frozen=True, slots=True)
class Key:
    id: str
    secret: str


def asked(server: S3Server, path: str, body: bytes, headers: dict[str, str] | None = None) -> str:
    request = urllib.request.Request(server.endpoint + path, body, headers or {}, method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


def user(server: S3Server, name: str, policy: Mapping[str, object] | None) -> Key:
    """A key of a new user who may do what the policy says."""

    def told(action: str, **more: str) -> str:
        words = {"Action": action, "UserName": name, "Version": "2010-05-08", **more}
        return asked(server, "/", urlencode(words).encode(), {"Authorization": _ANYBODY})

    told("CreateUser")
    if policy is not None:
        told("PutUserPolicy", PolicyName="all", PolicyDocument=json.dumps(policy))
    found = told("CreateAccessKey")
    names = ("AccessKeyId", "SecretAccessKey")
    return Key(*(match[1] for one in names if (match := re.search(f"<{one}>([^<]+)</{one}>", found))))


@dataclass(frozen=True, slots=True)
class Guarded:
    writer: Key
    stranger: Key


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple[S3Server, Guarded]]:
    with s3_server() as server:
        server.make_bucket("guarded")
        keys = Guarded(user(server, "writer", _EVERYTHING), user(server, "stranger", None))
        # From here on it looks at every request.
        asked(server, "/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"})
        yield server, keys


def use(monkeypatch: pytest.MonkeyPatch, server: S3Server, key: Key) -> None:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key.secret)


@pytest.mark.parametrize("name", ["lance", "delta"])
def test_only_who_may_writes(name: str, guarded: tuple[S3Server, Guarded], monkeypatch: pytest.MonkeyPatch) -> None:
    server, keys = guarded
    place = PLACE.child(name)
    wrong = {
        "does not accept the credentials": [Key("nobody", "nothing"), Key(keys.writer.id, "nothing")],
        "denies access": [keys.stranger],
    }
    for words, some in wrong.items():
        for key in some:
            use(monkeypatch, server, key)
            with pytest.raises(Unavailable, match=words) as refused:
                build(name, place)
            assert refused.value.code == "store_unavailable"
            assert keys.writer.secret not in refused.value.message
    use(monkeypatch, server, keys.writer)
    sink = build(name, place)
    list(sink.process(events(planned(of=1), annotations(of=1, count=3))))
    assert len(rows_of(sink)) == 3
    sink.close()
