// The search box: headings as hits, while one types, in English and Chinese. What it looks through
// is written by the build (sections.js); MiniSearch ranks. Both are fetched when a box is first used,
// as scripts, so that a page opened from a disk can search, too.

(() => {
"use strict";

const MOST = 10;
const HERE = document.currentScript.src.replace(/search\.js.*$/, "");
const HANZI = /[\u4e00-\u9fff]/;

// "C/8" is a word and has parts; a Chinese text is looked up by its characters and pairs of them.
function words(text) {
  const found = [];
  for (const word of text.toLowerCase().match(/[a-z0-9_./×'’-]+|[\u4e00-\u9fff]+/g) ?? []) {
    if (HANZI.test(word)) {
      if (word.length < 3) found.push(word);
      for (let i = 0; i + 1 < word.length; i++) found.push(word.slice(i, i + 2));
    } else {
      const whole = word.replace(/^[./'’-]+|[./'’-]+$/g, "");
      const parts = whole.split(/[./×'’_-]+/);
      found.push(whole, ...(parts.length > 1 ? parts : []));
    }
  }
  return found.filter(Boolean);
}

function index(sections) {
  const made = new MiniSearch({
    fields: ["heading", "text"],
    tokenize: words,
    processTerm: (term) => term,
    searchOptions: {
      boost: { heading: 5 },
      prefix: (term) => term.length > 2,
      fuzzy: (term) => (term.length > 5 && !HANZI.test(term) ? 0.15 : false),
    },
  });
  made.addAll(sections.map(([, heading, , text], id) => ({ id, heading, text })));
  return made;
}

// Sections with all words first; where there are none, with any.
function find(made, sections, query) {
  let hits = made.search(query, { combineWith: "AND" });
  if (!hits.length) hits = made.search(query, { combineWith: "OR" });
  return hits.slice(0, MOST).map(({ id }) => sections[id]);
}

function excerpt(text, query) {
  const lower = text.toLowerCase();
  const places = words(query).map((word) => lower.indexOf(word)).filter((at) => at >= 0);
  const start = Math.max(0, Math.min(...(places.length ? places : [0])) - 50);
  return (start ? "… " : "") + text.slice(start, start + 140) + (start + 140 < text.length ? " …" : "");
}

// A text into an element, its Chinese marked as such for the voice that reads it.
function write(element, text) {
  const chinese = (run) =>
    Object.assign(document.createElement("span"), { lang: "zh", textContent: run });
  const parts = text.split(/([\u3400-\u9fff]+)/);
  element.replaceChildren(...parts.map((part, at) => (at % 2 ? chinese(part) : part)));
}

function listed(hits, query, root) {
  const list = document.createElement("ol");
  list.className = "section-hits";
  for (const [page, heading, address, text] of hits) {
    const item = list.appendChild(document.createElement("li"));
    const link = item.appendChild(document.createElement("a"));
    link.href = root + address;
    write(link, heading);
    write(item.appendChild(document.createElement("p")), `${page}: ${excerpt(text, query)}`);
  }
  return list;
}

let ready;
function load() {
  const script = (name) =>
    new Promise((resolve, reject) => {
      const tag = document.createElement("script");
      Object.assign(tag, { src: HERE + name, onload: resolve, onerror: reject });
      document.head.append(tag);
    });
  ready ??= Promise.all([script("minisearch.js"), script("sections.js")]).then(() =>
    index(window.SECTIONS),
  );
  return ready;
}

async function answer(query, place) {
  const made = await load();
  const hits = query.trim() ? find(made, window.SECTIONS, query) : [];
  const root = document.documentElement.dataset.content_root;
  place.replaceChildren(listed(hits, query, root));
  if (query.trim() && !hits.length) write(place, `Nothing found for “${query}”.`);
}

function start() {
  for (const form of document.querySelectorAll("form.bd-search")) {
    const input = form.querySelector("input");
    const onPage = document.getElementById("search-results");
    const place = onPage ?? form.insertAdjacentElement("afterend", document.createElement("div"));
    place.classList.add("search-answers");
    place.setAttribute("aria-live", "polite");
    input.addEventListener("focus", load);
    input.addEventListener("input", () => answer(input.value, place));
    const asked = new URLSearchParams(location.search).get("q");
    if (onPage && asked) answer((input.value = asked), place);
  }
}

window.addEventListener("DOMContentLoaded", start);
})();
