"""Predictions by mouse, by keyboard, on a phone and without scripts."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from built_site import SITE
from every import some
from test_by_ear import QUICK

FOUND = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.glob("book/*.html")
    if '<details class="predict"' in path.read_text(encoding="utf-8")
)
FIRST = "book/01_receptive_field.html"
each_page = pytest.mark.parametrize("name", some(FOUND, 2))


def first(watched, name=FIRST):
    group = watched.open(name).locator(".predict-play").first
    group.scroll_into_view_if_needed()
    return group, group.locator("[role=status]"), group.locator(".predict-row > button")


def rest(watched):
    return watched.page.locator("details.predict").first


# Each answer of each prediction chosen, one after the other: what is told before and after it.
CHOSEN = """() => [...document.querySelectorAll(".predict-play")].map((group) => {
  const told = group.querySelector("[role=status]"), before = told.textContent;
  const strong = "following-sibling::details[1]//li[contains(., ', right:')]//strong";
  const listed = document.evaluate(strong, group, null, 9).singleNodeValue;  // the first
  return {before, right: listed.textContent,
    answers: [...group.querySelectorAll(".predict-row > button")].map((button) => {
      const seen = button.checkVisibility({visibilityProperty: true}) && !button.disabled;
      button.click();
      return {answer: button.textContent, seen, pressed: button.ariaPressed,
        allPressed: group.querySelectorAll("[aria-pressed=true]").length,
        told: [...told.querySelectorAll("p")].map((line) => line.textContent)};
    })};
})"""
OUTSIDE = """() => [...document.querySelectorAll(".predict-play :is(button, input, p)")]
  .filter((part) => part.checkVisibility()).filter((part) => {
    const {left, right} = part.getBoundingClientRect();
    return left < 0 || right > 390;
  }).map((part) => part.textContent)"""


@each_page
def test_every_answer_can_be_chosen_the_right_one_is_told_and_all_fits_a_phone(name, visit):
    with visit() as watched:
        groups = watched.open(name).evaluate(CHOSEN)
        assert groups
        for group in groups:
            assert group["before"] == "" and len(group["answers"]) >= 3
            right = group["right"]
            for chosen in group["answers"]:
                assert chosen["seen"]
                assert (chosen["pressed"], chosen["allPressed"]) == ("true", 1)
                answer = chosen["answer"]
                starts = [f"You said {answer}:", f"It is {right}:"]
                if answer == right:
                    starts = [f"Right, {right}:"]
                pairs = zip(chosen["told"], starts, strict=True)
                assert [said[: len(start)] for said, start in pairs] == starts
        watched.resize(390)
        assert watched.page.evaluate(OUTSIDE) == []
        assert (watched.errors, watched.foreign, watched.failed) == ([], [], [])


def test_the_other_answers_open_only_after_a_choice(visit):
    with visit() as watched:
        _, _, buttons = first(watched)
        assert not rest(watched).is_visible()
        buttons.first.click()
        assert rest(watched).is_visible()
        assert not rest(watched).locator("li").first.is_visible()
        rest(watched).locator("summary").click()
        assert rest(watched).locator("li").first.is_visible()


def test_by_keyboard_alone(visit):
    with visit() as watched:
        _, told, buttons = first(watched)
        keyboard = watched.page.keyboard
        buttons.first.focus()
        keyboard.press("ArrowLeft")
        assert buttons.last.evaluate("one => one === document.activeElement")
        keyboard.press("ArrowRight")
        keyboard.press("ArrowRight")
        assert told.text_content() == ""  # to look is not to choose
        keyboard.press("Enter")
        assert told.text_content().startswith("You said 10:")
        keyboard.press("Tab")
        keyboard.press("Space")
        assert told.text_content().startswith("Right, 20:")


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("20", r"Right, 20:"),
        ("10 layers", r"You said 10: the dots meet"),
        ("-20", r"You said -20\.It is 20:"),
        ("1,955", r"You said 1955\.It is 20:"),
        ("many", r"Please type a number\.$"),
        ("", r"Please type a number\.$"),
    ],
)
def test_a_number_of_ones_own(typed, says, visit):
    with visit() as watched:
        group, told, _ = first(watched)
        group.get_by_label("or your own").fill(typed)
        watched.page.keyboard.press("Enter")
        assert re.match(says, told.text_content())
        assert watched.errors == []


def test_formulas_in_a_reason_are_set(visit):
    with visit() as watched:
        group = watched.open(FIRST).locator(".predict-play", has_text="Which weight?")
        group.get_by_role("button", name="0.81").click()
        assert group.locator("[role=status] mjx-container").count() == 2
        assert "$" not in group.text_content() and "\\(" not in group.text_content()


@pytest.mark.parametrize("theme", some(["dark", "light"], 2))
def test_axe_finds_nothing_after_a_choice(theme, visit):
    with visit(390, theme) as watched:
        _, _, buttons = first(watched)
        buttons.first.click()
        rest(watched).locator("summary").click()
        found = Axe().run(watched.page, context=".predict-play", options=QUICK).response
        assert [(v["id"], v["nodes"][0]["target"]) for v in found["violations"]] == []


def test_nothing_moves_and_nothing_is_kept(visit):
    with visit(reduced_motion="reduce") as watched:
        group, _, buttons = first(watched)
        before = watched.page.evaluate("Object.keys({...localStorage, ...sessionStorage}).sort()")
        asked = len(watched.loaded)
        buttons.first.click()
        assert group.evaluate("one => one.getAnimations({subtree: true}).length") == 0
        after = watched.page.evaluate("Object.keys({...localStorage, ...sessionStorage}).sort()")
        assert (after, len(watched.loaded)) == (before, asked)


@each_page
def test_without_scripts_it_is_a_folded_list(name, visit):
    with visit(java_script_enabled=False) as watched:
        watched.page.goto(watched.address + name)
        box = rest(watched)
        assert watched.page.locator(".predict-play").count() == 0
        assert " · " in box.locator("summary").text_content()
        assert not box.locator("li").first.is_visible()
        box.locator("summary").click()
        assert box.locator("li").first.is_visible()
        assert box.locator("li", has_text=", right:").count() == 1
