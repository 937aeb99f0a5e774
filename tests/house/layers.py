"""The table of layers (who may import whom), and a reader of imports that enforces it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

WORLD = frozenset(
    [
        "asyncio",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "http",
    ]
)
"""Standard modules that reach the world; the core and the codecs have no use for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What the modules of one layer may import; `ours` names layers, or single modules by their path."""

    ours: frozenset[str]
    packages: frozenset[str] = frozenset()
    no_stdlib: frozenset[str] = frozenset()
    no_clock: bool = False


def _layer(ours: str, packages: str = "", *, pure: bool = False, no_clock: bool = False) -> Layer:
    return Layer(
        ours=frozenset(ours.split()),
        packages=frozenset(packages.split()),
        no_stdlib=WORLD if pure else frozenset(),
        no_clock=pure or no_clock,
    )


EVERYTHING = "__version__ core codec flow edge ports errors settings proto"
LAYERS = {
    "__init__": _layer(""),
    "errors": _layer("core.reasons", pure=True),
    "core": _layer("core errors", "numpy scipy torch cc3d", pure=True),
    "codec": _layer(
        "core codec errors proto", "numpy pydicom highdicom google PIL imagecodecs torch", pure=True
    ),
    "ports": _layer("core errors ports", "numpy torch"),
    "flow": _layer("__version__ core codec flow ports errors", "numpy torch", no_clock=True),
    "edge": _layer(
        "__version__ core codec ports errors proto",
        "numpy torch pydicom pynetdicom blake3 obstore psycopg onnxruntime openvino dbos sqlalchemy alembic "
        "grpc grpc_health grpc_reflection google starlette uvicorn jinja2 prometheus_client cryptography jwt "
        "opentelemetry",
    ),
    "proto": _layer("proto", "google grpc"),
    "settings": _layer(
        "errors core.bucket core.canary core.language core.manifest core.media core.notification core.peer "
        "core.doors core.turns settings"
    ),
    "app": _layer(
        f"{EVERYTHING} app", "numpy torch threadpoolctl blake3 uvicorn grpc rich prometheus_client sqlalchemy"
    ),
    "phantom": _layer("__version__ core codec phantom errors", "numpy scipy torch pydicom cc3d imagecodecs"),
    "train": _layer(
        "__version__ core codec train evaluate phantom errors", "numpy scipy torch onnx onnxruntime"
    ),
    "evaluate": _layer("__version__ core codec evaluate errors", "numpy scipy torch PIL"),
    "cli": _layer(f"{EVERYTHING} app cli phantom evaluate train", "numpy typer rich pydicom pynetdicom grpc"),
    "__main__": _layer("cli"),
}
COMMON = ("replies", "telemetry", "tls")
"""What all edges may know: what is told of them, how connections are secured, and who gets an answer."""
MAY_USE_PROTO = ("codec.", "edge.grpc_api.", "edge.kserve.", "proto.", "cli.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One imported module, as written, and where."""

    module: str
    line: int


def imports_of(tree: ast.AST) -> Iterator[Import]:
    """Every imported module of a file; `from millet.core import series` counts as millet.core.series."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module=alias.name, line=node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                yield Import(
                    module=f"{base}.{alias.name}" if base.startswith("millet") else base, line=node.lineno
                )


def module_name(path: Path, package: Path) -> str:
    """Dotted name below the package: edge/journal/__init__.py is edge.journal.__init__."""
    return ".".join(path.relative_to(package).with_suffix("").parts)


def _fault_in_ours(module: str, target: str, layer: Layer) -> str:
    """Judge the import of `millet.<target>` by `<module>`; the empty string when it is allowed."""
    own, other = module.split("."), target.split(".")
    if other[0] == "proto" and not f"{module}.".startswith(MAY_USE_PROTO):
        return "generated code is for codec, edge.grpc_api, edge.kserve and cli"
    if own[0] == other[0] == "edge":
        siblings = own[1] != other[1] and other[1] not in COMMON
        return "an edge does not know its siblings" if siblings else ""
    if own[0] == other[0] == "phantom" and _crosses(own, other):
        return "the two simulators share phantom.spec alone"
    names = {".".join(other[: n + 1]) for n in range(len(other))}
    return "" if names & layer.ours else f"{own[0]} may not import it"


def _crosses(own: list[str], other: list[str]) -> bool:
    """Whether one chest simulator imports the other; what both are asked for is common ground."""
    return ("second" in own[1:2]) != ("second" in other[1:2]) and other[1:2] != ["spec"]


def _fault(module: str, imported: str, layer: Layer) -> str:
    own = module.partition(".")[0]
    root, _, rest = imported.partition(".")
    if not root:
        return "imports are absolute"
    if root == "millet":
        return _fault_in_ours(module, rest, layer)
    if root in sys.stdlib_module_names:
        return f"{own} may not use it" if root in layer.no_stdlib else ""
    return "" if root in layer.packages else f"no package of the {own} layer"


def cycle(package: Path) -> list[str]:
    """A ring of modules that import each other when loaded, or nothing."""
    paths = {module_name(path, package): path for path in package.rglob("*.py")}
    graph = {}
    for module, path in paths.items():
        body = ast.parse(path.read_text("utf-8")).body
        targets = {one.module.removeprefix("millet.") for node in body for one in _top_level(node)}
        graph[module] = {m for target in targets for m in (target, target.rpartition(".")[0]) if m in paths}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _top_level(node: ast.stmt) -> Iterator[Import]:
    return imports_of(node) if isinstance(node, ast.Import | ast.ImportFrom) else iter(())


def _clock_reads(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="now" | "utcnow" | "today", value=owner)):
                if ast.unparse(owner).endswith(("datetime", "date")):
                    yield node.lineno


def violations(package: Path) -> list[str]:
    """Every breach of the table below a package folder, as `module:line: what`."""
    found = []
    for path in sorted(package.rglob("*.py")):
        module = module_name(path, package)
        layer = LAYERS.get(module.split(".")[0])
        if layer is None:
            found.append(f"{module}: belongs to no layer")
            continue
        tree = ast.parse(path.read_text("utf-8"))
        for one in imports_of(tree):
            fault = _fault(module, one.module, layer)
            found.extend([f"{module}:{one.line}: {one.module}: {fault}"] if fault else [])
        if layer.no_clock:
            found.extend(f"{module}:{line}: reads the clock" for line in _clock_reads(tree))
    return found
