// The calculator on the page: controls, and an answer that follows them. Nothing changes before
// this runs, so that a page without scripts keeps the table that stands here.

const NUMBERS = {
  B: ["B, examples in a batch", 1, 64],
  C: ["C, channels", 8, 2048],
  H: ["H, rows of the feature map", 2, 1024],
  W: ["W, its columns", 2, 1024],
};

const FILL = {
  matrix: "var(--matrix)", blocks: "var(--matrix)", tile: "var(--matrix)", query: "var(--theta)",
  wide_query: "var(--theta)", key_grads: "var(--phi)", value_grads: "var(--g)", weight_grad: "var(--out)",
  sums: "var(--out)", inner: "var(--g)", pooled: "var(--phi)",
};
const OTHER = "var(--input)";

const STYLE = `
.bytes-calculator { max-width: 40rem; line-height: 1.4; --paper: var(--pst-color-background, #fff);
  --theta: #0072B2; --phi: #D55E00; --g: #009E73; --out: #AA4499; --input: #666; --matrix: #00224E;
  --wrong: #B3261E; }
html[data-theme="dark"] .bytes-calculator, [data-jp-theme-light="false"] .bytes-calculator {
  --theta: #56B4E9; --phi: #F58A4B; --g: #2FC89A; --out: #D585C8; --input: #A8B3BF; --matrix: #C8B866;
  --wrong: #FF8A80; }
.bytes-calculator .controls {
  display: grid; gap: .3rem 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(16rem, 100%), 1fr));
}
.bytes-calculator .pair { display: flex; gap: .6rem; }
.bytes-calculator input, .bytes-calculator select {
  box-sizing: border-box; font: inherit; height: 2.4rem; margin: 0; color: inherit;
}
.bytes-calculator select, .bytes-calculator input[type=number] {
  background: var(--paper); border: 1px solid var(--input); border-radius: .3rem; padding: 0 .5rem;
}
.bytes-calculator input[type=range] { flex: 1; min-width: 0; accent-color: var(--theta); }
.bytes-calculator input[type=number] { width: 5.5rem; }
.bytes-calculator input[aria-invalid=true] { border: 2px solid var(--wrong); }
.bytes-calculator small { display: block; min-height: 1.4em; color: var(--wrong); }
.bytes-calculator label { display: block; margin: 0; }
.bytes-calculator select { display: block; width: 100%; }
.bytes-calculator [role=status] { margin: 1rem 0; font-weight: bold; }
.bytes-calculator [data-old=yes] { opacity: .45; }
.bytes-calculator .card { position: relative; display: flex; height: 1.4rem; border: 1px solid var(--input); }
.bytes-calculator .card span { border-right: 1px solid var(--paper); box-sizing: border-box; }
.bytes-calculator .card b { position: absolute; top: -.3rem; bottom: -.3rem; border-right: 3px solid currentcolor; }
.bytes-calculator table { width: 100%; margin: 0 0 1rem; border-collapse: collapse; }
.bytes-calculator th, .bytes-calculator td { padding: .2rem .4rem; text-align: right; }
.bytes-calculator th:first-child { text-align: left; }
.bytes-calculator ul { list-style: none; margin: .4rem 0 1rem; padding: 0 !important; }
.bytes-calculator li { margin: 0; }
.bytes-calculator li i { display: inline-block; width: .8rem; height: .8rem; margin-right: .5rem; }
.bytes-calculator p:last-child { margin: 0; font-size: .9em; }`;

const NOTE = `Formulas, not a measurement. The peak counts what the run adds. Whether it fits counts the
input, too, and in training the gradient that comes in from above; it leaves out the parameters, the
rounding of blocks and CUDA's own context. The form without the matrix is counted as on a CPU; a GPU's
kernels have scratch of their own.`;

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

// MiB as long as it is a short number, then GiB and TiB; bytes where it would be 0.00 MiB.
function amount(bytes) {
  if (bytes < 1e4) return `${bytes.toLocaleString("en-US")} bytes`;
  const two = { minimumFractionDigits: 2, maximumFractionDigits: 2, roundingMode: "halfEven" };
  const [unit, size] = [["MiB", 2 ** 20], ["GiB", 2 ** 30], ["TiB", 2 ** 40]].find(
    ([unit, size]) => unit === "TiB" || bytes < 1e4 * size);
  return `${(bytes / size).toLocaleString("en-US", two)} ${unit}`;
}

