// Reads channel-type-value payloads of bin, door and pulse sensors. Written for
// the tests, in the form network servers expect.
function u16(b, i) { return b[i] | b[i + 1] << 8; }
function i16(b, i) { var v = u16(b, i); return v > 0x7fff ? v - 0x10000 : v; }
function u32(b, i) { return (u16(b, i) | u16(b, i + 2) << 16) >>> 0; }

function decodeUplink(input) {
  var b = input.bytes, data = {}, history = [];
  for (var i = 0; i < b.length;) {
    var key = b[i] << 8 | b[i + 1];
    i += 2;
    switch (key) {
      case 0x0175: data.battery = b[i]; i += 1; break;
      case 0x0367: data.temperature = i16(b, i) / 10; i += 2; break;
      case 0x0468: data.humidity = b[i] / 2; i += 1; break;
      case 0x0482: data.distance = u16(b, i); i += 2; break;
      case 0x0500: data.position = b[i] ? "tilt" : "normal"; i += 1; break;
      case 0x8367: data.temperature = i16(b, i) / 10; data.temperature_alarm = b[i + 2] === 1; i += 3; break;
      case 0x8482: data.distance = u16(b, i); data.distance_alarm = b[i + 2] === 1; i += 3; break;
      case 0x0300: data.door = b[i]; i += 1; break;
      case 0x0400: data.tamper = b[i]; i += 1; break;
      case 0x20ce:
        history.push({ timestamp: u32(b, i), temperature: i16(b, i + 4) / 10, humidity: b[i + 6] / 2, pulses: u32(b, i + 9) });
        i += 13; break;
      default: return { errors: ["unknown type " + key.toString(16)] };
    }
  }
  if (history.length) { data.history = history; }
  return { data: data };
}
