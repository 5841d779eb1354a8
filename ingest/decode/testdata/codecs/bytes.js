// Shows the bytes it is given. Written for the tests.
function decodeUplink(input) {
  return { data: { length: input.bytes.length, hex: Buffer.from(input.bytes).toString("hex") } };
}
