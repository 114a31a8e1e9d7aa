"""What one tenant may name: never more than the deployment, and never what another tenant has."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoders.sources.limits import SourceLimits, is_under_url, url_prefix_of, within
from decoders.sources.object_names import is_under
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from stream.errors import BadMedia, StageError
from stream.events.tenants import TenantRegistered
from stream.pipelines.settings import Settings
from stream.pipelines.source_policies import SourcePolicies
from stream.topology.tenants import Tenants

NAMES = st.lists(st.sampled_from(["a", "ab", "b"]), min_size=1, max_size=4).map("/".join)
FOLDERS = st.frozensets(NAMES.map("s3://{}".format), max_size=5)


@given(NAMES.map("s3://{}".format), FOLDERS, FOLDERS)
def test_a_name_is_within_both_or_refused(name: str, mine: frozenset[str], others: frozenset[str]) -> None:
    assert is_under(name, within(mine, others)) == (is_under(name, mine) and is_under(name, others))


def refused(uri: str, policy: SourcePolicy) -> str:
    return refusal(uri, policy).code


def refusal(uri: str, policy: SourcePolicy) -> StageError:
    with pytest.raises(StageError) as caught:
        open_source(uri, policy).close()
    return caught.value


def test_a_tenant_reads_its_own_folder_and_no_other(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    mine, other = root / "footage" / "mine", root / "footage" / "other"
    for folder in (mine, other, root / "elsewhere"):
        folder.mkdir(parents=True)
        (folder / "a.bin").write_bytes(b"a")
    (mine / "link.bin").symlink_to(other / "a.bin")
    (mine / "up").symlink_to("..")
    policies = SourcePolicies(
        Settings(root, root, roots=(root / "footage",)),
        Tenants(
            [
                TenantRegistered(tenant="mine", sources=(str(mine),)),
                TenantRegistered(tenant="wide", sources=(str(root),)),
                TenantRegistered(tenant="any"),
                TenantRegistered(tenant="broken", sources=("relative/..",)),
            ]
        ),
    )
    open_source(str(mine / "a.bin"), policies("mine")).close()
    open_source((mine / "a.bin").as_uri(), policies("mine")).close()
    stranger = [other / "a.bin", mine / "link.bin", mine / "up/other/a.bin", f"{mine}/../other/a.bin", mine / "none"]
    words = {refused(str(path), policies("mine")) for path in stranger}
    assert words == {"not_found"}
    # Nobody learns what another tenant has.
    there, absent = (refusal(str(folder / "a.bin"), policies("mine")).message for folder in (other, root / "nowhere"))
    assert there == absent
    for tenant in ("wide", "any", "never heard of"):
        open_source(str(other / "a.bin"), policies(tenant)).close()
        # A tenant's sources never widen what the deployment may read.
        assert refused(str(root / "elsewhere/a.bin"), policies(tenant)) == "not_found"
    assert refused(str(mine / "a.bin"), policies("broken")) == "not_found"


def test_a_tenant_reads_its_own_prefix_and_no_other() -> None:
    limits = SourceLimits.of(["s3://footage/mine/", "gs://bucket"])
    policy = SourcePolicy(schemes=("s3", "gs"), prefixes=frozenset({"s3://footage"})).limited_to(limits)
    assert policy.prefixes == {"s3://footage/mine"}
    assert refused("s3://footage/other/a.mp4", policy) == "not_found"
    assert refused("s3://footage/mine/../other/a.mp4", policy) == "invalid_uri"
    assert refused("gs://bucket/a.mp4", policy) == "scheme_not_allowed"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/mine/a.mp4", True),
        ("/mine", True),
        ("/mine/", True),
        ("/minefield/a.mp4", False),
        ("/other/a.mp4", False),
        ("/mine/../other/a.mp4", False),
        ("/mine/%2e%2E/other/a.mp4", False),
        ("/mine/%252e%252e/other/a.mp4", False),
        ("/mine/..%2fother/a.mp4", False),
        ("/mine/..%5cother/a.mp4", False),
        ("/mine//other/a.mp4", False),
        ("//other/mine/a.mp4", False),
        ("", False),
    ],
)
def test_a_url_is_under_a_folder_whoever_reads_it(path: str, allowed: bool) -> None:
    prefixes = {url_prefix_of("https://CDN.example.com/mine/")}
    assert is_under_url("https", "cdn.example.com", None, path, prefixes) is allowed
    assert is_under_url("https", "cdn.example.com", 443, path, prefixes) is allowed
    assert not is_under_url("http", "cdn.example.com", None, path, prefixes)
    assert not is_under_url("https", "cdn.example.com", 8443, path, prefixes)
    assert not is_under_url("https", "cdn.example.com.evil.com", None, path, prefixes)


class Redirecting(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/mine/away"):
            self.send_response(302)
            self.send_header("Location", "/other/a.bin")
            self.end_headers()
            return
        self.send_response(206)
        self.send_header("Content-Range", "bytes 0-0/1")
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"a")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature it overrides
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirecting) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()


def test_a_tenant_reads_its_own_urls_and_is_led_to_no_other(server: str) -> None:
    policy = SourcePolicy(allow_private_addresses=True)
    limited = policy.limited_to(SourceLimits.of([f"{server}/mine/"]))
    open_source(f"{server}/mine/a.bin?sig=x", limited).close()
    open_source(f"{server}/other/a.bin", policy).close()
    for path in ("/other/a.bin", "/mine/away", "/mine/%2e%2e/other/a.bin", "/minefield/a.bin"):
        with pytest.raises(BadMedia) as caught:
            open_source(server + path, limited).close()
        assert caught.value.code == "source_not_allowed", path
    userinfo = server.replace("http://", "http://127.0.0.1@")
    open_source(f"{userinfo}/mine/a.bin", limited).close()


@pytest.mark.parametrize(
    "source",
    ["relative", "/a/../b", "https://", "https://u:p@host/a", "https://host/a?x=1", "https://host/%2e%2e/a", "s3://",
     "s3://b//c", "https://host:nine/"],
)  # fmt: skip
def test_what_cannot_be_a_source_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="write"):
        SourceLimits.of([source])
