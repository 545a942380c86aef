// The calculator on the page: controls, and an answer that follows them. Nothing changes before
// this runs, so that a page without scripts keeps the table that stands here.

const NUMBERS = {
  B: ["B, examples in a batch", 1, 64],
  C: ["C, channels", 8, 2048],
  side: ["H = W, side of the feature map", 2, 256],
};

const FILL = {
  matrix: "linear-gradient(90deg, #00204d, #7c7b78, #ffe945)", input: "#808080",
  query: "#0072B2", key_grads: "#D55E00", value_grads: "#009E73", weight_grad: "#AA4499",
};

const STYLE = `
.bytes-calculator { max-width: 40rem; line-height: 1.4; }
.bytes-calculator .controls {
  display: grid; gap: .6rem 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(16rem, 100%), 1fr));
}
.bytes-calculator .pair { display: flex; gap: .6rem; }
.bytes-calculator input, .bytes-calculator select {
  box-sizing: border-box; font: inherit; height: 2.4rem; margin: 0;
}
.bytes-calculator input[type=range] { flex: 1; min-width: 0; accent-color: #0072B2; }
.bytes-calculator input[type=number] { width: 5.5rem; }
.bytes-calculator label { display: block; margin: 0; }
.bytes-calculator select { display: block; width: 100%; }
.bytes-calculator [role=status] { margin: 1rem 0; font-weight: bold; }
.bytes-calculator table { width: 100%; margin: 0 0 1rem; border-collapse: collapse; }
.bytes-calculator th, .bytes-calculator td { padding: .2rem .4rem; text-align: right; }
.bytes-calculator th:first-child { text-align: left; }
.bytes-calculator ul { list-style: none; margin: .4rem 0 1rem; padding: 0 !important; }
.bytes-calculator li { margin: 0 0 .5rem; }
.bytes-calculator li div {
  box-sizing: border-box; height: .7rem; min-width: 3px;
  background: #808080; border: 1px solid currentcolor;
}
.bytes-calculator p:last-child { margin: 0; font-size: .9em; }`;

const NOTE = `Formulas, not a measurement. The peak counts what a training step adds. Whether it
fits counts two tensors more, the input and the gradient that comes in from above; it leaves out the
parameters, the rounding of blocks and CUDA's own context.`;

// JupyterLab's shortcuts (arrows, A, B, …) stay out of what has this.
const OWN_KEYS = 'data-lm-suppress-shortcuts="true"';

// A slider's stops, four an octave: …, 32, 40, 48, 56, 64, …; other numbers are typed beside it.
function stops(low, high) {
  const found = [];
  for (let octave = 1; octave <= high; octave *= 2)
    for (const n of [4, 5, 6, 7].map((quarters) => (quarters * octave) / 4))
      if (Number.isInteger(n) && n >= low && n <= high) found.push(n);
  return found;
}

function amount(bytes) {
  const two = { minimumFractionDigits: 2, maximumFractionDigits: 2, roundingMode: "halfEven" };
  const mib = (bytes / 2 ** 20).toLocaleString("en-US", two);
  return `${mib} MiB (${bytes.toLocaleString("en-US")} bytes)`;
}

function wrong(choice) {
  for (const [name, [label, low, high]] of Object.entries(NUMBERS))
    if (!Number.isInteger(choice[name]) || choice[name] < low || choice[name] > high)
      return { name, text: `${label}: it must be a whole number from ${low} to ${high}.` };
  return null;
}

function summary({ variant, B, C, side, itemsize, gpu }) {
  const { peak, held } = closedForm(variant, B, C, side, itemsize);
  const share = (100 * (peak + held)) / (GPUS[gpu] * 2 ** 30);
  const digits = { maximumSignificantDigits: share < 100 ? 2 : 4 };
  const percent = share < 0.1 ? "under 0.1" : share.toLocaleString("en-US", digits);
  const verdict = fits(variant, B, C, side, itemsize, gpu) ? "fits" : "does not fit";
  return `Peak: ${amount(peak)}. ${gpu}: ${verdict}, ${percent} % of its memory.`;
}

