// Chapter 1's trained nets, run in the page. NETS holds their weights, half-precision in base64;
// layers are written out in plain loops, a feature map as an array of channels, each a row of cells.

const [SIDE, COLORS, CELL] = [12, 4, 27];
const N = SIDE * SIDE;
const [LEFT, TOP] = [18, 6];

const decoded = {};
const weights = (net, name) => ((decoded[net] ??= {})[name] ??= unpackHalves(NETS[net].weights[name]));

// x: (in, N) -> (out, N); kernel 3 with padding 1, or 1.
function convolve(x, weight, bias, kernel) {
  const reach = (kernel - 1) / 2;
  return bias.map((start, o) => {
    const y = new Array(N).fill(start);
    x.forEach((channel, c) => {
      for (let r = -reach; r <= reach; r++)
        for (let s = -reach; s <= reach; s++) {
          const w = weight[((o * x.length + c) * kernel + r + reach) * kernel + s + reach];
          for (let i = Math.max(0, -r); i < Math.min(SIDE, SIDE - r); i++)
            for (let j = Math.max(0, -s); j < Math.min(SIDE, SIDE - s); j++)
              y[i * SIDE + j] += w * channel[(i + r) * SIDE + j + s];
        }
    });
    return y;
  });
}

// softmax(query · key): (N, N), a row per position that asks.
function attention(query, key) {
  return Array.from({ length: N }, (_, i) => {
    const scores = Array.from({ length: N }, (_, j) =>
      query.reduce((sum, channel, c) => sum + channel[i] * key[c][j], 0));
    const largest = Math.max(...scores);
    const powers = scores.map((score) => Math.exp(score - largest));
    const sum = powers.reduce((a, b) => a + b);
    return powers.map((power) => power / sum);
  });
}

// The net's logits, (COLORS, N), and the rows of its block, if it has one.
function run(net, x, gamma) {
  let rows = null;
  for (const [kind, name, kernel] of NETS[net].layers) {
    const layer = (part, k) => convolve(x, weights(net, `${part}.weight`), weights(net, `${part}.bias`), k);
    if (kind === "conv") x = layer(name, kernel);
    if (kind === "relu") x = x.map((channel) => channel.map((value) => Math.max(value, 0)));
    if (kind === "block") {
      const [query, key, value] = ["query", "key", "value"].map((p) => layer(`${name}${p}_conv`, 1));
      rows = attention(query, key);
      const scale = gamma ?? weights(net, `${name}gamma`)[0];
      x = x.map((channel, c) =>
        channel.map((input, i) => input + scale * rows[i].reduce((s, w, j) => s + w * value[c][j], 0)));
    }
  }
  return { logits: x, rows };
}

function scene(dot, marker, color) {
  const planes = Array.from({ length: COLORS + 1 }, () => new Array(N).fill(0));
  planes[color][dot] = 1;
  planes[COLORS][marker] = 1;
  return planes;
}

const place = (n) => [Math.floor(n / SIDE), n % SIDE];
function apart(a, b) {
  const [[r, s], [t, u]] = [place(a), place(b)];
  return Math.max(Math.abs(r - t), Math.abs(s - u));
}

function answer({ net, gamma, color, dot, marker }) {
  const { logits, rows } = run(net, scene(dot, marker, Number(color)), gamma === "new" ? 0 : null);
  const at = logits.map((channel) => channel[marker]);
  const powers = at.map((logit) => Math.exp(logit - Math.max(...at)));
  const sum = powers.reduce((a, b) => a + b);
  const shares = powers.map((power) => power / sum);
  return { shares, said: shares.indexOf(Math.max(...shares)), row: rows && rows[marker] };
}

