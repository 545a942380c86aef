// What the theme and its toggles leave out: names that can be heard, and paper that is light.

// Each toggle of an exercise is called by its title, not "Toggle hidden content".
function nameToggles() {
  document.querySelectorAll(".toggle-button").forEach((button) => {
    const title = button.closest(".admonition")?.querySelector(".admonition-title");
    if (title) button.setAttribute("aria-label", title.textContent.trim());
  });
}

// A page that is read in the dark is printed as black on white all the same.
let chosen;
function forPaper() {
  chosen = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
}
function forScreen() {
  document.documentElement.dataset.theme = chosen;
}

// What is wider than the screen has a scroll bar of its own; then it is a stop for the keyboard, and
// fades out at its right edge until its end is seen.
const SCROLLS =
  ".drawing, .cell_output .output, .cell_output p, .pst-scrollable-table-container";
function letScroll() {
  document.querySelectorAll(SCROLLS).forEach((box) => {
    if (box.scrollWidth > box.clientWidth) box.setAttribute("tabindex", "0");
    else box.removeAttribute("tabindex");
    box.onscroll = () => tellMore(box);
    tellMore(box);
  });
}
function tellMore(box) {
  box.toggleAttribute("data-more", box.scrollWidth - box.clientWidth - box.scrollLeft > 2);
}

// The switch to the other language leads to the section that was asked for or, failing that, is read.
function keepSection() {
  document.querySelectorAll("a.language-switch").forEach((link) => {
    link.addEventListener("click", () => {
      const read = [...document.querySelectorAll("article section[id]")].filter(
        (section) => section.getBoundingClientRect().top < 120,
      );
      link.hash = location.hash || (read.length > 1 ? read.at(-1).id : "");
    });
  });
}

// Text appears with its formulas in place (see the page's head).
function showText() {
  document.documentElement.classList.remove("typesetting");
}

window.addEventListener("load", nameToggles);
window.addEventListener("load", keepSection);
window.addEventListener("load", letScroll);
window.addEventListener("resize", letScroll);
window.addEventListener("load", () => {
  (window.MathJax?.startup?.promise ?? Promise.resolve()).then(showText, showText);
});
window.addEventListener("beforeprint", forPaper);
window.addEventListener("afterprint", forScreen);
