// The receptive field over a photograph of 65×65 positions, PICTURE. A stack's field is a square
// whose two axes are alike, so that paths are counted along one axis, and their products shown.

const SIDE = 65;
const [LEFT, TOP, CELL] = [11, 4, 5.2];

// What a stack of n layers is made of, from input to output: kernel, stride, dilation of each.
const STACKS = {
  three: { layer: () => [3, 1, 1], most: 32, named: "3×3" },
  five: { layer: () => [5, 1, 1], most: 16, named: "5×5" },
  dilated: { layer: (l) => [3, 1, 2 ** l], most: 5, named: "3×3 with dilation 1, 2, 4 and so on" },
  strided: { layer: () => [3, 2, 1], most: 5, named: "3×3 with stride 2" },
};
const layers = (stack, n) => Array.from({ length: n }, (_, l) => STACKS[stack].layer(l));

// Field, and the positions of the picture that one step of the output takes (chapter 1's formula).
function theory(stack, n) {
  let [size, step] = [1, 1];
  for (const [kernel, stride, dilation] of layers(stack, n)) {
    size += (kernel - 1) * dilation * step;
    step *= stride;
  }
  return { size, step };
}

// How wide the feature map is, from the picture to the output; the padding keeps it, but for strides.
function sides(stack, n) {
  const found = [SIDE];
  for (const [, stride] of layers(stack, n)) found.push(Math.floor((found.at(-1) - 1) / stride) + 1);
  return found;
}

// From the output at or next to `at` along an axis, how many paths lead to each input: (SIDE,).
// Paths that leave the feature map end in its padding, dilation·(kernel - 1) / 2 wide.
function paths(stack, n, at) {
  const wide = sides(stack, n);
  let counts = new Array(wide[n]).fill(0);
  counts[Math.round(at / theory(stack, n).step)] = 1;
  layers(stack, n).reverse().forEach(([kernel, stride, dilation], back) => {
    const below = new Array(wide[n - back - 1]).fill(0);
    counts.forEach((count, o) => {
      for (let tap = 0; tap < kernel; tap++) {
        const i = o * stride + (tap - (kernel - 1) / 2) * dilation;
        if (i in below) below[i] += count;
      }
    });
    counts = below;
  });
  return counts;
}

// Four standard deviations of a distribution along an axis, in positions.
function inUse(counts) {
  const all = counts.reduce((a, b) => a + b);
  const mean = counts.reduce((sum, count, i) => sum + i * count, 0) / all;
  return 4 * Math.sqrt(counts.reduce((sum, count, i) => sum + count * (i - mean) ** 2, 0) / all);
}

// The first and the last input that some path reaches.
const ends = (counts) => [counts.findIndex((c) => c > 0), counts.findLastIndex((c) => c > 0)];

// Light takes a veil off the picture and tints it a little, so that it shows on dark cells, too. A row
// of cells is repeated, each time as dim as its count along the other axis: two opacities multiply.
function light(rows, columns, id) {
  const share = (counts) => counts.map((count) => count / Math.max(...counts));
  const cells = share(columns).map((v, j) => (v > 0.004
    ? `<rect x="${j}" width="1" height="1" opacity="${v.toFixed(3)}"/>` : "")).join("");
  const strips = share(rows).map((v, i) => (v > 0.004
    ? `<use href="#${id}-row" y="${i}" opacity="${v.toFixed(3)}"/>` : "")).join("");
  return `<defs><g id="${id}-row">${cells}</g><mask id="${id}-light" maskUnits="userSpaceOnUse" x="0" y="0"
    width="${SIDE}" height="${SIDE}"><rect width="${SIDE}" height="${SIDE}" fill="#fff"/>${strips}</mask></defs>
    <rect width="${SIDE}" height="${SIDE}" fill="var(--paper)" fill-opacity=".8" mask="url(#${id}-light)"/>
    <g fill="var(--theta)" opacity=".4">${strips}</g>`;
}

function picture([row, column], veil, [top, bottom], [left, right]) {
  return `<svg viewBox="0 0 360 346" role="img" aria-label="A photograph, and the part of it that one output sees">
    <g transform="translate(${LEFT} ${TOP}) scale(${CELL})" shape-rendering="crispEdges">
    <image href="data:image/bmp;base64,${PICTURE}" width="${SIDE}" height="${SIDE}" style="image-rendering: pixelated"/>
    ${veil}<rect x="${left}" y="${top}" width="${right - left + 1}" height="${bottom - top + 1}" fill="none"
    stroke="var(--phi)" stroke-width=".5" stroke-dasharray="1.2 .6"/><rect x="${column}" y="${row}"
    width="1" height="1" fill="var(--out)" stroke="var(--paper)" stroke-width=".4"/><circle class="drag"
    cx="${column + 0.5}" cy="${row + 0.5}" r="3.5" fill="none" pointer-events="all"/></g></svg>`;
}

const figure = {
  name: "receptive field growing",
  choices: {
    stack: ["layers", { three: "3×3", five: "5×5", dilated: "3×3, dilation 1, 2, 4, …", strided: "3×3, stride 2" }],
  },
  start: { row: 32, column: 32 },
  frames: ({ stack }) => STACKS[stack].most + 2,
  draw({ stack, row, column }, frame) {
    const { most, named } = STACKS[stack];
    if (frame > most) {
      const all = [0, SIDE - 1];
      const says = `One non-local block, without any of these layers: all 4,225 positions in one step. How ` +
        `much each counts depends on what is there, not on how far away it is.`;
      return { says, svg: picture([row, column], "", all, all) };
    }
    const [down, across] = [paths(stack, frame, row), paths(stack, frame, column)];
    const { size, step } = theory(stack, frame);
    const at = [row, column].map((v) => Math.round(v / step) * step);
    const count = `${frame} layer${frame === 1 ? "" : "s"} of ${named}`;
    const cut = [down, across].some((counts) => ends(counts)[1] - ends(counts)[0] + 1 < size);
    const border = cut ? ", cut off by the border" : "";
    const coarse = stack === "strided" ? ` Its feature map is ${sides(stack, frame)[frame]} wide.` : "";
    const says = frame
      ? `${count}: the output can depend on ${size} × ${size} positions${border} (outline). The part in use ` +
        `(blue) is about ${inUse(down).toFixed(0)} × ${inUse(across).toFixed(0)}, four standard deviations.${coarse}`
      : "No layer yet: an output is its own input, 1 position of 4,225. Add layers; choose where the output is.";
    const id = `field-${stack}-${frame}-${row}-${column}`; // no other picture of a page has it
    return { says, svg: picture(at, light(down, across, id), ends(down), ends(across)) };
  },
  touch(state, frame, what) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[what];
    const to = step
      ? [state.row + step[0], state.column + step[1]]
      : [(what.y - TOP) / CELL, (what.x - LEFT) / CELL].map(Math.floor);
    [state.row, state.column] = to.map((v) => Math.min(Math.max(v, 0), SIDE - 1));
    return [state, frame];
  },
};
