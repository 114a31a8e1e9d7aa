"""What opens as a source: allowed places alone, whole or in words, and the same bytes to the end."""

import errno
import http.server
import os
import socket
import threading
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from decoders.sources.uris import describe
from stream.errors import BadMedia, Retryable, StageError, Superseded
from stream.net import connect as http_connect
from stream.net.addresses import is_public
from tests.support.http_servers import serving

CONTENT = bytes(range(256)) * 9000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "a.bin").write_bytes(CONTENT)
    (folder / "empty.bin").touch()
    (tmp_path / "secret.bin").write_bytes(b"secret")
    (folder / "escape").symlink_to(tmp_path / "secret.bin")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "inside").symlink_to(folder / "a.bin")
    os.mkfifo(folder / "fifo")
    return folder


def refused(uri: str, policy: SourcePolicy) -> StageError:
    with pytest.raises(StageError) as caught:
        open_source(uri, policy)
    return caught.value


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("absent.bin", "not_found"),
        ("a.bin/below", "not_found"),
        ("empty.bin", "empty"),
        ("", "is_directory"),
        ("fifo", "not_a_file"),
        ("escape", "not_found"),
        ("../secret.bin", "not_found"),
        ("loop", "not_found"),
        ("x" * 300, "invalid_uri"),
        ("a\0b", "invalid_uri"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "file://"])
def test_refused_paths(root: Path, name: str, code: str, prefix: str) -> None:
    error = refused(f"{prefix}{root}/{name}", SourcePolicy(roots=(str(root),)))
    assert isinstance(error, BadMedia)
    assert error.code == code


def test_permission_denied(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's answer is given in its place: a test that runs as root may read everything."""

    def denied(path: Path, flags: int) -> int:
        raise PermissionError(errno.EACCES, "denied", str(path))

    monkeypatch.setattr(os, "open", denied)
    assert refused(str(root / "a.bin"), SourcePolicy(roots=(str(root),))).code == "permission_denied"


def test_a_socket_and_a_device_do_not_block(root: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "socket"))
        assert refused(str(root / "socket"), SourcePolicy(roots=(str(root),))).code == "not_a_file"
    for device in ("/dev/zero", "/dev/tty", "/dev/stdin"):
        assert refused(device, SourcePolicy(roots=("/dev",))).code in {"not_a_file", "not_found"}
    assert refused("/proc/self/environ", SourcePolicy(roots=("/proc",))).code == "empty"


@pytest.mark.parametrize(
    "uri",
    [
        "/proc/self/environ",
        "/proc/self/root/etc/passwd",
        "/dev/zero",
        "file:///etc/passwd",
        "file:///%65tc/passwd",
        "FILE:///etc/passwd",
        "file://localhost/etc/passwd",
        "{root}/../../../../../../etc/passwd",
        "file://{root}/%2e%2e/secret.bin",
        "{root}/folder/secret.bin",
        "concat:/etc/passwd|/etc/hostname",
        "subfile,,start,0,end,0,,:/etc/passwd",
        "subfile,,start,0,end,0,,:file:///etc/passwd",
        "data:video/mp4;base64,AAAAIGZ0eXA=",
        "data://video/mp4;base64,AAAA",
        "cache:http://127.0.0.1/a",
        "crypto:/etc/passwd",
        "crypto+file:///etc/passwd",
        "hls+file:///etc/passwd",
        "file:/etc/passwd",
        "pipe:0",
        "fd:0",
        "async:file:/etc/passwd",
        "rtmp://127.0.0.1/a",
        "ftp://127.0.0.1/a",
        "gopher://127.0.0.1:25/_HELO",
        "local:///etc/passwd",
        "simplecache::file:///etc/passwd",
    ],
)
def test_no_uri_leads_out_of_the_roots(root: Path, uri: str) -> None:
    (root / "folder").symlink_to(root.parent)
    error = refused(uri.replace("{root}", str(root)), SourcePolicy(roots=(str(root),)))
    assert isinstance(error, BadMedia)
    assert error.code in {"scheme_not_allowed", "not_found"}