function picture(state, { shares, said, row }) {
  const { net, color, dot, marker } = state;
  const at = (n) => place(n).map((v, axis) => (axis ? LEFT : TOP) + v * CELL).reverse();
  let svg = "";
  for (let n = 0; n < N; n++) {
    const [x, y] = at(n);
    const shade = row ? Math.min(1, row[n] * 1.5) : 0;
    svg += `<rect x="${x}" y="${y}" width="${CELL - 1}" height="${CELL - 1}" stroke="var(--input)"
      stroke-opacity=".45" fill="var(--theta)" fill-opacity="${shade.toFixed(3)}"/>`;
  }
  const reach = NETS[net].radius;
  if (reach !== null) {
    const [r, s] = place(marker);
    const [top, left] = [Math.max(0, r - reach), Math.max(0, s - reach)];
    const [bottom, right] = [Math.min(SIDE, r + reach + 1), Math.min(SIDE, s + reach + 1)];
    svg += `<rect x="${LEFT + left * CELL - 1}" y="${TOP + top * CELL - 1}" rx="3" fill="var(--phi)"
      fill-opacity=".12" stroke="var(--phi)" stroke-width="2.5" stroke-dasharray="6 3"
      width="${(right - left) * CELL + 1}" height="${(bottom - top) * CELL + 1}"/>`;
  }
  for (const [n, text, fill] of [[dot, Number(color) + 1, "var(--g)"], [marker, "?", "var(--out)"]]) {
    const [x, y] = at(n).map((v) => v + CELL / 2 - 0.5);
    svg += `<g class="drag"><circle cx="${x}" cy="${y}" r="11" fill="${fill}"/><text x="${x}"
      y="${y + 4.5}" text-anchor="middle" style="fill: var(--paper); font-weight: 700">${text}</text></g>`;
  }
  shares.forEach((share, n) => {
    const [x, y] = [LEFT + n * 81, TOP + N / SIDE * CELL + 14];
    svg += `<rect x="${x + 14}" y="${y}" width="${(share * 58).toFixed(1)}" height="13" rx="2"
      fill="${n === said ? "var(--out)" : "var(--input)"}"/><text x="${x}" y="${y + 11}"
      ${n === said ? 'style="font-weight: 700"' : ""}>${n + 1}</text>`;
  });
  return svg;
}

const figure = {
  name: "chapter 1's trained nets",
  choices: {
    net: ["net", Object.fromEntries(Object.keys(NETS).map((name) => [name, name]))],
    color: ["the dot’s number", { 0: "1", 1: "2", 2: "3", 3: "4" }],
    moved: ["arrow keys move", { dot: "the dot", marker: "the question mark" }],
    gamma: ["γ", { trained: "as trained", new: "0, as when new" }],
  },
  start: { dot: 2 * SIDE + 2, marker: 8 * SIDE + 8 },
  frames: () => 1,
  draw(state) {
    const found = answer(state);
    const far = apart(state.dot, state.marker);
    const right = found.said === Number(state.color);
    const { radius } = NETS[state.net];
    const sees = radius === null
      ? state.gamma === "new" ? "a new block passes its input on" : "its block sees all 144 positions"
      : `it sees ${radius} to each side of the question mark`;
    const sure = Math.round(100 * found.shares[found.said]);
    const says = `The dot is ${far} away. ${state.net}: ${sees}. It says ${found.said + 1}, ` +
      `${right ? "right" : "wrong"}, ${sure} % sure.`;
    const label = "A 12 by 12 feature map with a numbered dot and a question mark, and the net's answer";
    return {
      says,
      svg: `<svg viewBox="0 0 360 362" role="img" aria-label="${label}">${picture(state, found)}</svg>`,
    };
  },
  // A pointer takes the nearer of the two; arrow keys move the one that is chosen.
  touch(state, frame, what) {
    let [name, row, column] = [state.moved, ...place(state[state.moved])];
    if (typeof what === "string") {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[what];
      [row, column] = [row + step[0], column + step[1]];
    } else {
      [row, column] = [Math.floor((what.y - TOP) / CELL), Math.floor((what.x - LEFT) / CELL)];
      if (what.first) {
        const near = (n) => Math.hypot(place(n)[0] - row, place(n)[1] - column);
        name = near(state.dot) <= near(state.marker) ? "dot" : "marker";
        state.moved = name;
      }
    }
    const other = name === "dot" ? state.marker : state.dot;
    const inside = (v) => Math.min(Math.max(v, 0), SIDE - 1);
    const to = inside(row) * SIDE + inside(column);
    if (to !== other) state[name] = to;
    return [state, frame];
  },
};
