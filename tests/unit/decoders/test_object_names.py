"""Objects of stores: which names are taken, which lie under an allowed prefix; no other one is ever asked for."""

from typing import Any

import pytest

from decoders.sources.object_names import prefix_of
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from stream.errors import BadMedia

MARKS = [
    "a::b.mp4",
    "#1.mp4",
    "what?.mp4",
    "100%.mp4",
    "a b+c.mp4",
    "%20.mp4",
    "é𝄞.mp4",
    "a\\b.mp4",
    "[x]{y}*.mp4",
    "....mp4",
]


class Store:
    """Notes what it is asked for. Every object is there and holds its own path."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def _strip_protocol(self, uri: str) -> str:
        return uri.partition("://")[2]

    def info(self, path: str, refresh: bool) -> dict[str, Any]:
        self.asked.add(path)
        if path.endswith("absent.mp4"):
            raise FileNotFoundError(path)
        return {"size": len(path.encode()), "ETag": "1"}

    def cat_file(self, path: str, start: int, end: int) -> bytes:
        self.asked.add(path)
        return path.encode()[start:end]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    import fsspec

    made = Store()
    monkeypatch.setattr(fsspec, "filesystem", lambda scheme: {"s3": made}[scheme])
    return made


def policy(*prefixes: str, schemes: tuple[str, ...] = ("file", "s3")) -> SourcePolicy:
    return SourcePolicy(schemes=schemes, prefixes=frozenset(map(prefix_of, prefixes)))


def refused(uri: str, allowed: SourcePolicy) -> BadMedia:
    with pytest.raises(BadMedia) as caught:
        open_source(uri, allowed)
    return caught.value


@pytest.mark.parametrize("name", MARKS)
@pytest.mark.parametrize("root", ["s3://footage", "s3://footage/", "S3://footage/a", "s3://footage/a/b c"])
def test_keys_of_any_characters_are_read_as_they_are(name: str, root: str, store: Store) -> None:
    key = f"footage/a/b c/{name}"
    for scheme in ("s3", "S3"):
        source = open_source(f"{scheme}://{key}", policy("s3://other", root))
        assert source.read() == key.encode()
        source.close()
    assert store.asked == {key}


@pytest.mark.parametrize(
    "uri",
    [
        "s3://footage/ab/x.mp4",
        "s3://footage/A/x.mp4",
        "s3://footage/x.mp4",
        "s3://footage2/a/x.mp4",
        "s3://Footage/a/x.mp4",
        "s3://foot/age/a/x.mp4",
        "s3://user@footage/a/x.mp4",
        "s3://footage:80/a/x.mp4",
    ],
)
def test_what_lies_outside_looks_as_what_is_missing_and_is_never_asked_for(uri: str, store: Store) -> None:
    missing = refused("s3://footage/a/absent.mp4", policy("s3://footage/a"))
    assert missing.code == "not_found"
    store.asked.clear()
    error = refused(uri, policy("s3://footage/a"))
    assert (error.code, error.message.partition(": ")[2]) == (missing.code, missing.message.partition(": ")[2])
    assert store.asked == set()


@pytest.mark.parametrize(
    "uri",
    [
        "s3://footage/a/../b/x.mp4",
        "s3://footage/a/%2e%2e/b/x.mp4",
        "s3://footage/a/%252e%252E/b/x.mp4",
        "s3://footage/a/.%2e/b/x.mp4",
        "s3://footage/a/..%2fb/x.mp4",
        "s3://footage/a/..\\b\\x.mp4",
        "s3://footage/a/..%5cb/x.mp4",
        "s3://footage/a/./x.mp4",
        "s3://footage//a/x.mp4",
        "s3://footage/a//x.mp4",
        "s3://footage/a/x.mp4/",
        "s3:///footage/a/x.mp4",
        "s3://footage",
        "s3://footage/a/x.mp4?versionId=1",
        "s3://footage/a/x.mp4?VERSIONID=1",
        "s3://foo%74age/a/x.mp4",
        "s3://footage?/a/x.mp4",
        "s3://arn:aws:s3:eu-central-1:1:accesspoint/footage/a/x.mp4",
        "s3://footage\\a/x.mp4",
        "s3://footage/a/x.mp4\n",
        "s3://footage/a/x.mp4::file:///etc/passwd",
    ],
)
def test_names_that_may_mean_another_object_are_refused(uri: str, store: Store) -> None:
    assert refused(uri, policy("s3://footage")).code == "invalid_uri"
    assert store.asked == set()


@pytest.mark.parametrize(
    "uri",
    [
        "simplecache::s3://footage/a/x.mp4",
        "filecache::simplecache::s3://footage/a/x.mp4",
        "zip://x.mp4::s3://footage/a/x.zip",
        "s3::simplecache://footage/a/x.mp4",
        "s3a://footage/a/x.mp4",
        "reference://::s3://footage/a",
        "generic://s3://footage/a/x.mp4",
    ],
)
def test_chains_of_protocols_are_refused(uri: str, store: Store) -> None:
    assert refused(uri, policy("s3://footage")).code in {"scheme_not_allowed", "invalid_uri"}
    assert store.asked == set()


def test_a_scheme_without_a_bucket_says_what_to_give(store: Store) -> None:
    error = refused("s3://footage/a/x.mp4", SourcePolicy(schemes=("s3",)))
    assert error.code == "scheme_not_allowed"
    assert "--root s3://BUCKET/PREFIX" in error.message
    assert refused("s3://footage/a/x.mp4", policy("gs://footage")).code == "scheme_not_allowed"
    assert refused("s3://footage/a/x.mp4", policy("s3://footage", schemes=("file",))).code == "scheme_not_allowed"
    assert store.asked == set()


@pytest.mark.parametrize(
    "root",
    [
        "s3://",
        "s3:///a",
        "s3://a//b",
        "s3://a/../b",
        "s3://a/%2e%2e",
        "simplecache://a",
        "http://host/a",
        "zip://a",
        "a/b",
        "s3://a?b",
    ],
)
def test_roots_that_bound_nothing_are_refused(root: str) -> None:
    with pytest.raises(ValueError, match="BUCKET/PREFIX"):
        prefix_of(root)


class _Prefixes(frozenset[str]):
    """Counts how often it is asked."""

    asked = 0

    def __contains__(self, name: object) -> bool:
        self.asked += 1
        return super().__contains__(name)


def test_an_open_costs_as_much_as_the_key_is_deep(store: Store) -> None:
    many = _Prefixes({"s3://footage/a"} | {f"s3://bucket{number}" for number in range(20_000)})
    open_source("s3://footage/a/b/c.mp4", SourcePolicy(schemes=("s3",), prefixes=many)).close()
    assert many.asked <= 4