@pytest.mark.parametrize("swapped", ["file", "folder"])
def test_a_path_that_is_swapped_between_check_and_open(
    root: Path, swapped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attacker's turn comes at the last moment: right before the file is opened."""
    (root / "inner").mkdir()
    (root / "inner" / "secret.bin").write_bytes(CONTENT)
    real = os.open

    def late(path: Path, flags: int) -> int:
        if swapped == "file":
            path.unlink()
            path.symlink_to(root.parent / "secret.bin")
        else:
            path.parent.rename(root / "away")
            path.parent.symlink_to(root.parent)
        return real(path, flags)

    monkeypatch.setattr(os, "open", late)
    error = refused(str(root / "inner" / "secret.bin"), SourcePolicy(roots=(str(root),)))
    assert error.code == "not_found"


def test_a_file_that_is_swapped_while_it_is_read_is_seen(root: Path) -> None:
    source = open_source(str(root / "a.bin"), SourcePolicy(roots=(str(root),)))
    before = source.version
    (root / "a.bin").unlink()
    (root / "a.bin").symlink_to(root.parent / "secret.bin")
    assert source.read(3) == CONTENT[:3]
    assert source.version != before
    source.close()


def test_a_name_of_any_bytes_can_be_named(root: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9 \x1b[31m\n?#%41.mp4"))
    path.write_bytes(CONTENT)
    source = open_source(path.as_uri(), SourcePolicy(roots=(str(root),)))
    assert source.read(3) == CONTENT[:3]
    source.close()


def test_without_roots_no_local_file_opens(root: Path) -> None:
    assert refused(str(root / "a.bin"), SourcePolicy()).code == "not_found"


def test_schemes(root: Path) -> None:
    policy = SourcePolicy(schemes=("http", "foo"), roots=(str(root),), prefixes=("foo://bucket",))
    assert refused(str(root / "a.bin"), policy).code == "scheme_not_allowed"
    assert refused("ftp://host/a", policy).code == "scheme_not_allowed"
    error = refused("foo://bucket/a", policy)
    assert error.code == "extra_missing"
    assert "fsspec[foo]" in error.message
    assert refused("file://elsewhere/a.bin", SourcePolicy(roots=(str(root),))).code == "invalid_uri"
    assert refused("http://[::1", policy).code == "invalid_uri"


@pytest.mark.parametrize("name", ["a.bin", "inside"])
def test_reads_anywhere(root: Path, name: str) -> None:
    source = open_source(str(root / name), SourcePolicy().with_roots(root))
    assert source.read(3) == CONTENT[:3]
    assert source.seek(-4, 2) == len(CONTENT) - 4
    assert source.read() == CONTENT[-4:]
    assert source.read(1) == b""
    source.seek(100)
    source.seek(5, 1)
    assert (source.tell(), source.read(2)) == (105, CONTENT[105:107])
    source.close()
    source.close()


def test_version_follows_the_path(root: Path) -> None:
    source = open_source(str(root / "a.bin"), SourcePolicy().with_roots(root))
    before = source.version
    (root / "new").write_bytes(CONTENT)
    (root / "new").replace(root / "a.bin")
    assert source.version != before
    source.close()


def test_descriptions_hide_secrets() -> None:
    assert describe("https://user:password@host/path/a.mp4?token=1#x") == "https://host/path/a.mp4"
    assert describe("/home/someone/a\n.mp4") == "a?.mp4"
    assert describe("file:///x/a.mp4") == "a.mp4"


def test_object_stores_through_fsspec() -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    store.pipe_file("/bucket/a.bin", CONTENT)
    store.pipe_file("/bucket/empty.bin", b"")
    policy = SourcePolicy(schemes=("memory",), prefixes=("memory://bucket",))
    source = open_source("memory://bucket/a.bin", policy)
    source.seek(1_500_000)
    assert source.read(10) == CONTENT[1_500_000:1_500_010]
    assert source.version.size_bytes == len(CONTENT)
    source.close()
    assert refused("memory://bucket/absent.bin", policy).code == "not_found"
    assert refused("memory://bucket/empty.bin", policy).code == "empty"
    assert refused("memory://bucket/a.bin::file:///etc/passwd", policy).code == "invalid_uri"


class _Server(http.server.ThreadingHTTPServer):
    content = CONTENT
    etag = '"1"'
    stalled = threading.Event()


class _Requests(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name the base class gives
        pass

    def do_GET(self) -> None:
        name, _, rest = self.path.partition("?")[0].lstrip("/").partition("/")
        if name == "status":
            self._reply(int(rest), b"")
        elif name == "to":
            self._reply(HTTPStatus.FOUND, b"", Location=rest)
        elif name == "stall":
            self.server.stalled.wait(30)
        elif name == "norange":
            self._reply(HTTPStatus.OK, self.server.content)
        else:
            start, end = (int(part) for part in self.headers["Range"].removeprefix("bytes=").split("-"))
            body = self.server.content[start : end + 1]
            if not self.server.content:
                self._reply(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"")
                return
            shown = f"bytes {start}-{start + len(body) - 1}/{len(self.server.content)}"
            self._reply(HTTPStatus.PARTIAL_CONTENT, body, **{"Content-Range": shown, "ETag": self.server.etag})

    def _reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[_Server]:
    made = _Server(("127.0.0.1", 0), _Requests)
    made.stalled = threading.Event()
    with serving(made):
        yield made
        made.stalled.set()


def at(server: _Server, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}/{path}"


LOCAL = SourcePolicy(allow_private_addresses=True, read_timeout_s=0.3)


def test_http_reads_ranges(server: _Server) -> None:
    source = open_source(at(server, "to/a.bin").replace("to/", "to//x/"), LOCAL)
    source.seek(1_048_570)
    assert source.read(20) == CONTENT[1_048_570:1_048_590]
    assert source.version.size_bytes == len(CONTENT)
    source.close()


def test_http_change_is_superseded(server: _Server) -> None:
    source = open_source(at(server, "a.bin"), LOCAL)
    before = source.version
    server.etag = '"2"'
    assert source.version != before
    with pytest.raises(Superseded):
        source.read(10)
    source.close()


@pytest.mark.parametrize(
    ("path", "kind", "code"),
    [
        ("status/404", BadMedia, "not_found"),
        ("status/403", BadMedia, "permission_denied"),
        ("status/503", Retryable, "http_status"),
        ("status/418", BadMedia, "http_status"),
        ("norange", BadMedia, "range_not_supported"),
        ("stall", Retryable, "http_stalled"),
        ("to/file:///etc/passwd", BadMedia, "scheme_not_allowed"),
    ],
)
def test_http_refusals(server: _Server, path: str, kind: type[StageError], code: str) -> None:
    error = refused(at(server, path) + "?token=secret", LOCAL)
    assert isinstance(error, kind)
    assert error.code == code
    assert "secret" not in error.message


def test_http_redirects_end(server: _Server) -> None:
    loop = at(server, "to/") + at(server, "to")
    assert refused(loop, LOCAL).code in {"too_many_redirects", "http_status"}


def test_http_empty_object(server: _Server) -> None:
    server.content = b""
    assert refused(at(server, "a.bin"), LOCAL).code == "empty"


def test_http_nobody_listens() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    error = refused(f"http://127.0.0.1:{port}/a", LOCAL)
    assert isinstance(error, Retryable), "a server that an event names must not pause the stage"
    assert error.code == "http_connect"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "10.1.2.3",
        "169.254.169.254",
        "192.168.0.1",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "0x7f.1",
    ],
)
def test_http_private_addresses(host: str) -> None:
    assert refused(f"http://{host}:9/a", SourcePolicy()).code == "address_not_allowed"


def test_http_redirect_to_a_private_address(server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first hop is let through as if it were public; the second names a loopback address."""
    real = is_public
    monkeypatch.setattr(http_connect, "is_public", lambda address: address == "127.0.0.1" or real(address))
    assert refused(at(server, "to/http://127.0.0.2:9/a"), SourcePolicy()).code == "address_not_allowed"


def test_an_object_of_a_bucket_is_read_by_its_plain_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """As bucket notifications name it: spaces, plus signs and question marks are part of the key."""
    import fsspec
    from fsspec.implementations.memory import MemoryFileSystem

    class Bucket(MemoryFileSystem):  # type: ignore[misc]  # fsspec ships no types
        protocol = "s3"

    monkeypatch.setattr(fsspec, "filesystem", lambda scheme: {"s3": Bucket}[scheme]())
    uri = "s3://footage/cam 1/a+b%20?#.bin"
    store = Bucket()
    store.pipe_file(store._strip_protocol(uri), b"0123456789")
    source = open_source(uri, SourcePolicy(schemes=("s3",), prefixes=("s3://footage/cam 1",)))
    assert source.read() == b"0123456789"
    assert refused(uri, SourcePolicy()).code == "scheme_not_allowed"
