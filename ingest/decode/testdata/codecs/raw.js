// Converts a pass-through product's frames to its thing model: a command, a
// message number, a 16-bit number, a switch and a float, most significant byte
// first. Written for the tests.
function rawDataToProtocol(bytes) {
  var view = new DataView(new ArrayBuffer(bytes.length));
  for (var i = 0; i < bytes.length; i++) { view.setUint8(i, bytes[i]); }
  return {
    method: "thing.event.property.post", id: String(view.getUint32(1)), version: "1.0",
    params: { prop_float: view.getFloat32(8), prop_int16: view.getInt16(5), prop_bool: view.getUint8(7) }
  };
}
