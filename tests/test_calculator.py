"""The page's calculator: its own script, run by the engine of a browser, against `closed_form`."""

import itertools
import json
import re
from html.parser import HTMLParser

import pytest
import torch
from book_links import OTHER_HOST
from normal_form import LOCAL_PATH
from py_mini_racer import MiniRacer

from nonlocal_tut.memory.calculator import (
    BLOCKS,
    GPUS,
    ITEMS,
    SIDES,
    arithmetic,
    calculator,
    script,
)
from nonlocal_tut.memory.closed_form import FORMULAS, SYMBOLS, closed_form, symbol_bytes
from nonlocal_tut.memory.report import MIB, amount
from nonlocal_tut.memory.run import DTYPES

DTYPE = {4: torch.float32, 2: torch.bfloat16}
LOW, HIGH = {"B": 1, "C": 8, "side": 2}, {"B": 64, "C": 2048, "side": 256}
GRID = [
    *itertools.product(
        FORMULAS, (1, 2, 3, 64), (8, 9, 20, 64, 511, 2048), (2, 3, 5, 14, 63, 64, 255, 256), ITEMS
    )
]  # odd and even sides, one and more in a batch, both ends of each slider

# As much of a browser's page as the script uses; `controls` comes from its own HTML.
PAGE = """
class Element {
  constructor(value) { Object.assign(this, {value, attributes: {}, dataset: {}, on: {}}); }
  setAttribute(name, value) { this.attributes[name] = String(value); }
  addEventListener(kind, listener) { this.on[kind] = listener; }
}
const inside = {}, root = new Element();
root.querySelector = (selector) => {
  const name = selector.match(/^\\[name="(.*)"\\]$/);
  if (name && !(selector in inside)) {
    const tag = root.innerHTML.match(new RegExp(`<(input|select)[^>]*name="${name[1]}"[^>]*>`));
    const rest = root.innerHTML.slice(tag.index);
    inside[selector] = new Element(rest.match(/value="([^"]*)"/)[1]);
  }
  return (inside[selector] ??= new Element());
};
const document = {querySelectorAll: () => (root.dataset.ready ? [] : [root])};
function change(name, value) {
  const element = root.querySelector(`[name="${name}"]`);
  element.value = String(value);
  element.on.input();
}
function shown() {
  const [status, answer] = ["[role=status]", "[role=status] + div"].map((s) => inside[s]);
  return {status: status.textContent, answer: answer.innerHTML, html: root.innerHTML};
}
const attribute = (name, key) => inside[`[name="${name}"]`].attributes[key];
const value = (name) => inside[`[name="${name}"]`].value;
"""


def run(engine, code):
    """The value of an expression, by way of JSON: an integer stays one."""
    return json.loads(engine.eval(f"JSON.stringify({code})", timeout_sec=60))


@pytest.fixture(scope="module")
def engine():
    engine = MiniRacer()
    engine.eval(arithmetic())
    return engine


@pytest.fixture
def page():
    engine = MiniRacer()
    (code,) = re.findall(r"<script>(.*)</script>", calculator()._repr_html_(), re.DOTALL)
    engine.eval(PAGE + code)
    return engine


def reference(variant, B, C, side, itemsize):
    return closed_form(variant, B, C, side, side, DTYPE[itemsize])


def needs(variant, B, C, side, itemsize):
    """The peak, the input and the gradient that comes in."""
    held = 2 * B * C * side * side * itemsize
    return reference(variant, B, C, side, itemsize).peak_bytes + held


def test_every_number_is_the_closed_form_s(engine):
    found = run(engine, f"{json.dumps(GRID)}.map((one) => closedForm(...one))")
    for one, js in zip(GRID, found, strict=True):
        report = reference(*one)
        assert js["peak"] == report.peak_bytes, one
        assert js["forward"] == report.forward_peak_bytes, one
        assert js["backward"] == report.backward_peak_bytes, one
        assert js["saved"] == report.saved_bytes, one
        assert js["peak"] + js["held"] == needs(*one), one
        rows = sorted((row.bytes, row.operation) for row in report.at_peak)
        shown = ((t["bytes"], f"{t['count']} × {SYMBOLS[t['name']]}") for t in js["terms"])
        assert rows == sorted(shown), one
        assert js["moment"] in FORMULAS[one[0]]["forward"] + FORMULAS[one[0]]["backward"], one
    reached = {(one[0], js["moment"]) for one, js in zip(GRID, found, strict=True)}
    assert len(reached) > 15  # so many different formulas were the peak's


