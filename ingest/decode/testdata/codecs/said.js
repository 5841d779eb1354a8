function decodeUplink(input) {
  return {data: JSON.parse(String.fromCharCode.apply(null, input.bytes))};
}
