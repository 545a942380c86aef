// What Python has packed as base64: bytes, or half-precision numbers, the low byte first.

function unpackBytes(base64) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const bytes = [];
  for (let at = 0; at < base64.length; at += 4) {
    const [a, b, c, d] = [0, 1, 2, 3].map((n) => alphabet.indexOf(base64[at + n]));
    bytes.push((a << 2) | (b >> 4));
    if (c >= 0) bytes.push(((b & 15) << 4) | (c >> 2));
    if (d >= 0) bytes.push(((c & 3) << 6) | d);
  }
  return bytes;
}

function unpackHalves(base64) {
  const bytes = unpackBytes(base64);
  return Array.from({ length: bytes.length / 2 }, (_, n) => half(bytes[2 * n] | (bytes[2 * n + 1] << 8)));
}

// A half-precision number from its sixteen bits.
function half(bits) {
  const [sign, power, rest] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return sign * (power ? 2 ** (power - 15) * (1 + rest / 1024) : 2 ** -14 * (rest / 1024));
}