function bar({ count, name, bytes }, peak) {
  const style = `width: ${((100 * bytes) / peak).toFixed(2)}%; background: ${FILL[name] || ""}`;
  return `<li>${count} × ${SYMBOLS[name]}: <b>${amount(bytes)}</b>
    ${bytes ? `<div style="${style}" aria-hidden="true"></div>` : ""}</li>`;
}

// The class "dataframe" keeps the book's dark theme from laying a light box under the output.
function details({ variant, B, C, side, itemsize }) {
  const bytes = closedForm(variant, B, C, side, itemsize);
  const cards = Object.keys(GPUS).map((gpu) => {
    const verdict = fits(variant, B, C, side, itemsize, gpu) ? "✓ fits" : "✗ does not fit";
    const most = largestSide(variant, B, C, itemsize, gpu);
    const cells = [GPUS[gpu].toFixed(1), verdict, `${most}×${most}`];
    return `<tr><th scope="row">${gpu}</th><td>${cells.join("</td><td>")}</td></tr>`;
  });
  const columns = ["GPU", "GiB", "this size", "largest"];
  const head = columns.map((name) => `<th scope="col">${name}</th>`).join("");
  return `<ul><li>Peak of the forward pass: ${amount(bytes.forward)}</li>
    <li>Peak of the backward pass: ${amount(bytes.backward)}</li>
    <li>Kept for the backward pass: ${amount(bytes.saved)}</li></ul>
    At the peak, in the ${bytes.peak === bytes.backward ? "backward" : "forward"} pass:
    <ul>${bytes.terms.map((term) => bar(term, bytes.peak)).join("")}</ul>
    <table class="dataframe"><thead><tr>${head}</tr></thead>
    <tbody>${cards.join("")}</tbody></table>`;
}

function controls() {
  const numbers = Object.entries(NUMBERS).map(([name, [label, low, high]]) => `<div>${label}
    <div class="pair">
    <input type="range" name="${name} slider" max="${stops(low, high).length - 1}"
      aria-label="${label}" ${OWN_KEYS}>
    <input type="number" name="${name}" min="${low}" max="${high}" value="${START[name]}"
      aria-label="${label}, typed" ${OWN_KEYS}></div></div>`);
  const selects = Object.entries(CHOICES).map(([name, [label, options]]) => {
    const lines = options.map(([value, text]) => `<option value="${value}">${text}</option>`);
    return `<label>${label}<select name="${name}" ${OWN_KEYS}>${lines.join("")}</select></label>`;
  });
  return `<style>${STYLE}</style>
    <div class="controls" role="group" aria-label="A block and its input">
    ${numbers.join("")}${selects.join("")}</div>
    <p role="status" aria-live="polite" aria-atomic="true"></p><div></div><p>${NOTE}</p>`;
}

function start(root) {
  root.dataset.ready = "yes";
  root.innerHTML = controls();
  const find = (name) => root.querySelector(`[name="${name}"]`);
  const status = root.querySelector("[role=status]");
  const answer = root.querySelector("[role=status] + div");

  function show() {
    const choice = {};
    for (const name in CHOICES) choice[name] = find(name).value;
    for (const name in NUMBERS) choice[name] = Number(find(name).value || NaN);
    choice.itemsize = Number(choice.itemsize);
    const bad = wrong(choice);
    for (const name in NUMBERS)
      find(name).setAttribute("aria-invalid", bad !== null && bad.name === name);
    status.textContent = bad ? bad.text : summary(choice);
    answer.innerHTML = bad ? "" : details(choice);
  }

  for (const [name, [, low, high]] of Object.entries(NUMBERS)) {
    const [slider, typed, values] = [find(`${name} slider`), find(name), stops(low, high)];
    const follow = () => {
      const above = values.findIndex((value) => value >= Number(typed.value));
      slider.value = above < 0 ? values.length - 1 : above;
      slider.setAttribute("aria-valuetext", typed.value);
    };
    slider.addEventListener("input", () => {
      typed.value = values[Number(slider.value)];
      slider.setAttribute("aria-valuetext", typed.value);
      show();
    });
    typed.addEventListener("input", () => {
      follow();
      show();
    });
    follow();
  }
  for (const name in CHOICES) find(name).addEventListener("input", show);
  show();
}

document.querySelectorAll(".bytes-calculator:not([data-ready])").forEach(start);
