"""Write the README's code map anew: one line per module, the first sentence of its docstring."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START, END = "## Code map\n\n", "## How to change it\n"


def code_map(package: Path) -> str:
    """Make the map: a table for each folder, without generated code and migrations."""
    paths = [
        p for p in package.rglob("*.py") if not {"proto", "versions"} & set(p.relative_to(package).parts)
    ]
    lines = ["| File below `service/millet/` | What it is |", "| --- | --- |"]
    for path in sorted(paths, key=lambda p: (len(p.relative_to(package).parts) > 1, p)):
        doc = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        first = re.split(r"(?<=[.?!])\s", " ".join(doc.split()), maxsplit=1)[0].replace("|", "\\|")
        name = path.relative_to(package).as_posix()
        if first and name != "__init__.py":
            lines.append(f"| `{name.replace('/__init__.py', '/')}` | {first} |")
    return "\n".join(lines)


def updated(readme: str, package: Path) -> str:
    """Make the README with its map as it should be."""
    before, _, rest = readme.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}{code_map(package)}\n\n{END}{after}"


if __name__ == "__main__":
    page = ROOT / "README.md"
    page.write_text(updated(page.read_text("utf-8"), ROOT / "service" / "millet"), "utf-8")
