function Decoder(bytes, port) {
  return JSON.parse(String.fromCharCode.apply(null, bytes));
}
