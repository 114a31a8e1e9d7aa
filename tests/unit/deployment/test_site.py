"""The documentation site builds strictly and loads nothing from elsewhere."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.pages import ROOT

LOADS = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?([^\"' >]+)|<link\b[^>]*\bhref=[\"']?([^\"' >]+)")
ANYWHERE = re.compile(r"^(?:[a-z]+:)?//")


def build(site: Path, config: Path = ROOT / "mkdocs.yml") -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--site-dir",
        str(site),
        "--config-file",
        str(config),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("site")
    done = build(place)
    assert done.returncode == 0, done.stderr
    yield place
    shutil.rmtree(place, ignore_errors=True)


def test_every_page_is_there(site: Path) -> None:
    sources = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    sources = {source for source in sources if "node_modules" not in source.parts}
    for source in sources:
        target = source.parent if source.stem in {"index", "README"} else source.with_suffix("")
        assert (site / target / "index.html").is_file(), source
    assert len(sources) > 60


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    found = 0
    for path in site.rglob("*.html"):
        for match in LOADS.finditer(path.read_text()):
            address = match[1] or match[2]
            found += 1
            assert not ANYWHERE.match(address), (path, address)
    assert found > 100
    for path in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:[a-z]+:)?//|@import", path.read_text()), path


def test_no_page_draws_with_mermaid_which_the_theme_would_load_from_elsewhere(site: Path) -> None:
    assert not [path for path in site.rglob("*.html") if 'class="mermaid"' in path.read_text()]


def test_dead_links_and_pages_outside_of_the_navigation_fail(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    (tmp_path / "docs" / "lost.md").write_text("# Lost\n")
    with (tmp_path / "docs" / "index.md").open("a") as file:
        file.write("\n[no page](nowhere.md) [no anchor](get-started.md#nowhere)\n")
    hook = str(ROOT / "deploy" / "documents" / "navigation.py")
    changed = {"INHERIT": str(ROOT / "mkdocs.yml"), "docs_dir": str(tmp_path / "docs"), "hooks": [hook]}
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(changed))
    done = build(tmp_path / "site", tmp_path / "mkdocs.yml")
    assert done.returncode != 0
    assert "lost.md" in done.stderr
    assert "'nowhere.md'" in done.stderr
    assert "#nowhere" in done.stderr
