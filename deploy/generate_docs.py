"""Writes the generated blocks of the documents (between `<!-- generated:NAME -->` and `<!-- /generated -->`)."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- generated:(?P<name>[a-z-]+) -->\n).*?(<!-- /generated -->)", re.DOTALL)


def blocks() -> dict[str, str]:
    """Every generated text by name, from the code that owns it."""
    from deploy.capacity.figures import figures_table, growth_table
    from deploy.capacity.limits import limits_table
    from deploy.capacity.lines import sizes_table
    from deploy.capacity.sums import Assumptions, assumptions_table
    from deploy.documents import command_line, composite, decisions, delta_table, events, operators, rights, settings
    from stream.error_codes.table import markdown_codes, markdown_kinds
    from stream.observability.metrics import markdown_table
    from stream.pipelines.reference import whole_topology

    topology = whole_topology()
    return {
        "topology-diagram": f"```mermaid\n{topology.to_mermaid()}\n```\n",
        "topology-table": f"```text\n{topology.to_text()}\n```\n",
        "error-kinds": _block(markdown_kinds()),
        "error-codes": _block(markdown_codes()),
        "metrics": _block(markdown_table()),
        "command-line": _block(command_line.command_line()),
        "composite": _block(composite.composite()),
        "operators": _block(operators.operators()),
        "topics": _block(events.topics()),
        "events": _block(events.events()),
        "environment": _block(settings.environment()),
        "settings": _block(settings.settings()),
        "rights": _block(rights.rights()),
        "stages": _block(settings.stages()),
        "delta-columns": _block(delta_table.delta_columns()),
        "decisions": _block(decisions.decisions()),
        "capacity-figures": _block(figures_table()),
        "capacity-growth": _block(growth_table()),
        "capacity-assumptions": _block(assumptions_table(Assumptions())),
        "capacity-sizes": _block(sizes_table(Assumptions())),
        "capacity-limits": _block(limits_table(Assumptions())),
    }


def documents() -> list[Path]:
    """Every page that may hold generated blocks."""
    found = (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
    return sorted(path for path in found if "node_modules" not in path.parts)


def _block(text: str) -> str:
    """With an empty line on both sides, as a table after a line of HTML needs one."""
    return f"\n{text.strip()}\n\n"


def regenerated(text: str, texts: dict[str, str]) -> str:
    """The document with each block replaced; raises `KeyError` for a block that nothing generates."""
    return BLOCK.sub(lambda match: match[1] + texts[match["name"]] + match[3], text)


def main() -> int:
    texts = blocks()
    for path in documents():
        before = path.read_text()
        after = regenerated(before, texts)
        if after != before:
            path.write_text(after)
            print(f"rewrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
