// Reads the registers of a two-tariff energy meter. Written for the tests, as
// Buffer-using decoders are.
function decodeUplink(input) {
  var buf = Buffer.from(input.bytes), data = {}, at = 0;
  for (var i = 0; i + 1 < buf.length;) {
    var key = buf.readUInt16BE(i);
    i += 2;
    if (key === 0x0b0a) { i += 1; continue; }
    var v = buf.readUInt32BE(i);
    i += 4;
    if (key === 0x0203) { at = v; }
    if (key === 0x0304) { data.t1 = v; }
    if (key === 0x0405) { data.t2 = v; }
  }
  data.timestamp = at;
  return { data: data };
}
