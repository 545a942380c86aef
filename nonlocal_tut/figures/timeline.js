// The byte timeline: what is alive at each step of one training step. RUNS has, for each form, its
// lines of code and its allocations [name, color, size, line, born, died, backward]; GPUS the cards.

const [WIDE, CHART, FLOOR, ROW] = [336, 38, 142, 16];
const FORMS = { article: "as written", swapped: "swapped", dot_product: "dot product", fused: "no matrix" };
const LISTED = 6; // of what is alive, by name

// Positions of one block of the matrix, as by_blocks.py has it; N is a square's.
const blockSide = (N) => Math.min(N, 16 * Math.max(13, Math.floor(Math.sqrt(N) / 4)));

// The bytes of each size, in float32. The tile is the fused kernel's, for one thread.
function sizes(B, C, N) {
  const d = C / 8;
  const queries = B === 1 && N % 2 === 0 ? N / 2 : N;
  const rows = Math.min(queries, queries >= 768 ? 256 : queries >= 192 ? 64 : 32);
  const numbers = {
    matrix: B * N * N, input: B * C * N, query: B * d * N, sums: B * N, value_weight: C * C,
    value_bias: C, key_weight: C * d, key_bias: d, number: 1, double: 2,
    tile: rows * (Math.min(512, N) + 2 + C),
  };
  return Object.fromEntries(Object.entries(numbers).map(([name, count]) => [name, 4 * count]));
}

// Every allocation with its bytes, in order of birth: {name, color, line, bytes, born, died}.
// The loop over blocks turns `turns` times in each direction: once is enough to see it.
function lives(form, B, C, side, turns = 1) {
  const { allocations } = RUNS[form];
  const N = side * side, known = sizes(B, C, N), found = [], last = [], order = [];
  allocations.forEach(([, , , , born, died], n) => {
    order[born] = [n, true];
    if (died !== null) order[died] = [n, false];
  });
  let now = 0;
  const birth = (n, bytes) => {
    const [name, color, , line] = allocations[n];
    last[n] = { name, color, line, bytes, born: now++, died: Infinity };
    found.push(last[n]);
    return last[n];
  };
  const end = (life) => (life.died = now++);
  // Of one block: a product and its sums for the queries; weights and gradients for each key.
  const loop = allocations.map((_, n) => n).filter((n) => allocations[n][2].startsWith("block"));
  for (const [n, born] of order) {
    if (!loop.includes(n)) born ? birth(n, known[allocations[n][2]]) : end(last[n]);
    else if (n === loop[0] && born) blocks(loop, B, C, N, turns, birth, end);
    else if (n === loop[1] && !born) end(last[n]); // the last sums, when all is over
  }
  return found;
}

function blocks([product, sums, weights, gradients], B, C, N, turns, birth, end) {
  const side = blockSide(N), count = Math.min(turns, Math.ceil(N / side));
  const long = (n) => Math.min(side, N - n * side);
  let before = null;
  for (let i = 0; i < count; i++) {
    const behind = birth(product, 4 * B * C * long(i)), now = birth(sums, 4 * B * long(i));
    end(behind);
    if (before) end(before);
    before = now;
    for (let j = 0; j < count; j++)
      [weights, gradients].map((n) => birth(n, 4 * B * long(i) * long(j))).forEach(end);
  }
}

const alive = (found, step) => found.filter(({ born, died }) => born <= step && step < died);
const total = (some) => some.reduce((sum, { bytes }) => sum + bytes, 0);
const stepsOf = (found) => 1 + Math.max(...found.map(({ born, died }) => (died < Infinity ? died : born)));
const curve = (found) => Array.from({ length: stepsOf(found) }, (_, step) => total(alive(found, step)));

// The step at which the backward pass begins.
function turn(form, found) {
  const first = RUNS[form].allocations.findIndex((a) => a[6]);
  return found[first].born;
}

// What autograd keeps: all that is alive when the forward pass is over, but its output.
function kept(form, found) {
  const over = alive(found, turn(form, found) - 1);
  return total(over.filter(({ name }) => name !== "block's output"));
}

function amount(bytes) {
  const [unit, size] = bytes < 1024 ? ["bytes", 1] : bytes < 2 ** 20 ? ["KiB", 2 ** 10]
    : bytes < 1e4 * 2 ** 20 ? ["MiB", 2 ** 20] : ["GiB", 2 ** 30];
  return `${(bytes / size).toLocaleString("en-US", { maximumSignificantDigits: 4 })} ${unit}`;
}

