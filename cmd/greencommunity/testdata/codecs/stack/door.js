// A made-up door sensor with the normalizeUplink of The Things Stack.
function decodeUplink(input) {
  return {data: {reed: input.bytes[0], volts: input.bytes[1] / 10}};
}
function normalizeUplink(input) {
  return {data: [{action: {contactState: input.data.reed ? "open" : "closed"}, battery: input.data.volts}]};
}
