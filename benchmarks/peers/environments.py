"""One virtual environment a peer, in the user's cache: pinned names and versions, made once."""

import hashlib
import subprocess
import sys
from pathlib import Path

from benchmarks.footage import footage_dir
from benchmarks.peers.onnx_tagger import MODEL

REQUIREMENTS = Path(__file__).parent / "requirements"
ROOT = Path(__file__).parents[2]


def python_of(peer: str) -> Path:
    """The interpreter of a peer; made, with its packages, when missing or when its pins changed."""
    pins = REQUIREMENTS / f"{peer}.txt"
    folder = footage_dir() / "peers" / f"{peer}-{hashlib.sha256(pins.read_bytes()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        _uv("venv", "--clear", "--python", sys.executable, str(folder))
        _uv("pip", "install", "--python", str(python), "--only-binary", ":all:", "-r", str(pins))
        (folder / "complete").touch()
    return python


def pinned(peer: str, package: str) -> str:
    """The version of a package in a peer's environment. Raises `ValueError` for one without a pin."""
    for pin in (REQUIREMENTS / f"{peer}.txt").read_text().split():
        name, _, version = pin.partition("==")
        if name == package:
            return version
    raise ValueError(f"{package} is not pinned for {peer}")


def tagger() -> Path:
    """The exported tagger; made when missing."""
    path = footage_dir().parent / MODEL
    if not path.exists():
        with_onnx = path.parent / "export"
        _uv(
            *("pip", "install", "--python", sys.executable, "--target", str(with_onnx), "--no-deps"),
            *("--only-binary", ":all:", "-r", str(REQUIREMENTS / "export.txt")),
        )
        subprocess.run(
            [sys.executable, "-m", "benchmarks.peers.export", str(path)],
            check=True,
            cwd=ROOT,
            env={"PYTHONPATH": str(with_onnx), "HOME": str(Path.home())},
        )
    return path


def _uv(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "uv", *arguments, "--quiet"], check=True)