const fill = (color) => (color === "hidden" ? "url(#hidden-copy)" : `var(--${color})`);
const text = (x, y, words, more = "") => `<text x="${x}" y="${y}" ${more}>${words}</text>`;
const END = 'text-anchor="end"';
const BOLD = 'style="font-weight: 700"';

// One band per allocation, stacked in order of birth; what is still to come is faint.
function bands(found, now, peak) {
  const steps = stepsOf(found), high = FLOOR - CHART;
  const x = (step) => ((step * WIDE) / steps).toFixed(1);
  const y = (bytes) => (FLOOR - (bytes / peak) * high).toFixed(1);
  let svg = "";
  for (const life of found.filter(({ bytes }) => bytes > peak / 250))
    for (const [from, to, opacity] of [[life.born, Math.min(life.died, now + 1), 1],
      [Math.max(life.born, now + 1), Math.min(life.died, steps), 0.3]]) {
      if (from >= to) continue;
      let [top, bottom] = ["", ""];
      for (let step = from; step < to; step++) {
        const under = total(alive(found, step).filter(({ born }) => born < life.born));
        top += `H${x(step)}V${y(under + life.bytes)}H${x(step + 1)}`;
        bottom = `V${y(under)}H${x(step)}${bottom}`;
      }
      svg += `<path d="M${x(from)} ${top.slice(top.indexOf("V") + 1, top.indexOf("H", 1))}${top}${bottom}Z"
        fill="${fill(life.color)}" opacity="${opacity}" stroke="var(--paper)" stroke-width=".7"/>`;
    }
  const at = (((now + 0.5) * WIDE) / steps).toFixed(1);
  return `${svg}<path d="M${at} ${CHART - 4}V${FLOOR + 4}" stroke="var(--ink)" stroke-width="1.5"/>
    <path d="M0 ${FLOOR}H${WIDE}" stroke="var(--input)"/>`;
}

// The stack at this step, by name, its top first.
function list(here, newest, top) {
  const large = [...here].sort((a, b) => b.bytes - a.bytes).slice(0, LISTED);
  if (newest && !large.includes(newest)) large[LISTED - 1] = newest;
  const shown = here.filter((life) => large.includes(life)).reverse();
  let svg = shown.map((life, n) => {
    const y = top + n * ROW;
    const bold = life === newest ? BOLD : "";
    return `<rect x="1" y="${y - 10}" width="12" height="11" fill="${fill(life.color)}" stroke="var(--input)"
      stroke-width=".7"/>${text(19, y, life.name, bold)}${text(WIDE, y, amount(life.bytes), `${END} ${bold}`)}`;
  }).join("");
  const rest = here.length - shown.length;
  if (rest) {
    const y = top + LISTED * ROW;
    const small = amount(total(here.filter((life) => !shown.includes(life))));
    svg += text(19, y, `${rest} smaller`) + text(WIDE, y, small, END);
  }
  return svg;
}

function code(lines, lit, backward, top) {
  return lines.map((line, n) => {
    const y = top + n * ROW;
    const mark = n === lit ? `<rect x="0" y="${y - 12}" width="${WIDE}" height="${ROW}" rx="2" fill="var(--theta)"
      fill-opacity=".22"/>${text(1, y, backward ? "◂" : "▸")}` : "";
    return `${mark}${text(14, y, line, `style="font-family: ui-monospace, monospace; font-size: 11.7px${
      n === lit ? "; font-weight: 700" : ""}"`)}`;
  }).join("");
}

// Against the card: what is alive now, the peak, and what was there before, two tensors like the input.
// These stand out at the left, taller than the bar: however little they are of it, they are seen.
function against(card, now, peak, held, top) {
  const room = GPUS[card] * 2 ** 30, scale = WIDE / Math.max(room, peak + held);
  const fits = peak + held <= room;
  const share = (100 * (peak + held)) / room;
  const percent = share < 0.1 ? "under 0.1" : share.toLocaleString("en-US", { maximumSignificantDigits: 2 });
  const bar = (bytes, look) => `<rect x="0" y="${top + 6}" width="${(bytes * scale).toFixed(1)}" height="14" ${look}/>`;
  return text(0, top, `${card}: ${fits ? "fits" : "does not fit"}, ${percent} % of ${GPUS[card]} GiB`) +
    bar(room, 'fill="none" stroke="var(--input)"') +
    bar(peak + held, 'fill="var(--matrix)" opacity=".35"') + bar(now + held, 'fill="var(--matrix)"') +
    `<rect x="0" y="${top + 3}" width="${Math.max(3, held * scale).toFixed(1)}" height="20" fill="var(--input)"
    stroke="var(--paper)"/><path d="M${(room * scale).toFixed(1)} ${top + 3}v20" stroke="var(--ink)"
    stroke-width="2"/>${text(0, top + 34, "Gray at its left: x, and the gradient that comes in.")}`;
}

