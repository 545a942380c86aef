// Each "Predict": a folded list of answers becomes buttons, and says why an answer tempts only
// after one is chosen. Without this script it stays a folded list. Nothing is kept or sent.
(() => {
  // "1,955" is a number; what has none is NaN.
  const number = (text) => parseFloat((text.match(/-?\d[\d,]*(\.\d+)?/) ?? [""])[0].replaceAll(",", ""));

  const RIGHT = /^(, right:|，对：)/; // behind the answer that is right, in either language
  const QUESTION = /^[^?？]*[?？]/;

  function answers(box) {
    return [...box.querySelectorAll("li")].map((item) => {
      const line = item.querySelector("p") ?? item;
      const answer = line.querySelector("strong").textContent;
      const right = RIGHT.test(line.textContent.slice(answer.length));
      return { line, answer, right, value: number(answer) };
    });
  }

  function make(tag, properties, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  function play(box) {
    const all = answers(box), right = all.find((one) => one.right);
    const question = box.querySelector("summary").textContent.match(QUESTION)[0];
    const told = make("div", { className: "predict-told" });
    told.setAttribute("role", "status");

    function said(mark, one) {
      const copy = one.line.cloneNode(true); // with its formulas as they are set by now
      const after = copy.querySelector("strong").nextSibling;
      after.data = after.data.replace(RIGHT, (mark) => mark.at(-1));
      return make("p", {}, `${mark} `, ...copy.childNodes);
    }

    // One of the answers; or none of them, and then a line of its own.
    function choose(one, line = one && said(one.right ? "Right," : "You said", one)) {
      told.replaceChildren(line, ...(one?.right ? [] : [said("It is", right)]));
      for (const each of all) each.button.setAttribute("aria-pressed", each === one);
      box.hidden = false;
    }

    function count(text) {
      const value = number(text);
      if (Number.isNaN(value)) return told.replaceChildren(make("p", {}, "Please type a number."));
      const off = (one) => Math.abs(one.value - value);
      const near = all.reduce((a, b) => (off(b) < off(a) ? b : a));
      if (off(near) <= Number(box.dataset.number)) return choose(near);
      choose(null, make("p", {}, `You said ${value}.`));
    }

    for (const one of all) {
      one.button = make("button", { type: "button", onclick: () => choose(one) }, one.answer);
      one.button.setAttribute("aria-pressed", false);
    }
    const row = make("div", { className: "predict-row" }, ...all.map((one) => one.button));
    row.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const at = all.findIndex((one) => one.button === event.target);
      if (!step || at < 0) return;
      event.preventDefault();
      all[(at + step + all.length) % all.length].button.focus();
    });
    if (box.dataset.number) {
      const field = make("input", { type: "text", inputMode: "decimal", size: 6 });
      const commit = make("button", { type: "submit" }, "Say it");
      const form = make("form", {}, make("label", {}, "or your own: ", field), commit);
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        count(field.value);
      });
      row.append(form);
    }
    const group = make("div", { className: "predict-play" }, make("p", {}, question), row, told);
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", question);
    box.before(group);
    box.querySelector("summary").textContent = "Why each answer tempts";
    box.hidden = true;
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("details.predict").forEach(play);
  });
})();
