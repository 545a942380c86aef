// What scripts write into a page, in another language: nonlocal_tut/words has the same in Python.

// From a catalogue {"{1} of {2} fit": translation} to a function from a text to its translation.
function speaker(catalogue) {
  const holes = /\{\d+\}/g;
  const literal = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const patterns = Object.keys(catalogue)
    .filter((sentence) => sentence.search(holes) >= 0)
    .sort((a, b) => (a.search(holes) === 0) - (b.search(holes) === 0)
      || b.replace(holes, "").length - a.replace(holes, "").length)
    .map((s) => [new RegExp(`^${s.split(holes).map(literal).join("(.+?)")}$`), catalogue[s]]);
  const known = new Map();

  function find(words) {
    if (Object.hasOwn(catalogue, words)) return catalogue[words];
    for (const [pattern, translation] of patterns) {
      const held = words.match(pattern);
      if (held) return translation.replace(holes, (hole) => say(held[Number(hole.slice(1, -1))]));
    }
    return words;
  }
  function say(text) {
    const words = text.trim().replace(/\s+/g, " ");
    if (!words) return text;
    if (!known.has(words)) known.set(words, find(words));
    const [before, behind] = [text.match(/^\s*/)[0], text.match(/\s*$/)[0]];
    return before + known.get(words) + behind;
  }
  return say;
}

// Whatever is written under `root` from now on, and what stands there, is said by `say`.
const WRITTEN = ".touch-figure, .bytes-calculator, .predict-play, .predict, .search-answers, .cell";
const HEARD = ["aria-label", "aria-valuetext"];
function listen(root, say) {
  function tell(node) {
    if (node.nodeType === Node.TEXT_NODE) {
      const parent = node.parentElement;
      if (!parent?.closest(WRITTEN) || parent.closest("script, style, pre, code")) return;
      const said = say(node.data);
      if (said !== node.data) node.data = said;
    } else if (node.nodeType === Node.ELEMENT_NODE) {
      for (const name of HEARD) {
        const words = node.getAttribute(name);
        const said = words && node.closest(WRITTEN) ? say(words) : words;
        if (said !== words) node.setAttribute(name, said);
      }
      node.childNodes.forEach(tell);
    }
  }
  const observer = new MutationObserver((changes) => {
    for (const { type, target, addedNodes } of changes)
      type === "childList" ? addedNodes.forEach(tell) : tell(target);
  });
  const what = { subtree: true, childList: true, characterData: true };
  observer.observe(root, { ...what, attributeFilter: HEARD });
  root.querySelectorAll(WRITTEN).forEach(tell);
}
