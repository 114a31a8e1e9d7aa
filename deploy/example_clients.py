"""Provides what the programs of `docs/examples` need beside Python: kcat from Debian's packages, unpacked into the
cache without being installed; the npm packages of the Node example; Maven's artefacts of the Java example.
"""

import hashlib
import shutil
import sys
from pathlib import Path

from deploy.kept_folder import kept_folder, require, run
from deploy.promtool import default_cache

EXAMPLES = Path(__file__).resolve().parent.parent / "docs" / "examples"
_KCAT_PACKAGES = ("kcat", "librdkafka1", "libyajl2")
_KCAT = """#!/bin/sh
files=$(dirname "$0")/../files/usr
LD_LIBRARY_PATH=$(echo "$files"/lib/*-linux-gnu) exec "$files/bin/kcat" "$@"
"""


def find_kcat(cache_dir: Path) -> Path | None:
    """The folder that has the program `kcat`."""
    kept = cache_dir / "kcat" / "bin"
    if kept.is_dir():
        return kept
    installed = shutil.which("kcat")
    return None if installed is None else Path(installed).parent


def fetch_kcat(cache_dir: Path) -> Path:
    """As `find_kcat`; downloaded the first time. Raises `RuntimeError` with what is missing."""
    found = find_kcat(cache_dir)
    return found or kept_folder(cache_dir / "kcat", _unpack_kcat) / "bin"


def find_node_modules(cache_dir: Path) -> Path | None:
    """The packages that the Node example imports; None where they or Node are missing."""
    kept = _node_example(cache_dir) / "node_modules"
    return kept if kept.is_dir() and shutil.which("node") else None


def fetch_node_modules(cache_dir: Path) -> Path:
    """As `find_node_modules`; installed by npm the first time. No script of a package is run."""
    require("node", "npm")
    return kept_folder(_node_example(cache_dir), _install_node_modules) / "node_modules"


def find_maven_repository(cache_dir: Path) -> Path | None:
    """The local repository with which Maven builds and runs the Java example offline; None without it or Maven."""
    kept = _maven_repository(cache_dir)
    return kept if kept.is_dir() and shutil.which("mvn") else None


def fetch_maven_repository(cache_dir: Path) -> Path:
    """As `find_maven_repository`; filled by Maven the first time, by building the example without running it."""
    require("java", "mvn")
    return kept_folder(_maven_repository(cache_dir), _fill_maven_repository)


def _node_example(cache_dir: Path) -> Path:
    return cache_dir / f"example-node-{_digest(EXAMPLES / 'node' / 'package.json')}"


def _maven_repository(cache_dir: Path) -> Path:
    return cache_dir / f"example-maven-{_digest(EXAMPLES / 'java' / 'pom.xml')}"


def _digest(pins: Path) -> str:
    """Other versions are other folders."""
    return hashlib.sha256(pins.read_bytes()).hexdigest()[:12]


def _unpack_kcat(scratch: Path) -> Path:
    require("apt-get", "dpkg")
    download = ["apt-get", "download", *_KCAT_PACKAGES]
    try:
        run(download, scratch)
    except RuntimeError:  # a fresh machine has no lists yet
        run(["apt-get", "update"], scratch)
        run(download, scratch)
    made = scratch / "made"
    (made / "bin").mkdir(parents=True)
    for package in scratch.glob("*.deb"):
        run(["dpkg", "-x", str(package), str(made / "files")], scratch)
    program = made / "bin" / "kcat"
    program.write_text(_KCAT)
    program.chmod(0o755)
    run([str(program), "-V"], scratch)
    return made


def _install_node_modules(scratch: Path) -> Path:
    made = scratch / "made"
    made.mkdir()
    shutil.copy(EXAMPLES / "node" / "package.json", made)
    run(["npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], made)
    return made


def _fill_maven_repository(scratch: Path) -> Path:
    example, made = scratch / "java", scratch / "made"
    shutil.copytree(EXAMPLES / "java", example)
    run(["mvn", "-q", "-B", f"-Dmaven.repo.local={made}", "-Dexec.skip=true", "compile", "exec:java"], example)
    return made


def main() -> int:
    """Each by itself: one that cannot be had does not keep the others away."""
    missing = 0
    for name, fetch in (("kcat", fetch_kcat), ("Node", fetch_node_modules), ("Java", fetch_maven_repository)):
        try:
            print(f"The {name} example has what it needs in {fetch(default_cache())}.")
        except RuntimeError as problem:
            print(f"the {name} example: {problem}", file=sys.stderr)
            missing = 1
    return missing


if __name__ == "__main__":
    sys.exit(main())