def test_every_symbol_has_its_size(engine):
    found = run(engine, f"{json.dumps(GRID)}.map((one) => symbolBytes(...one))")
    for (variant, B, C, side, itemsize), js in zip(GRID, found, strict=True):
        assert js == symbol_bytes(variant, B, C, side, side, itemsize)
        assert set(js) == set(SYMBOLS)


def test_16_bits_are_one_choice():
    assert {dtype.itemsize for dtype in DTYPES if dtype != torch.float64} == set(ITEMS)
    for variant in BLOCKS:
        half, brain = (
            closed_form(variant, 3, 20, 9, 9, dtype) for dtype in (torch.float16, torch.bfloat16)
        )
        assert half == brain


def test_a_double_holds_every_count():
    for variant, itemsize in itertools.product(FORMULAS, ITEMS):
        # The search for the largest map looks from 2 to 1024.
        assert needs(variant, HIGH["B"], HIGH["C"], 1024, itemsize) < 2**53
        assert needs(variant, HIGH["B"], HIGH["C"], 2, itemsize) < min(GPUS.values()) * 2**30
        assert needs(variant, LOW["B"], LOW["C"], 1024, itemsize) > max(GPUS.values()) * 2**30


@pytest.mark.parametrize("gpu", GPUS)
def test_the_largest_map_fits_and_the_next_does_not(engine, gpu):
    budget = GPUS[gpu] * 2**30
    for variant, B, C, itemsize in itertools.product(BLOCKS, (1, 8, 64), (8, 256, 2048), ITEMS):
        side = run(engine, f"largestSide({json.dumps(variant)}, {B}, {C}, {itemsize}, '{gpu}')")
        assert needs(variant, B, C, side, itemsize) <= budget
        assert needs(variant, B, C, side + 1, itemsize) > budget
        both = [
            run(engine, f"fits({json.dumps(variant)}, {B}, {C}, {s}, {itemsize}, '{gpu}')")
            for s in (side, side + 1)
        ]
        assert both == [True, False]


def test_the_page_starts_with_a_block(page):
    peak = reference("article", 1, 64, 64, 4).peak_bytes
    status = run(page, "shown()")["status"]
    assert status == f"Peak: {amount(peak)}. T4: fits, 1.8 % of its memory."


@pytest.mark.parametrize(
    ("variant", "B", "C", "side", "itemsize", "gpu", "verdict"),
    [
        ("article", 1, 64, 64, 4, "T4", "fits"),
        ("paper", 7, 100, 131, 2, "L4", "fits"),
        ("dot_product", 64, 2048, 32, 2, "A100 40GB", "fits"),  # 2X is about a third of its peak
        ("paper_pooled", 8, 256, 256, 4, "A100 or H100 80GB", "does not fit"),
    ],
)
def test_the_page_follows_its_controls(page, variant, B, C, side, itemsize, gpu, verdict):
    sizes = {"variant": variant, "B": B, "C": C, "side": side, "itemsize": itemsize}
    for name, value in {**sizes, "gpu": gpu}.items():
        page.eval(f"change('{name}', {json.dumps(value)})")
    shown, report = run(page, "shown()"), reference(**sizes)
    share = 100 * needs(**sizes) / (GPUS[gpu] * 2**30)
    percent = f"{share:.{2 if share < 100 else 4}g} % of its memory."
    assert shown["status"] == f"Peak: {amount(report.peak_bytes)}. {gpu}: {verdict}, {percent}"
    for what, count in {
        "Peak of the forward pass": report.forward_peak_bytes,
        "Peak of the backward pass": report.backward_peak_bytes,
        "Kept for the backward pass": report.saved_bytes,
    }.items():
        assert f"<li>{what}: {amount(count)}</li>" in shown["answer"]
    for row in report.at_peak:
        assert f"<li>{row.operation}: <b>{amount(row.bytes)}</b>" in shown["answer"]
    turn = "backward" if report.backward_peak_bytes == report.peak_bytes else "forward"
    assert f"At the peak, in the {turn} pass:" in shown["answer"]
    assert [f'scope="row">{gpu}</th>' in shown["answer"] for gpu in GPUS] == [True] * 4


