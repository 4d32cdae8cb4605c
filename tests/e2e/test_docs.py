"""What README and docs say is there: links, make targets, commands and options, Python that runs."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

import models
from layouts import BUNDLED_STORES, bundled_store, load_store, save_store
from scenarios.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
OPTIONS = {
    name: {o for p in command.params for o in p.opts} | {"--help"} for name, command in COMMANDS.items()
}
BUNDLED_MODELS = Path(models.__file__).parent / "bundled"


def find_all(pattern: str) -> list[tuple[str, str]]:
    """Page and what the pattern's group holds, each once."""
    return sorted({(page, found) for page, text in TEXTS.items() for found in re.findall(pattern, text)})


def blocks(page: str, language: str = "") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXTS[page], flags=re.MULTILINE | re.DOTALL)


def slug(heading: str) -> str:
    """Name of a heading in a link."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_the_patterns_find_something() -> None:
    assert "README.md" in TEXTS
    assert len(TEXTS) > 5
    assert len(find_all(r"\]\(([^)\s]+)\)")) > 5
    assert len(find_all(r"\bmake ([a-z][a-z-]+)")) > 3
    assert any("storesim" in block for block in blocks("README.md"))


@pytest.mark.parametrize(("page", "link"), find_all(r"\]\(([^)\s]+)\)"))
def test_a_link_leads_somewhere(page: str, link: str) -> None:
    if re.match(r"[a-z]+:", link):
        return  # elsewhere
    path, _, anchor = link.partition("#")
    target = (ROOT / page).parent / path if path else ROOT / page
    assert target.exists()
    if anchor:
        assert anchor in map(slug, re.findall(r"^#+ (.*)$", target.read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize(("page", "target"), find_all(r"(?:`|^|\$ )make ([a-z][a-z-]+)"))
def test_a_make_target_exists(page: str, target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize(("page", "path"), find_all(r"`((?:[a-z_]+/)+[a-z_]*(?:\.[a-z]+)?)`"))
def test_a_path_of_this_repository_exists(page: str, path: str) -> None:
    if path.split("/")[0] in ("results", "stores"):
        return  # written by a run
    assert (ROOT / path).exists()


def test_modules_that_are_run_exist() -> None:
    for page, module in find_all(r"python(?:3(?:\.\d+)?)? -m ([a-z_.]+)"):
        if module not in ("venv", "pip", "pytest"):
            path = ROOT.joinpath(*module.split("."))
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), (page, module)


def command_lines() -> list[tuple[str, str]]:
    """Every line of a block, and every piece of code in a text, that calls storesim."""
    lines = []
    for page, text in TEXTS.items():
        in_blocks = [
            line for block in blocks(page, "[a-z]*") for line in block.replace("\\\n", " ").splitlines()
        ]
        inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
        lines += [
            (page, line.strip())
            for line in in_blocks + inline
            if re.match(r"\s*(\$ )?storesim [a-zA-Z-]", line)
        ]
    return sorted(set(lines))


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_a_command_and_its_options_exist(page: str, line: str) -> None:
    words = shlex.split(line.removeprefix("$ "), comments=True)[1:]
    if words[0] in ("COMMAND", "--help", "--version"):
        return
    assert words[0] in OPTIONS
    options = {word.split("=")[0] for word in words if word.startswith("--")}
    assert options <= OPTIONS[words[0]]
    required = {p.opts[0] for p in COMMANDS[words[0]].params if p.required}
    if len(words) > 1:  # more than its mention
        assert required <= options


def test_every_option_in_a_text_is_one_of_a_command() -> None:
    known = {option for options in OPTIONS.values() for option in options} | {"--version"}
    of_others = {"--find-links"}  # of pip
    mentioned = {option for _, option in find_all(r"`(--[a-z-]+)")}
    assert mentioned - of_others <= known


@pytest.mark.parametrize(("page", "name"), find_all(r"`bundled:([a-z-]+)`"))
def test_what_is_bundled_is_there(page: str, name: str) -> None:
    assert name in BUNDLED_STORES


@pytest.mark.parametrize("folder", sorted(BUNDLED_MODELS.iterdir()), ids=lambda folder: folder.name)
def test_a_bundled_model_shops(folder: Path, tmp_path: Path) -> None:
    from scenarios import simulate

    model = models.load_model(folder)
    result = simulate(bundled_store("supermarket"), model=model, n_shoppers=20, n_replications=1, seed=1)
    result.save(tmp_path / "run")
    assert result.result["control"]["profit_per_shopper"] > 0


SNIPPETS = [(page, number) for page in TEXTS for number, _ in enumerate(blocks(page, "python"))]


@pytest.mark.parametrize(("page", "number"), SNIPPETS)
def test_a_python_snippet_runs(
    page: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder where `my-store` is a store with the fixtures and zones that the snippets name."""
    monkeypatch.chdir(tmp_path)
    save_store(bundled_store("supermarket"), "my-store")
    snippet = blocks(page, "python")[number]
    renamed = rename(snippet)
    exec(compile(renamed, f"{page}, snippet {number + 1}", "exec"), {"__name__": "__main__"})
    for written in re.findall(r'save_store\(.*"([^"]+)"\)', renamed):
        load_store(written)


def rename(snippet: str) -> str:
    """Put endcaps of the bundled supermarket in place of the reader's."""
    store = bundled_store("supermarket")
    endcaps = [zone for zone in store.zones if zone.zone_type == "endcap"]
    alike = [zone.zone_id for zone in endcaps if zone.capacity_facings == endcaps[0].capacity_facings]
    for theirs, ours in zip(("endcap-1", "endcap-4"), alike, strict=False):
        snippet = snippet.replace(f'"{theirs}"', f'"{ours}"')
    return snippet
