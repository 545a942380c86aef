"""The moving figures by mouse and keyboard, with motion and without, with scripts and without."""

import pytest
from built_site import SITE

FOUND = sorted(
    (path.relative_to(SITE).as_posix(), name)
    for path in SITE.glob("book/*.html")
    for name in ("field", "live", "tiles", "timeline", "wall")
    if f'data-figure="{name}"' in path.read_text(encoding="utf-8")
)
each_place = pytest.mark.parametrize(("page", "name"), FOUND)
IN_ONE_FRAME, TOUCHED = ("live", "wall"), ("field", "live", "wall")


def each_place_of(kind):
    """Each figure of this kind, opened once for the tests that ask for `place`."""
    chosen = [(page, name) for page, name in FOUND if kind(name)]
    names = [f"{page}-{name}" for page, name in chosen]
    return pytest.mark.parametrize("place", chosen, ids=names, indirect=True, scope="module")


@pytest.fixture(scope="module")
def place(visit, request):
    """(page, name) -> what is watched, the figure's name and its parts."""
    page, name = request.param
    with visit() as watched:
        yield watched, name, *parts(watched, page, name)


each_stepped = each_place_of(lambda name: name not in IN_ONE_FRAME)
each_touched = each_place_of(lambda name: name in TOUCHED)


def parts(watched, page, name):
    root = watched.open(page).locator(f'[data-figure="{name}"]')
    root.scroll_into_view_if_needed()
    return root, root.locator("[role=status]"), root.locator("[type=range]")


@each_stepped
def test_it_starts_paused_and_plays_when_asked(place):
    watched, _, root, status, _ = place
    before = status.text_content()
    watched.page.wait_for_timeout(1200)
    assert status.text_content() == before
    root.get_by_role("button", name="Play").click()
    watched.page.wait_for_timeout(1200)
    assert status.text_content() != before
    root.get_by_role("button", name="Pause").click()


@each_stepped
def test_it_is_scrubbed_by_keys_and_says_each_step(place):
    watched, _, _, status, scrubber = place
    before = status.text_content()
    scrubber.focus()
    watched.page.keyboard.press("ArrowRight")
    assert status.text_content() != before
    assert scrubber.get_attribute("aria-valuetext") == status.text_content()
    watched.page.keyboard.press("ArrowLeft")
    assert status.text_content() == before
    assert (watched.errors, watched.foreign, watched.failed) == ([], [], [])


@pytest.mark.parametrize(("page", "name"), [p for p in FOUND if p[1] not in IN_ONE_FRAME])
def test_where_motion_is_not_wanted_nothing_plays(page, name, visit):
    with visit(reduced_motion="reduce") as watched:
        root, _, scrubber = parts(watched, page, name)
        assert not root.get_by_role("button", name="Play").is_visible()
        assert scrubber.is_visible()


@each_touched
def test_it_is_touched_by_keys_and_by_pointer(place):
    watched, name, root, status, scrubber = place
    assert scrubber.is_visible() == (name not in IN_ONE_FRAME)
    picture = root.locator("svg")
    if name == "field":  # with some layers
        scrubber.fill("5")
    drawn = [picture.inner_html()]
    for key in ("ArrowDown", "ArrowRight"):
        picture.press(key)
        drawn.append(picture.inner_html())
    box = picture.bounding_box()
    for share in (0.4, 0.7):
        x, y = box["x"] + share * box["width"], box["y"] + share * box["height"]
        watched.page.mouse.click(x, y)
        drawn.append(picture.inner_html())
    assert len(set(drawn)) == len(drawn), "each of them moves something"
    assert len(status.text_content()) > 20
    assert (watched.errors, watched.foreign, watched.failed) == ([], [], [])


@each_place
def test_without_scripts_a_frame_and_its_sentence_stand_there(page, name, visit):
    with visit(java_script_enabled=False) as watched:
        watched.page.goto(watched.address + page)
        root = watched.page.locator(f'[data-figure="{name}"]')
        assert root.locator("svg").count() == 1
        assert "Where scripts run" in root.locator("p").last.text_content()


each_timeline = pytest.mark.parametrize(
    "page", [page for page, name in FOUND if name == "timeline"]
)


def until_at(watched, end):
    """Fails if the address does not come to end so: it follows a figure a moment later."""
    watched.page.wait_for_function("(end) => location.href.endsWith(end)", arg=end, timeout=10_000)


@each_timeline
def test_the_address_holds_the_case_and_opens_it(page, visit):
    with visit() as watched:
        root, status, _ = parts(watched, page, "timeline")
        root.locator("[name=form]").select_option("swapped")
        root.locator("[name=side]").select_option("96")
        until_at(watched, "#timeline=swapped,1,64,96,T4,1")
        address, said = watched.page.url, status.text_content()
        root.locator("[name=card]").select_option("A100 40GB")
        until_at(watched, "#timeline=swapped,1,64,96,A100%2040GB,1")
    with visit() as watched:
        case = address.split("/book/")[1].removesuffix(",1") + ",19"
        root, status, scrubber = parts(watched, f"book/{case}", "timeline")
        assert root.locator("[name=form]").input_value() == "swapped"
        assert scrubber.input_value() == "18" and "Step 19 of 49" in status.text_content()
        assert status.text_content() != said and watched.errors == []
        assert root.evaluate("(e) => Math.abs(e.getBoundingClientRect().top)") < 900, "out of sight"
        for odd in ("toString,%,-3,x", "fused,8,256,128,A100%2040GB,31"):
            watched.page.evaluate(f"location.hash = 'timeline={odd}'")
        watched.page.wait_for_timeout(200)
        assert root.locator("[name=card]").input_value() == "A100 40GB"
        assert "Step 31 of 59" in status.text_content() and watched.errors == []


@each_timeline
def test_keys_and_the_pointer_go_through_the_steps(page, visit):
    with visit() as watched:
        root, status, _ = parts(watched, page, "timeline")
        root.locator("svg").focus()
        watched.page.keyboard.press("ArrowRight")
        assert "Step 2 of 47" in status.text_content()
        box = root.locator("svg").bounding_box()
        scale = box["width"] / 336
        watched.page.mouse.click(box["x"] + 26.5 / 47 * box["width"], box["y"] + 90 * scale)
        assert "Step 27 of 47" in status.text_content()
        assert "hidden copy" in status.text_content()
