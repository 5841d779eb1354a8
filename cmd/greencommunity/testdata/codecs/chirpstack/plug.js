// A made-up plug, whose table of fields is a global that is only read.
var FIELDS = [
  {name: "activePower", size: 2, unit: "W"},
  {name: "activeEnergy", size: 4, unit: "Wh"},
];
function Decode(fPort, bytes) {
  var out = {}, at = 0;
  for (i = 0; i < FIELDS.length; i++) {
    var f = FIELDS[i], v = 0;
    for (j = 0; j < f.size; j++) v = v * 256 + bytes[at++];
    out[f.name] = {data: v, unit: f.unit};
  }
  out.state = bytes[at] ? "on" : "off";
  return out;
}
