// Holds every board against the schema of the oldest and the newest Grafana: node check.mjs DIR OLDEST.json NEWEST.json
import fs from "node:fs";
import path from "node:path";
import Ajv from "ajv";

const [dir, ...schemas] = process.argv.slice(2);
const problems = new Map();

// What the packages' types leave out or ask for, and Grafana does not. Each is read in that version's types.
const waived = (version, kind, e) => {
  const extra = e.params.additionalProperty, lacks = e.params.missingProperty, at = e.instancePath;
  if (extra === "__requires") return true; // of Grafana's form for exports: the least version, read on importing
  // Defaults stand for these: the types call every field with a default required.
  if (lacks && ["style", "transparent", "repeatDirection", "transformations", "fieldConfig", "tooltip"].includes(lacks)) return true;
  if (lacks && kind === "stat") return ["wideLayout", "showPercentChange", "percentChangeColorMode"].includes(lacks); // later than 10.0
  if (version !== "oldest.json") return false;
  return extra === "hideTimeOverride" // known to Grafana since 6, in the types since 10.1
    || at.startsWith("/templating/list") // a store's inner model; the newest's types have variables as they are written
    || /\/mappings\/\d+/.test(at) // "special" may only match true or false in these types: see SpecialValueMatch beside it
    || /\/thresholds\/steps\/\d+\/value$/.test(at) && e.data === null // its own comment: null is minus infinity
    || at === "/refresh"; // a string or false, which the generator reads as a boolean
};

for (const file of schemas) {
  const version = path.basename(file);
  const schema = JSON.parse(fs.readFileSync(file));
  const ajv = new Ajv({ strict: false, allErrors: true, verbose: true, validateFormats: false });
  const kinds = Object.fromEntries(Object.entries(schema.definitions.Root.properties).map(
    ([kind, s]) => [kind, ajv.compile({ ...s, definitions: schema.definitions })]));
  const add = (where, text) => problems.set(text, [...problems.get(text) ?? [], where]);
  let held = 0;
  const hold = (where, kind, value, only = "") => {
    const valid = kinds[kind];
    if (!valid) return;
    held++;
    if (valid(value)) return;
    let told = false;
    for (const e of valid.errors) {
      if (waived(version, kind, e)) told = true;
      if (["anyOf", "const"].includes(e.keyword) || waived(version, kind, e)) continue; // the alternatives say more
      if (only && !e.instancePath.startsWith("/" + only) && e.params.additionalProperty !== only) continue;
      add(where, `${version}: ${kind}${e.instancePath.replace(/\/\d+/g, "/N")} ${e.message} ${e.params.additionalProperty ?? ""} ${JSON.stringify(only ? value : "")}`);
      told = true;
    }
    if (!told && !only) add(where, `${version}: ${kind} fits none of its forms: ${JSON.stringify(value)}`);
  };
  for (const name of fs.readdirSync(dir, { recursive: true }).filter(n => n.endsWith(".json"))) {
    const { panels, ...board } = JSON.parse(fs.readFileSync(path.join(dir, name)));
    hold(name, "dashboard", board);
    board.links.forEach(l => hold(name, "link", l));
    board.templating.list.forEach(v => hold(name, "variable", v));
    for (const p of panels) {
      const where = `${name}: ${p.title}`, custom = p.type + "Custom";
      if (!kinds[p.type] && p.type !== "text" && version === "newest.json") add(where, `${version}: no options of ${p.type} to hold against`);
      hold(where, "panel", p);
      hold(where, p.type, p.options);
      for (const l of p.options?.layers ?? []) hold(where, "layer", l);
      if (!p.fieldConfig) continue;
      (p.fieldConfig.defaults.mappings ?? []).forEach(m => hold(where, "mapping", m));
      if (p.fieldConfig.defaults.custom) hold(where, custom, p.fieldConfig.defaults.custom);
      for (const o of p.fieldConfig.overrides) for (const q of o.properties) {
        if (q.id === "mappings") q.value.forEach(m => hold(where, "mapping", m));
        if (q.id === "thresholds") hold(where, "thresholds", q.value);
        // A property that only one of the versions knows is ignored by the others; hidden and hideFrom are such a pair.
        if (q.id.startsWith("custom.") && !(q.id === "custom.hidden" && version === "newest.json") && !(q.id === "custom.hideFrom" && p.type === "table" && version === "oldest.json"))
          hold(where, custom, { [q.id.slice(7)]: q.value }, q.id.slice(7));
      }
    }
  }
  console.log(`${version}: ${held} parts held`);
  if (held < 1000) add("", `${version}: too few parts were held against the schema`);
}
for (const [text, where] of problems) console.log(`${text.trim()}: ${where.length} times, first in ${where[0]}`);
process.exit(problems.size ? 1 : 0);