// What happened stands in brackets behind its bytes: a name may be one thing or several, and have commas.
function sentence(form, found, step, backward, peak, N) {
  const bytes = total(alive(found, step)), last = turn(form, found) - 1;
  const born = found.find((life) => life.born === step);
  const life = born ?? found.find(({ died }) => died === step);
  const side = blockSide(N), many = Math.ceil(N / side) ** 2;
  const loop = life.name.includes("block of") ? `, the first of ${many.toLocaleString("en-US")}` : "";
  const saved = step === last ? `, of which autograd keeps ${amount(kept(form, found))}` : "";
  return `Step ${step + 1} of ${stepsOf(found)}, ${backward ? "backward" : "forward"}: ${amount(life.bytes)} ${
    born ? "allocated" : "freed"} (${life.name}${loop}); ${amount(bytes)} are alive${
    bytes === peak ? ", the peak" : ""}${saved}.`;
}

const read = ({ form, B, C, side }) => [form, Number(B), Number(C), Number(side)];

const figure = {
  name: "the bytes of one training step",
  address: "timeline",
  choices: {
    form: ["block", FORMS],
    B: ["B", { 1: "1", 2: "2", 8: "8" }],
    C: ["C", { 64: "64", 256: "256" }],
    side: ["H = W", { 32: "32", 64: "64", 96: "96", 128: "128", 256: "256" }],
    card: ["card", Object.fromEntries(Object.keys(GPUS).map((name) => [name, name]))],
  },
  start: { side: "64" },
  frames: (state) => stepsOf(lives(...read(state))),
  draw(state, step) {
    const [form, B, C, side] = read(state);
    const found = lives(form, B, C, side), heights = curve(found), peak = Math.max(...heights);
    const here = alive(found, step), newest = found.find(({ born }) => born === step);
    const life = newest ?? found.find(({ died }) => died === step);
    const turns = turn(form, found), backward = step >= turns, { lines } = RUNS[form];
    const listTop = FLOOR + 24, codeTop = listTop + (LISTED + 1) * ROW + 12;
    const barTop = codeTop + lines.length * ROW + 12;
    const middle = (turns * WIDE) / heights.length;
    const written = Math.max(...curve(lives("article", B, C, side)));
    const beside = form === "article" ? "" : text(WIDE, 29, `as written ${amount(written)}`, END);
    const svg = `<defs><pattern id="hidden-copy" width="5" height="5" patternUnits="userSpaceOnUse"
      patternTransform="rotate(45)"><rect width="5" height="5" fill="var(--paper)"/><rect width="1.8" height="5"
      fill="var(--ink)"/></pattern></defs>
      ${text(0, 12, `${amount(heights[step])} alive`, BOLD)}${text(WIDE, 12, `peak ${amount(peak)}`, END)}
      ${beside}
      <g class="drag"><rect x="0" y="${CHART}" width="${WIDE}" height="${FLOOR - CHART}" fill="var(--paper)"/>
      ${bands(found, step, peak)}</g>
      <path d="M${middle} 20V${FLOOR}" stroke="var(--input)" stroke-dasharray="2 3"/>
      ${text(middle - 4, 29, "forward", END)}${text(middle + 4, 29, "backward")}
      ${list(here, newest, listTop)}${code(lines, life.line, backward, codeTop)}
      ${against(state.card, heights[step], peak, 2 * sizes(B, C, side * side).input, barTop)}`;
    const label = "Bytes alive over one training step, what is alive now, and the line of code that runs";
    return {
      says: sentence(form, found, step, backward, peak, side * side),
      svg: `<svg viewBox="0 0 ${WIDE} ${barTop + 40}" role="img" aria-label="${label}">${svg}</svg>`,
    };
  },
  // The pointer takes the step below it; arrow keys go on and back.
  touch(state, step, what) {
    if (typeof what === "string") return [state, step + (what === "ArrowRight" || what === "ArrowDown" ? 1 : -1)];
    const steps = this.frames(state);
    return [state, what.y > FLOOR + 6 ? step : Math.floor((what.x / WIDE) * steps)];
  },
};
