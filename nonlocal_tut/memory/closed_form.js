// closed_form.py's arithmetic, for a browser. FORMULAS comes from there, so only the sizes of the
// symbols are written twice; tests hold both to the same integers.

function symbolBytes(variant, B, C, H, W, itemsize) {
  const paper = variant.startsWith("paper");
  const N = H * W;
  const keys = variant === "paper_pooled" ? Math.floor(H / 2) * Math.floor(W / 2) : N;
  const d = Math.floor(C / (paper ? 2 : 8));
  const numbers = {
    matrix: B * N * keys, input: B * C * N, query: B * d * N, inner: B * d * N,
    pooled: B * d * keys, value_grads: C * C + C, key_grads: C * d + d, weight_grad: C * d,
    channels: C, inner_channels: d, number: 1,
  };
  const sizes = {};
  for (const name in numbers) sizes[name] = numbers[name] * itemsize;
  const cast = itemsize === 2 && B > 1 ? 4 : 0;
  sizes.float32_copy = cast * (B * C * N + C);
  sizes.places = 8 * B * d * keys;
  sizes.norm = B === 1 ? sizes.input : sizes.channels + sizes.float32_copy;
  return { ...sizes, ...withoutTheMatrix(B, C, N, itemsize) };
}

// The symbols of "fused"; formulas.py says what they are.
function withoutTheMatrix(B, C, N, itemsize) {
  const [d, wide, low] = [Math.floor(C / 8), Math.max(itemsize, 4), itemsize === 2];
  const count = B === 1 && N % 2 === 0 ? N / 2 : N;
  const rows = Math.min(count >= 768 ? 256 : count >= 192 ? 64 : 32, count);
  const columns = Math.min(512, N);
  const side = Math.min(16 * Math.max(13, Math.floor(Math.floor(Math.sqrt(N)) / 4)), N);
  const last = N - Math.floor((N - 1) / side) * side;
  const copied = low ? C + d : 0;
  const product = low ? 2 * C : C + 1;
  const following = Math.min(side, N - side);
  const moments = [2 * side ** 2 + 2 * side * copied + side, side * (copied + product)];
  if (N > side) moments.push((following + last) * copied + following * product + side);
  const left = (2 * last * copied + last) * wide;
  return {
    sums: B * N * wide,
    tile: rows * (columns + 2 + C) * wide + (low ? rows * columns * itemsize : 0),
    blocks: B * Math.max(...moments) * wide,
    wide_query: B * d * N * wide,
    wide_input: B * C * N * wide,
    narrowed: low ? B * (left + (C + 2 * d) * N * itemsize) : 0,
  };
}

// "fused" builds the matrix where the feature map is small.
function formulasFor(variant, B, H, W, itemsize) {
  const entries = (H * W) ** 2;
  const built = itemsize > 2 && entries <= SMALL[0] && B * entries <= SMALL[1];
  return variant === "fused" && built ? WHERE_SMALL : FORMULAS[variant];
}

// "4 matrix + 2 input" -> [[4, "matrix"], [2, "input"]]
function terms(moment) {
  const found = moment.matchAll(/(?:(\d+) )?([a-z]\w*)/g);
  return Array.from(found, ([, n, name]) => [Number(n || 1), name]);
}

function total(moment, sizes) {
  return terms(moment).reduce((sum, [count, name]) => sum + count * sizes[name], 0);
}

function worst(moments, sizes) {
  return moments.reduce((a, b) => (total(b, sizes) > total(a, sizes) ? b : a));
}

// All counts stay below 2^53 for what the calculator offers, so that a double holds them exactly.
function closedForm(variant, B, C, H, W, itemsize, training) {
  const sizes = symbolBytes(variant, B, C, H, W, itemsize);
  const formulas = formulasFor(variant, B, H, W, itemsize);
  const turns = training ? ["forward", "backward"] : ["inference"];
  const moments = turns.map((turn) => worst(formulas[turn], sizes));
  const moment = worst(moments, sizes);
  return {
    moment,
    peak: total(moment, sizes),
    forward: total(moments[0], sizes),
    backward: training ? total(moments[1], sizes) : 0,
    saved: training ? total(formulas.saved, sizes) : 0,
    held: (training ? 2 : 1) * sizes.input, // and the gradient that comes in
    terms: terms(moment).map(([count, name]) => ({ count, name, bytes: count * sizes[name] })),
  };
}

function fits(gpu, ...one) {
  const { peak, held } = closedForm(...one);
  return peak + held <= GPUS[gpu] * 2 ** 30;
}

// The largest square that fits, up to what can be typed: 2 does for all that the calculator offers.
function largestSide(gpu, most, variant, B, C, itemsize, training) {
  let [low, high] = [2, most + 1];
  while (high - low > 1) {
    const side = (low + high) >> 1;
    if (fits(gpu, variant, B, C, side, side, itemsize, training)) low = side;
    else high = side;
  }
  return low;
}
