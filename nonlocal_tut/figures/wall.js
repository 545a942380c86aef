// Attention on the brick wall. PICTURE is a file of 96×96 grey bytes after a head of 1080; BLOCKS
// holds what the 16 pixels of a cell and a 1 become in theta and phi, (32, 17) half-precision
// numbers each, in base64. The rows are computed here, when they are asked for.

const [PIXELS, STRIDE, HEAD, WIDTH] = [96, 4, 1080, 32];
const SIDE = PIXELS / STRIDE; // cells along a side
const N = SIDE * SIDE;
const [PATCH, EDGE, STRENGTH] = [8, 2, 0.1]; // chapter 6's patches, and its h
const [LEFT, TOP, CELL] = [12, 4, 14];
const STRONGEST = 5; // keys that get an outline
const CIVIDIS = "#00224e #1f3a6e #434e6c #61646f #7d7c78 #9b9476 #bcae6c #dfcb57 #fee838".split(" ");

const grey = unpackBytes(PICTURE).slice(HEAD).map((byte) => byte / 255);

// (N, size²): for each cell the square of pixels that begins `edge` before it; outside is black.
function squares(size, edge) {
  return Array.from({ length: N }, (_, n) => {
    const [top, left] = place(n).map((v) => v * STRIDE - edge);
    return Array.from({ length: size * size }, (_, k) => {
      const [y, x] = [top + Math.floor(k / size), left + (k % size)];
      const inside = Math.min(y, x) >= 0 && Math.max(y, x) < PIXELS;
      return inside ? grey[y * PIXELS + x] : 0;
    });
  });
}

// As the task has it: a cell's pixels lose their mean and contrast. Then a 1, for the constants.
function pattern(pixels) {
  const mean = pixels.reduce((a, b) => a + b) / pixels.length;
  const squared = pixels.reduce((sum, v) => sum + (v - mean) ** 2, 0);
  const contrast = Math.max(Math.sqrt(squared / (pixels.length - 1)), 1e-6);
  return [...pixels.map((v) => (v - mean) / contrast), 1];
}

const dot = (a, b) => a.reduce((sum, v, n) => sum + v * b[n], 0);

// Queries and keys, an array of numbers for each of the N cells.
function features(from) {
  if (from === "patches") {
    const patches = squares(PATCH, EDGE);
    return { theta: patches, phi: patches };
  }
  const cells = squares(STRIDE, 0).map(pattern);
  const project = (name) => {
    const numbers = unpackHalves(BLOCKS[from][name]);
    const rows = Array.from({ length: WIDTH }, (_, o) => numbers.slice(o * 17, o * 17 + 17));
    return cells.map((cell) => rows.map((row) => dot(row, cell)));
  };
  return { theta: project("theta"), phi: project("phi") };
}

// 2×2 max pooling, as a block sub-samples its keys: of four, the largest, number by number.
function pool(phi) {
  return Array.from({ length: N / 4 }, (_, n) => {
    const corner = 2 * Math.floor(n / (SIDE / 2)) * SIDE + 2 * (n % (SIDE / 2));
    const four = [0, 1, SIDE, SIDE + 1].map((step) => phi[corner + step]);
    return four[0].map((_, c) => Math.max(...four.map((key) => key[c])));
  });
}

const kept = {};
function operands(from, keys) {
  const made = (kept[from] ??= features(from));
  made.pooled ??= pool(made.phi);
  return [made.theta, keys === "pooled" ? made.pooled : made.phi];
}