@pytest.mark.parametrize("name", LOW)
def test_a_slider_visits_whole_numbers_from_one_end_to_the_other(page, name):
    ends = re.search(rf'name="{name} slider" max="(\d+)"', run(page, "shown()")["html"])
    values = []
    for stop in range(int(ends[1]) + 1):
        page.eval(f"change('{name} slider', {stop})")
        values.append(int(run(page, f"value('{name}')")))
        assert run(page, f"attribute('{name} slider', 'aria-valuetext')") == str(values[-1])
        size = {"B": 1, "C": 64, "side": 64, name: values[-1]}
        peak = amount(reference("article", *size.values(), 4).peak_bytes)
        assert run(page, "shown()")["status"].startswith(f"Peak: {peak}. ")
    assert values == sorted(set(values)) and (values[0], values[-1]) == (LOW[name], HIGH[name])
    assert {8, 14, 28, 56, 64} <= set(values)
    page.eval(f"change('{name}', {values[-2] + 1})")  # typed, between two stops
    assert run(page, f"value('{name} slider')") == len(values) - 1


@pytest.mark.parametrize("name", LOW)
def test_what_is_no_size_is_named_and_answered_by_no_number(page, name):
    for bad in ("", "0", "1.5", str(LOW[name] - 1), str(HIGH[name] + 1), "-8"):
        page.eval(f"change('{name}', '{bad}')")
        shown = run(page, "shown()")
        end = f"it must be a whole number from {LOW[name]} to {HIGH[name]}."
        assert shown["status"].endswith(end) and "MiB" not in shown["status"]
        assert shown["answer"] == ""
        assert run(page, f"attribute('{name}', 'aria-invalid')") == "true"
    page.eval(f"change('{name}', {LOW[name]})")
    assert run(page, f"attribute('{name}', 'aria-invalid')") == "false"
    assert "MiB" in run(page, "shown()")["status"]


class Tags(HTMLParser):
    """The start tags of a piece of HTML, and the text inside labels."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs), "label" in self.open))
        if tag not in ("input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"


def test_every_control_has_a_name_and_the_answer_is_announced(page):
    shown = run(page, "shown()")
    tags = Tags(shown["html"]).tags
    controls = [tag for tag in tags if tag[0] in ("input", "select")]
    assert len(controls) == 9
    assert all(attributes.get("aria-label") or in_label for _, attributes, in_label in controls)
    assert all(attributes.get("data-lm-suppress-shortcuts") for _, attributes, _ in controls)
    assert sum(attributes.get("aria-live") == "polite" for _, attributes, _ in tags) == 1
    assert not any("id" in attributes for _, attributes, _ in tags)  # two on a page do not clash
    Tags(shown["answer"])  # every tag is closed


def test_the_output_is_small_the_same_each_time_and_loads_nothing():
    html = calculator()._repr_html_()
    assert html == calculator()._repr_html_()
    assert arithmetic() in script() and script() in html
    assert html.count("</script>") == 1 and html.endswith("</script>")
    assert len(html.encode()) < 16_000
    assert not OTHER_HOST.search(html)
    assert not re.search(r"http|\b(import|fetch|XMLHttpRequest|eval)\b", html)
    assert not LOCAL_PATH.search(html)
    assert "258.27 MiB (270,811,396 bytes)" in repr(calculator())


def test_without_scripts_a_table_stands_in():
    html = re.sub(r"<script>.*</script>", "", calculator()._repr_html_(), flags=re.DOTALL)
    assert not [tag for tag, _, _ in Tags(html).tags if tag in ("input", "select", "style")]
    cells = re.findall(r"<td>(.*?)</td>", html)
    peaks = [
        reference(variant, 1, 64, side, 4).peak_bytes for side in SIDES for variant in FORMULAS
    ]
    assert cells == [f"{peak / MIB:,.2f}" for peak in peaks]
