// Tile by tile: a block of scores at a time, and what each row must remember between two of them.

const [ROWS, SIDE, CELL] = [SCORES.length, 2, 34]; // positions, tile's side, pixels of a cell
const TILES = ROWS / SIDE;
const [LEFT, TOP] = [8, 46];
const TWO = (number) => number.toFixed(2).replace("-", "−");

const ORDERS = {
  rows: (t) => t,
  back: (t) => TILES - 1 - t,
  odd: (t) => [1, 2, 0][t],
};

// After `done` tiles: each row's largest score so far, sum of exponentials, and output.
function state(order, done) {
  const rows = SCORES.map(() => ({ largest: -Infinity, sum: 0, output: 0 }));
  for (let n = 0; n < done; n++)
    for (const [i, j] of cells(order, n)) {
      const row = rows[i];
      const largest = Math.max(row.largest, SCORES[i][j]);
      const old = Math.exp(row.largest - largest); // 0 at the first key
      const weight = Math.exp(SCORES[i][j] - largest);
      row.sum = row.sum * old + weight;
      row.output = row.output * old + weight * VALUES[j];
      row.largest = largest;
    }
  return rows.map((row) => ({ ...row, output: row.sum ? row.output / row.sum : null }));
}

// The cells of tile number n: along the keys for one block of queries, then the next block.
function cells(order, n) {
  const [block, tile] = [Math.floor(n / TILES), ORDERS[order](n % TILES)];
  const found = [];
  for (let i = 0; i < SIDE; i++)
    for (let j = 0; j < SIDE; j++) found.push([block * SIDE + i, tile * SIDE + j]);
  return found;
}

function square(i, j, past, now) {
  const [x, y] = [LEFT + j * CELL, TOP + i * CELL];
  const fill = now ? "var(--theta)" : "none";
  const inside = now
    ? `<text x="${x + CELL / 2}" y="${y + CELL / 2 + 4}" text-anchor="middle"
        style="fill: var(--paper); font-weight: 700">${SCORES[i][j]}</text>`
    : past
      ? `<circle cx="${x + CELL / 2}" cy="${y + CELL / 2}" r="2" fill="var(--input)"/>`
      : "";
  return `<rect x="${x}" y="${y}" width="${CELL - 2}" height="${CELL - 2}" fill="${fill}"
    stroke="var(--input)"/>${inside}`;
}

const figure = {
  name: "tile by tile",
  choices: {
    order: ["keys in the order", { rows: "0 to 5", back: "5 to 0", odd: "2, 3, 4, 5, 0, 1" }],
  },
  frames: () => TILES * TILES + 1,
  draw({ order }, frame) {
    const rows = state(order, frame);
    const key = ([i, j]) => i * ROWS + j;
    const now = new Set(frame ? cells(order, frame - 1).map(key) : []);
    const past = new Set();
    for (let n = 0; n < frame; n++) cells(order, n).forEach((cell) => past.add(key(cell)));
    let svg = "";
    for (let i = 0; i < ROWS; i++)
      for (let j = 0; j < ROWS; j++) svg += square(i, j, past.has(key([i, j])), now.has(key([i, j])));
    const at = LEFT + ROWS * CELL + 8;
    const heads = ["largest", "sum", "output"];
    svg += heads.map((head, n) => `<text x="${at + 26 + n * 44}" y="38" text-anchor="middle">${head}</text>`).join("");
    svg += `<text x="${LEFT}" y="20">scores: a row per query, a column per key</text>`;
    rows.forEach((row, i) => {
      const y = TOP + i * CELL + CELL / 2 + 4;
      const shown = row.sum ? [row.largest.toFixed(0), TWO(row.sum), TWO(row.output)] : ["–", "–", "–"];
      svg += shown
        .map((text, n) => `<text x="${at + 40 + n * 44}" y="${y}" text-anchor="end"
          ${n === 2 ? 'style="fill: var(--out); font-weight: 700"' : ""}>${text}</text>`)
        .join("");
    });
    const seen = past.size, all = ROWS * ROWS;
    const says = !frame
      ? `No score is computed yet. Of ${all}, never more than ${SIDE * SIDE} will exist at a time.`
      : frame === TILES * TILES
        ? `All ${all} scores were used, ${SIDE * SIDE} at a time. The outputs are the same in every order.`
        : `Tile ${frame}: ${SIDE * SIDE} scores exist, ${seen - SIDE * SIDE} are gone. Each row keeps three numbers.`;
    const label = "A grid of scores, one tile of it filled, and three numbers beside each row";
    return { says, svg: `<svg viewBox="0 0 360 256" role="img" aria-label="${label}">${svg}</svg>` };
  },
};
