import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from layouts import ConfigError
from scenarios.report import write_report
from scenarios.report_data import load_run
from scenarios.report_svg import draw_difference_map, draw_heat_map, draw_interval

VOID = {"meta", "br", "link", "img"}


class Page(HTMLParser):
    """Checks that elements nest, and gathers what a reader sees and what a browser would fetch or run."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.fetched: list[str] = []
        self.handlers: list[str] = []
        self.feed(source)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name in {"src", "href", "xlink:href", "srcset"}]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.setdefault(self.open[-1], []).append(data)

    @property
    def text(self) -> str:
        return " ".join(text for texts in self.texts.values() for text in texts)


def rename(store, name):
    return dataclasses.replace(store, name=name)


@pytest.fixture
def variant(tiny_store):
    return rename(tiny_store.swap("end", "south"), "tiny--bread-endcap")


@pytest.fixture
def page_of(write_run):
    def make(*stores, **options):
        path = write_report(write_run(*stores, **options))
        return Page(path.read_text(encoding="utf-8"))

    return make


def test_the_answer_comes_first(page_of, tiny_store, variant):
    page = page_of(tiny_store, variant, lifts=[0.14])
    assert page.texts["h1"] == ["bread-endcap earns +0.14 EUR per shopper (95 % interval 0.06 to 0.22)."]
    assert page.texts["h2"][0].startswith("How far to trust it")
    assert "1 of 5 zones holds what the model never saw there" in page.text


def test_nothing_is_fetched_and_nothing_runs(page_of, tiny_store, variant):
    page = page_of(tiny_store, variant, lifts=[0.14])
    assert not page.fetched
    assert not page.handlers
    assert not {"script", "iframe", "object", "link", "img"} & set(page.tags)


def test_names_from_files_stay_text(page_of, tiny_store, variant):
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
    skus = tuple(dataclasses.replace(sku, category=evil) for sku in tiny_store.skus)
    zones = tuple(
        dataclasses.replace(zone, zone_id=evil) if zone.zone_id == "door" else zone
        for zone in tiny_store.zones
    )
    control = dataclasses.replace(tiny_store, name=evil, skus=skus, zones=zones, currency="<b>")
    page = page_of(control, rename(control, "v" + evil), lifts=[0.14])
    assert not {"script", "img", "b"} & set(page.tags)
    assert not page.handlers
    assert page.text.count(evil) >= 4  # headings, categories, zones, provenance


def test_three_maps_for_a_comparison(page_of, tiny_store, variant):
    page = page_of(tiny_store, variant, lifts=[0.14])
    assert page.texts["figcaption"] == ["tiny", "tiny--bread-endcap", "Difference: variant minus control"]


def test_every_zone_is_listed_and_changed_ones_are_marked(page_of, tiny_store, variant):
    page = page_of(tiny_store, variant, lifts=[0.14])
    assert {zone.zone_id for zone in tiny_store.zones} <= {text.strip() for text in page.texts["td"]}
    assert page.text.count("changed") == 4  # two zones, in two tables
    assert "was: snacks" in page.text


def test_several_variants_are_ranked(page_of, tiny_store):
    variants = [rename(tiny_store, f"tiny--{name}") for name in ("worse", "best", "unclear")]
    page = page_of(tiny_store, *variants, lifts=[-0.2, 0.3, 0.01])
    assert page.texts["h1"][0].startswith("best earns +0.30")
    starts = [text.split()[0] for text in page.texts["li"][:3]]
    assert starts == ["best", "unclear:", "worse"]


def test_a_simulation_without_variant_has_no_lift(page_of, tiny_store):
    page = page_of(tiny_store)
    assert page.texts["h1"] == ["tiny earns 1.00 EUR per shopper."]
    assert page.texts["figcaption"] == ["tiny"]
    assert "interval" not in page.text


def test_the_same_run_gives_the_same_page(write_run, tiny_store, variant):
    run = write_run(tiny_store, variant, lifts=[0.14])
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first
    assert sorted(p.name for p in run.iterdir() if p.suffix == ".html") == ["report.html"]


def test_without_a_doubt_the_report_says_so(write_run, tiny_store, variant):
    run = write_run(tiny_store, variant, lifts=[0.14])
    result = json.loads((run / "result.json").read_text())
    result["support"] = {"level": "high", "why": []}
    (run / "result.json").write_text(json.dumps(result))
    assert "nothing in this change goes beyond" in write_report(run).read_text()


def test_a_layout_against_itself_shows_no_change(page_of, tiny_store):
    page = page_of(tiny_store, rename(tiny_store, "tiny--same"), lifts=[0.0], half_width=0.0)
    assert page.texts["h1"] == ["same changes nothing: profit per shopper is the same to the cent."]


def test_seconds_per_shopper_add_up_to_the_visit(write_run, tiny_store, variant):
    run = load_run(write_run(tiny_store, variant, lifts=[0.14]))
    assert run.seconds_per_shopper("tiny")["seconds"].sum() == pytest.approx(6.0 * 60)
    assert run.difference("tiny--bread-endcap")["seconds"].sum() == pytest.approx(0.0, abs=1e-9)


def test_replications_are_paired(write_run, tiny_store, variant):
    run = load_run(write_run(tiny_store, variant, lifts=[0.14]))
    wide = run.replications.pivot(index="replication", columns="layout", values="profit_per_shopper")
    differences = run.replication_differences("tiny--bread-endcap", "profit_per_shopper")
    assert differences.mean() == pytest.approx(0.14)
    assert differences[2] == wide.loc[2, "tiny--bread-endcap"] - wide.loc[2, "tiny"]


def drawn_area(svg: str) -> float:
    """Square metres under heat, from the rectangles of its paths."""
    return sum(float(w) * float(h) for w, h in re.findall(r"h([\d.]+)v([\d.]+)h-", svg))


def test_a_heat_map_covers_exactly_the_cells_with_time(tiny_store):
    centres = tiny_store.grid.xy
    seconds = np.where(centres[:, 0] < 3, 5.0, 0.0)
    cells = pd.DataFrame({"x": centres[:, 0], "y": centres[:, 1], "seconds": seconds})
    svg = draw_heat_map(tiny_store, cells, 10.0, title="")
    assert drawn_area(svg) == pytest.approx((seconds > 0).sum() * tiny_store.grid.cell_m**2)


def test_more_is_red_and_less_is_blue(tiny_store):
    cells = pd.DataFrame({"x": [0.75, 1.75], "y": [0.75, 0.75], "seconds": [4.0, -4.0]})
    svg = draw_difference_map(tiny_store, cells, 4.0, title="")
    fills = dict(re.findall(r'class="heat" fill="(#\w+)" d="M([\d.]+)', svg))
    assert fills == {"#2166ac": "1.5", "#b2182b": "0.5"}


def test_a_map_has_y_upward(tiny_store):
    cells = pd.DataFrame({"x": [0.75], "y": [4.25], "seconds": [1.0]})
    svg = draw_heat_map(tiny_store, cells, 1.0, title="")
    assert 'd="M0.5 -4.5h' in svg  # the top of the plan is the largest y


@pytest.mark.parametrize(
    ("ends", "kind"), [((0.1, 0.3), "up"), ((-0.3, -0.1), "down"), ((-0.1, 0.3), "unclear")]
)
def test_an_interval_is_coloured_only_where_it_is_clear(ends, kind):
    assert f'class="interval {kind}"' in draw_interval(ends[0], sum(ends) / 2, ends[1], span=1.0)
    assert 'class="interval unclear"' in draw_interval(ends[0], 0.0, ends[1], span=1.0, is_neutral=True)


def test_what_is_no_run_is_refused(tmp_path, tiny_folder):
    for folder in (tmp_path / "nowhere", tiny_folder):
        with pytest.raises(ConfigError, match=r"has no result\.json; name a folder"):
            write_report(folder)


def test_a_run_without_a_table_is_refused(write_run, tiny_store):
    run = write_run(tiny_store)
    (run / "zones.parquet").unlink()
    with pytest.raises(ConfigError, match=r"cannot be read as a run.*zones\.parquet"):
        write_report(run)
    assert not (run / "report.html").exists()


def test_a_run_without_a_store_is_refused(write_run, tiny_store, variant):
    run = write_run(tiny_store, variant, lifts=[0.1])
    for path in (run / "stores" / "layout-1").iterdir():
        path.unlink()
    (run / "stores" / "layout-1").rmdir()
    with pytest.raises(ConfigError, match="lacks the layout 'tiny--bread-endcap'"):
        write_report(run)
