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

from nonlocal_tut import SelfAttention2d, memory
from nonlocal_tut.memory.calculator import (
    BLOCKS,
    GPUS,
    ITEMS,
    SIDES,
    TURNS,
    arithmetic,
    calculator,
    script,
)
from nonlocal_tut.memory.closed_form import closed_form
from nonlocal_tut.memory.formulas import FORMULAS, SYMBOLS, formulas_for, symbol_bytes
from nonlocal_tut.memory.report import MIB
from nonlocal_tut.memory.run import DTYPES

DTYPE = {4: torch.float32, 2: torch.bfloat16}
LOW = {"B": 1, "C": 8, "H": 2, "W": 2}
HIGH = {"B": 64, "C": 2048, "H": 1024, "W": 1024}
SHAPES = [(2, 2), (3, 2), (5, 5), (14, 63), (63, 14), (64, 64), (255, 257), (1024, 1024)]
GRID = [
    (variant, B, C, H, W, itemsize, training)
    for variant, B, C, (H, W), itemsize, training in itertools.product(
        FORMULAS, (1, 2, 3, 64), (8, 9, 20, 64, 511, 2048), SHAPES, ITEMS, TURNS
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
  const old = [status.dataset.old, answer.dataset.old];
  return {status: status.textContent, answer: answer.innerHTML, html: root.innerHTML, old};
}
const error = (name) => inside[`[data-error="${name}"]`].textContent;
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


def reference(variant, B, C, H, W, itemsize, training=1):
    return closed_form(variant, B, C, H, W, DTYPE[itemsize], training=bool(training))


def needs(variant, B, C, H, W, itemsize, training=1):
    """The peak, the input and in training the gradient that comes in."""
    held = (1 + training) * B * C * H * W * itemsize
    return reference(variant, B, C, H, W, itemsize, training).peak_bytes + held


def amount(count):
    """MiB while that has at most four digits before the point, then GiB, then TiB."""
    if count < 10_000:
        return f"{count:,d} bytes"
    for unit, size in (("MiB", 2**20), ("GiB", 2**30)):
        if count < 10_000 * size:
            return f"{count / size:,.2f} {unit}"
    return f"{count / 2**40:,.2f} TiB"


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
        variant, B, _, H, W, itemsize, training = one
        formulas = formulas_for(variant, B, H, W, itemsize)
        turns = ("forward", "backward") if training else ("inference",)
        assert js["moment"] in itertools.chain(*(formulas[turn] for turn in turns)), one
    reached = {(one[0], js["moment"]) for one, js in zip(GRID, found, strict=True)}
    assert len(reached) > 15  # so many different formulas were the peak's


def test_every_symbol_has_its_size(engine):
    found = run(engine, f"{json.dumps(GRID)}.map((one) => symbolBytes(...one))")
    for (variant, B, C, H, W, itemsize, _), js in zip(GRID, found, strict=True):
        assert js == symbol_bytes(variant, B, C, H, W, itemsize)
        assert set(js) == set(SYMBOLS)


@pytest.mark.parametrize("training", TURNS)
@pytest.mark.parametrize("shape", [(2, 40, 17, 31), (1, 64, 9, 7)])
@pytest.mark.parametrize("variant", BLOCKS)
def test_the_script_has_the_bytes_that_predict_finds(engine, variant, shape, training):
    make = SelfAttention2d if variant == "fused" else memory.VARIANTS[variant]
    for itemsize, dtype in DTYPE.items():
        report = memory.predict(lambda: make(shape[1]), shape, dtype, training=bool(training))
        one = json.dumps([variant, *shape, itemsize, training])
        js = run(engine, f"closedForm(...{one})")
        assert (js["peak"], js["saved"]) == (report.peak_bytes, report.saved_bytes)


def test_16_bits_are_one_choice():
    assert {dtype.itemsize for dtype in DTYPES if dtype != torch.float64} == set(ITEMS)
    for variant in BLOCKS:
        half, brain = (
            closed_form(variant, 3, 20, 9, 9, dtype) for dtype in (torch.float16, torch.bfloat16)
        )
        assert half == brain


def test_a_double_holds_every_count():
    for variant, itemsize, training in itertools.product(FORMULAS, ITEMS, TURNS):
        assert needs(variant, *HIGH.values(), itemsize, training) < 2**53
        least = {**HIGH, "H": 2, "W": 2}  # the search for the largest square begins there
        assert needs(variant, *least.values(), itemsize, training) < min(GPUS.values()) * 2**30


@pytest.mark.parametrize("gpu", GPUS)
def test_the_largest_square_fits_and_the_next_does_not(engine, gpu):
    budget = GPUS[gpu] * 2**30
    for variant, B, C, itemsize, training in itertools.product(
        BLOCKS, (1, 8, 64), (8, 256, 2048), ITEMS, TURNS
    ):
        told = f"{json.dumps(variant)}, {B}, {C}, {itemsize}, {training}"
        side = run(engine, f"largestSide('{gpu}', 1024, {told})")
        assert needs(variant, B, C, side, side, itemsize, training) <= budget
        if side < 1024:
            assert needs(variant, B, C, side + 1, side + 1, itemsize, training) > budget
        told = f"{json.dumps(variant)}, {B}, {C}, {side}, {side}, {itemsize}, {training}"
        assert run(engine, f"fits('{gpu}', {told})")


def test_the_page_starts_with_a_block(page):
    peak = reference("article", 1, 64, 64, 64, 4).peak_bytes
    status = run(page, "shown()")["status"]
    assert status == f"Peak: {amount(peak)}. T4: fits, 1.8 % of its memory."


@pytest.mark.parametrize(
    ("variant", "B", "C", "H", "W", "itemsize", "training", "gpu", "verdict"),
    [
        ("article", 1, 64, 64, 64, 4, 1, "T4", "fits"),
        ("paper", 7, 100, 131, 96, 2, 1, "L4", "fits"),
        ("dot_product", 64, 2048, 32, 32, 2, 1, "A100 40GB", "fits"),  # its inputs are a third
        ("paper_pooled", 8, 256, 256, 256, 4, 1, "A100 or H100 80GB", "does not fit"),
        ("fused", 2, 64, 512, 300, 2, 1, "T4", "fits"),
        ("swapped", 1, 64, 269, 269, 4, 0, "L4", "does not fit"),
        ("article", 64, 64, 1024, 1024, 4, 1, "T4", "does not fit"),
    ],
)
def test_the_page_follows_its_controls(page, variant, B, C, H, W, itemsize, training, gpu, verdict):
    sizes = {"variant": variant, "B": B, "C": C, "H": H, "W": W}
    sizes |= {"itemsize": itemsize, "training": training}
    for name, value in {**sizes, "gpu": gpu}.items():
        page.eval(f"change('{name}', {json.dumps(value)})")
    shown, report = run(page, "shown()"), reference(**sizes)
    share = 100 * needs(**sizes) / (GPUS[gpu] * 2**30)
    percent = (f"{share:.2g}" if share < 100 else f"{float(f'{share:.4g}'):,g}") + " %"
    start = f"Peak: {amount(report.peak_bytes)}. {gpu}: {verdict}, "
    assert shown["status"].startswith(start) and shown["status"].endswith(" % of its memory.")
    if share < 100_000:
        assert shown["status"] == f"{start}{percent} of its memory."
    for what, count in {
        "Peak of the forward pass": report.forward_peak_bytes,
        "Peak of the backward pass": report.backward_peak_bytes,
        "Kept for the backward pass": report.saved_bytes,
    }.items():
        assert (f"<li>{what}: {amount(count)}</li>" in shown["answer"]) == bool(training)
    assert f"The peak to the byte: {report.peak_bytes:,d}</li>" in shown["answer"]
    for row in report.at_peak:
        line = f"{row.operation}: <b>{amount(row.bytes)}</b>"
        assert (line in shown["answer"]) == (row.bytes > 0)
    turn = "backward" if report.backward_peak_bytes == report.peak_bytes else "forward"
    where = f", in the {turn} pass" if training else ""
    assert f"At the peak{where}:" in shown["answer"]
    assert [f'scope="row">{gpu}</th>' in shown["answer"] for gpu in GPUS] == [True] * 4
    card, shares = bar(shown["answer"])
    assert card == pytest.approx(min(100, 100 * 100 / share), abs=0.01)
    assert sum(shares) == pytest.approx(min(100, share), abs=0.05)


def bar(answer):
    """In percent of the bar: where the card's memory ends, and each part of what is needed."""
    ends = re.search(r'<b style="left: 0; width: ([\d.]+)%">', answer)
    parts = re.findall(r'<span style="width: ([\d.]+)%', answer)
    return float(ends[1]), [float(part) for part in parts]


@pytest.mark.parametrize("name", LOW)
def test_a_slider_visits_whole_numbers_from_one_end_to_the_other(page, name):
    ends = re.search(rf'name="{name} slider" max="(\d+)"', run(page, "shown()")["html"])
    values = []
    for stop in range(int(ends[1]) + 1):
        page.eval(f"change('{name} slider', {stop})")
        values.append(int(run(page, f"value('{name}')")))
        assert run(page, f"attribute('{name} slider', 'aria-valuetext')") == str(values[-1])
        size = {"B": 1, "C": 64, "H": 64, "W": 64, name: values[-1]}
        peak = amount(reference("article", *size.values(), 4).peak_bytes)
        assert run(page, "shown()")["status"].startswith(f"Peak: {peak}. ")
    assert values == sorted(set(values)) and (values[0], values[-1]) == (LOW[name], HIGH[name])
    assert {8, 14, 28, 56, 64} <= set(values)
    page.eval(f"change('{name}', {values[-2] + 1})")  # typed, between two stops
    assert run(page, f"value('{name} slider')") == len(values) - 1


@pytest.mark.parametrize("name", LOW)
def test_what_is_no_size_is_named_at_its_field_and_the_last_answer_stays(page, name):
    before = run(page, "shown()")
    for bad in ("", "0", "1.5", str(LOW[name] - 1), str(HIGH[name] + 1), "-8"):
        page.eval(f"change('{name}', '{bad}')")
        told = f"A whole number from {LOW[name]} to {HIGH[name]:,d}, please."
        assert {n: run(page, f"error('{n}')") for n in LOW} == {
            n: told if n == name else "" for n in LOW
        }
        shown = run(page, "shown()")
        assert (shown["status"], shown["answer"]) == (before["status"], before["answer"])
        assert shown["old"] == ["yes", "yes"], "it is grey, since it answers what was asked before"
        assert run(page, f"attribute('{name}', 'aria-invalid')") == "true"
    page.eval(f"change('{name}', {HIGH[name]})")
    assert run(page, f"attribute('{name}', 'aria-invalid')") == "false"
    shown = run(page, "shown()")
    assert shown["old"] == ["no", "no"] and shown["status"] != before["status"]
    assert run(page, f"error('{name}')") == ""


def test_what_its_own_table_recommends_can_be_typed(page):
    for variant, training in itertools.product(BLOCKS, TURNS):
        page.eval(f"change('variant', '{variant}')")
        page.eval(f"change('training', {training})")
        sides = re.findall(r"<td>(\d+)×\d+", run(page, "shown()")["answer"])
        assert len(sides) == len(GPUS)
        page.eval(f"change('H', {max(map(int, sides))})")
        assert run(page, "shown()")["old"] == ["no", "no"]


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
    assert len(controls) == 12
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
    assert len(html.encode()) < 24_000
    assert not OTHER_HOST.search(html)
    assert not re.search(r"http|\b(import|fetch|XMLHttpRequest|eval)\b", html)
    assert not LOCAL_PATH.search(html)
    assert "258.27 MiB (270,811,396 bytes)" in repr(calculator())


def test_without_scripts_a_table_stands_in():
    html = re.sub(r"<script>.*</script>", "", calculator()._repr_html_(), flags=re.DOTALL)
    assert not [tag for tag, _, _ in Tags(html).tags if tag in ("input", "select", "style")]
    cells = re.findall(r"<td>(.*?)</td>", html)
    peaks = [
        reference(variant, 1, 64, side, side, 4).peak_bytes
        for side in SIDES
        for variant in FORMULAS
    ]
    assert cells == [f"{peak / MIB:,.2f}" for peak in peaks]
