// A made-up water meter: litres, a bit for a leak, history of the hours before.
function decodeUplink(input) {
  var b = input.bytes;
  if (b.length < 5) return {errors: ["too short"]};
  var total = b[0] * 16777216 + (b[1] << 16 | b[2] << 8 | b[3]);
  var data = {metering: {water: {total: total}}, water: {leak: (b[4] & 1) === 1}, battery: 3.6, history: []};
  for (var i = 5; i < b.length; i++) {
    total -= b[i];
    data.history.push({time: new Date(1795831200000 - (i - 5) * 3600000).toISOString(), metering: {water: {total: total}}});
  }
  return {data: data};
}