// Row i of the attention matrix: one weight per key, and they sum to one.
function row({ from, keys }, i) {
  const [theta, phi] = operands(from, keys);
  let scores = phi.map((key) => dot(theta[i], key));
  if (from === "patches") {
    scores = phi.map((key) => -key.reduce((s, v, n) => s + (v - theta[i][n]) ** 2, 0) / key.length / STRENGTH ** 2);
    if (keys === "all") scores[i] = Math.max(...scores.filter((_, j) => j !== i)); // like the next
  }
  const largest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - largest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

function place(n, side = SIDE) {
  return [Math.floor(n / side), n % side];
}

// How many keys it takes, the strongest first, to hold half of the weight.
function holdHalf(weights) {
  let [left, count] = [0.5, 0];
  for (const weight of [...weights].sort((a, b) => b - a)) {
    if (left <= 0) break;
    left -= weight;
    count += 1;
  }
  return count;
}

function picture({ at, keys }, weights) {
  const side = keys === "pooled" ? SIDE / 2 : SIDE;
  const size = (CELL * SIDE) / side;
  const corner = (n) => place(n, side).map((v, axis) => (axis ? LEFT : TOP) + v * size).reverse();
  const largest = Math.max(...weights);
  const paths = CIVIDIS.map(() => "");
  weights.forEach((weight, n) => {
    const level = Math.round((weight / largest) * (CIVIDIS.length - 1));
    paths[level] += `M${corner(n).join(" ")}h${size}v${size}h-${size}z`;
  });
  let svg = `<image href="data:image/bmp;base64,${PICTURE}" x="${LEFT}" y="${TOP}" width="336"
    height="336" style="image-rendering: pixelated"/>`;
  svg += paths.map((path, level) => path && `<path d="${path}" fill="${CIVIDIS[level]}"
    fill-opacity="${(0.3 + (0.5 * level) / (CIVIDIS.length - 1)).toFixed(2)}" shape-rendering="crispEdges"/>`).join("");
  const order = weights.map((_, n) => n).sort((a, b) => weights[b] - weights[a]);
  for (const [width, color] of [[3.2, "#ffffff"], [1.6, "#D55E00"]])
    for (const n of order.slice(0, STRONGEST)) {
      const [x, y] = corner(n);
      svg += `<rect x="${x}" y="${y}" width="${size}" height="${size}" fill="none" stroke="${color}"
        stroke-width="${width}"/>`;
    }
  const [y, x] = place(at).map((v, axis) => (axis ? LEFT : TOP) + v * CELL + CELL / 2);
  for (const [width, color] of [[6, "#ffffff"], [3, "#0072B2"]])
    svg += `<path d="M${x - 6} ${y - 6}l12 12m0 -12l-12 12" stroke="${color}" stroke-width="${width}" fill="none"/>`;
  svg += `<circle class="drag" cx="${x}" cy="${y}" r="18" fill="none" pointer-events="all"/>`;
  CIVIDIS.forEach((color, n) => {
    svg += `<rect x="${LEFT + 20 + n * 12}" y="348" width="12" height="12" fill="${color}" shape-rendering="crispEdges"/>`;
  });
  const end = largest < 0.1 ? largest.toPrecision(2) : largest.toFixed(2);
  return `${svg}<text x="${LEFT}" y="359">0</text><text x="${LEFT + 134}" y="359">${end} · boxes: the
    ${STRONGEST} largest</text>`;
}

const WHO = {
  patches: "By likeness of patches, nothing learned",
  new: "A new block",
  trained: "A block trained to find a piece of a picture in a second view",
};

const figure = {
  name: "attention on the brick wall",
  choices: {
    from: ["weights from", { patches: "likeness of patches", new: "a new block", trained: "a trained block" }],
    keys: ["keys", { all: "all 576", pooled: "pooled, 144" }],
  },
  start: { at: 10 * SIDE + 8 },
  frames: () => 1,
  draw(state) {
    const weights = row(state, state.at);
    const times = Math.max(...weights) * weights.length;
    const [r, c] = place(state.at);
    const unused = state.from === "trained" && state.keys === "pooled" ? " It was trained without pooling." : "";
    const says = `${WHO[state.from]}: row ${r}, column ${c} asks ${weights.length} keys. The largest weight is ` +
      `${times.toFixed(times < 10 ? 1 : 0)} times the average; half of all weight lies on ${holdHalf(weights)} of them.${unused}`;
    const label = "A brick wall of 24 by 24 cells, each colored by the weight that one of them gives it";
    return {
      says,
      svg: `<svg viewBox="0 0 360 366" role="img" aria-label="${label}">${picture(state, weights)}</svg>`,
    };
  },
  touch(state, frame, what) {
    let [r, c] = place(state.at);
    if (typeof what === "string") {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[what];
      [r, c] = [r + step[0], c + step[1]];
    } else [r, c] = [Math.floor((what.y - TOP) / CELL), Math.floor((what.x - LEFT) / CELL)];
    const inside = (v) => Math.min(Math.max(v, 0), SIDE - 1);
    state.at = inside(r) * SIDE + inside(c);
    return [state, frame];
  },
};
