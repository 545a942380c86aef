// closed_form.py's arithmetic, for a browser. FORMULAS comes from there, so only the sizes of the
// symbols are written twice; tests hold both to the same integers.

function symbolBytes(variant, B, C, side, itemsize) {
  const paper = variant.startsWith("paper");
  const N = side * side;
  const keys = variant === "paper_pooled" ? Math.floor(side / 2) ** 2 : N;
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
  return sizes;
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
function closedForm(variant, B, C, side, itemsize) {
  const sizes = symbolBytes(variant, B, C, side, itemsize);
  const formulas = FORMULAS[variant];
  const [first, second] = [worst(formulas.forward, sizes), worst(formulas.backward, sizes)];
  const moment = worst([first, second], sizes);
  return {
    moment,
    peak: total(moment, sizes),
    forward: total(first, sizes),
    backward: total(second, sizes),
    saved: total(formulas.saved, sizes),
    held: total(HELD, sizes),
    terms: terms(moment).map(([count, name]) => ({ count, name, bytes: count * sizes[name] })),
  };
}

function fits(variant, B, C, side, itemsize, gpu) {
  const { peak, held } = closedForm(variant, B, C, side, itemsize);
  return peak + held <= GPUS[gpu] * 2 ** 30;
}

// The largest side that fits: 2 does for all that the calculator offers, 1024 for nothing.
function largestSide(variant, B, C, itemsize, gpu) {
  let [low, high] = [2, 1024];
  while (high - low > 1) {
    const side = (low + high) >> 1;
    if (fits(variant, B, C, side, itemsize, gpu)) low = side;
    else high = side;
  }
  return low;
}