function wrong(choice) {
  const found = {};
  for (const [name, [, low, high]] of Object.entries(NUMBERS))
    if (!Number.isInteger(choice[name]) || choice[name] < low || choice[name] > high)
      found[name] = `A whole number from ${low} to ${high.toLocaleString("en-US")}, please.`;
  return found;
}

const ask = ({ variant, B, C, H, W, itemsize, training }) => [variant, B, C, H, W, itemsize, training];

function summary(choice) {
  const { gpu } = choice, { peak, held } = closedForm(...ask(choice));
  const share = (100 * (peak + held)) / (GPUS[gpu] * 2 ** 30);
  const digits = { maximumSignificantDigits: share < 100 ? 2 : 4 };
  const percent = share < 0.1 ? "under 0.1" : share.toLocaleString("en-US", digits);
  const verdict = fits(gpu, ...ask(choice)) ? "fits" : "does not fit";
  return `Peak: ${amount(peak)}. ${gpu}: ${verdict}, ${percent} % of its memory.`;
}

// What is alive at the peak against the card's memory, whose end is marked.
function against(gpu, { peak, held, terms }) {
  const room = GPUS[gpu] * 2 ** 30, whole = Math.max(room, peak + held);
  const share = (bytes) => `${((100 * bytes) / whole).toFixed(2)}%`;
  const part = (bytes, fill) => `<span style="width: ${share(bytes)}; background: ${fill}"></span>`;
  const parts = terms.map(({ name, bytes }) => part(bytes, FILL[name] || OTHER));
  return `<div class="card" aria-hidden="true">${part(held, OTHER)}${parts.join("")}
    <b style="left: 0; width: ${share(room)}"></b></div>`;
}

function term({ count, name, bytes }) {
  return `<li><i style="background: ${FILL[name] || OTHER}"></i>${count} × ${SYMBOLS[name]}: <b>${amount(bytes)}</b></li>`;
}

// The class "dataframe" keeps the book's dark theme from laying a light box under the output.
function details(choice) {
  const { variant, B, C, itemsize, training, gpu } = choice;
  const bytes = closedForm(...ask(choice)), [, , most] = NUMBERS.H;
  const cards = Object.keys(GPUS).map((gpu) => {
    const verdict = fits(gpu, ...ask(choice)) ? "✓ fits" : "✗ does not fit";
    const side = largestSide(gpu, most, variant, B, C, itemsize, training);
    const cells = [GPUS[gpu].toFixed(1), verdict, `${side}×${side}${side === most ? " or more" : ""}`];
    return `<tr><th scope="row">${gpu}</th><td>${cells.join("</td><td>")}</td></tr>`;
  });
  const columns = ["GPU", "GiB", "this size", "largest square"];
  const head = columns.map((name) => `<th scope="col">${name}</th>`).join("");
  const passes = `<li>Peak of the forward pass: ${amount(bytes.forward)}</li>
    <li>Peak of the backward pass: ${amount(bytes.backward)}</li>
    <li>Kept for the backward pass: ${amount(bytes.saved)}</li>`;
  const where = training ? `, in the ${bytes.peak === bytes.backward ? "backward" : "forward"} pass` : "";
  return `${against(gpu, bytes)}<ul>${training ? passes : ""}
    <li>The peak to the byte: ${bytes.peak.toLocaleString("en-US")}</li></ul>
    At the peak${where}:
    <ul>${bytes.terms.filter(({ bytes }) => bytes).map(term).join("")}</ul>
    <table class="dataframe"><thead><tr>${head}</tr></thead>
    <tbody>${cards.join("")}</tbody></table>`;
}

function controls() {
  const numbers = Object.entries(NUMBERS).map(([name, [label, low, high]]) => `<div>${label}
    <div class="pair">
    <input type="range" name="${name} slider" max="${stops(low, high).length - 1}"
      aria-label="${label}" ${OWN_KEYS}>
    <input type="number" name="${name}" min="${low}" max="${high}" value="${START[name]}"
      aria-label="${label}, typed" ${OWN_KEYS}></div><small role="alert" data-error="${name}"></small></div>`);
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
    for (const name of ["itemsize", "training"]) choice[name] = Number(choice[name]);
    const bad = wrong(choice), old = Object.keys(bad).length > 0;
    for (const name in NUMBERS) {
      find(name).setAttribute("aria-invalid", name in bad);
      root.querySelector(`[data-error="${name}"]`).textContent = bad[name] ?? "";
    }
    for (const part of [status, answer]) part.dataset.old = old ? "yes" : "no";
    if (old) return; // the last answer stays, in grey, and the page does not jump
    status.textContent = summary(choice);
    answer.innerHTML = details(choice);
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
