'use strict';

// The plan's other systems: a card for each kind of facility that has devices, by the
// kinds and the words of the inventory, so that one it adds is here by itself; and what
// was registered of waste.
Object.assign(texts.zh, {
  s_title: '其他设施', s_online: '在线 {0} / {1}', s_alarms: '告警 {0}', s_sum: '合计', s_mean: '平均', s_range: '{0} – {1}', s_yes: '{0} / {1} 台', s_today: '今日', s_day: '昼间', s_night: '夜间', s_none: '没有这些设施的设备',
  s_sorting: '垃圾排放登记', s_stream: '类别', s_deposits: '投放次数', s_kilograms: '重量 (kg)', s_accuracy: '抽查准确率', s_households: '参与户', s_ofToday: '今日 {0} 户', s_ofYesterday: '昨日 {0} 户', s_share: '（{0}）',
  s_kitchen: '厨余垃圾', s_recyclable: '可回收物', s_hazardous: '有害垃圾', s_residual: '其他垃圾', s_: '未分类别', s_inspected: '{0}（抽查 {1} 次）',
});
Object.assign(texts.en, {
  s_title: 'Other facilities', s_online: '{0} of {1} online', s_alarms: 'alarms: {0}', s_sum: 'in all', s_mean: 'mean', s_range: '{0} to {1}', s_yes: '{0} of {1}', s_today: 'today', s_day: 'day', s_night: 'night', s_none: 'No devices of these facilities',
  s_sorting: 'Waste registered', s_stream: 'Stream', s_deposits: 'Deposits', s_kilograms: 'Weight (kg)', s_accuracy: 'Sorted right', s_households: 'Households', s_ofToday: '{0} today', s_ofYesterday: '{0} yesterday', s_share: ' ({0})',
  s_kitchen: 'kitchen', s_recyclable: 'recyclable', s_hazardous: 'hazardous', s_residual: 'residual', s_: 'no stream', s_inspected: '{0} ({1} inspected)',
});

const other = { data: null, asked: 0 };
const units = { '1': ['', 1], count: ['', 1], Pa: ['kPa', 1e-3], Cel: ['℃', 1], 'm3/s': ['m³/h', 3600], m3: ['m³', 1], 'ug/m3': ['µg/m³', 1], ratio: ['%', 100], '0/1': ['', 1], deg: ['°', 1], s: ['h', 1 / 3600], W: ['W', 1] };

async function systemsAsk() {
  other.asked = Date.now();
  try {
    const r = await fetch('api/v1/systems');
    if (!r.ok) return;
    other.data = await r.json();
    for (const k of other.data.kinds) for (const l of ['zh', 'en']) texts[l]['facility_' + k.kind] ??= k.name[l];
    systemsShow();
  } catch { /* the stream shows that the connection is lost */ }
}

// together is a quantity of several communities: sums add up, means weigh by devices.
function together(list) {
  const of = (f) => list.map(f).filter((v) => v != null);
  const sum = (f) => { const v = of(f); return v.length ? v.reduce((a, b) => a + b, 0) : null; };
  const devices = sum((f) => f.devices) ?? 0;
  const dB = list[0].unit === 'dB';
  const mean = (get) => {
    const have = list.filter((f) => get(f) != null && f.devices);
    const n = have.reduce((a, f) => a + f.devices, 0);
    if (!n) return null;
    const v = have.reduce((a, f) => a + f.devices * (dB ? 10 ** (get(f) / 10) : get(f)), 0) / n;
    return dB ? 10 * Math.log10(v) : v;
  };
  const least = of((f) => f.min), most = of((f) => f.max);
  return { ...list[0], devices, sum: sum((f) => f.sum), mean: mean((f) => f.mean), min: least.length ? Math.min(...least) : null, max: most.length ? Math.max(...most) : null, yes: sum((f) => f.yes), today: sum((f) => f.today), day: mean((f) => f.day), night: mean((f) => f.night) };
}

function figure(f) {
  const [u, scale] = units[f.unit] ?? [f.unit, 1];
  const show = (v) => { const x = v * scale; return number(x, Math.abs(x) >= 100 || Number.isInteger(x) ? 0 : Math.abs(x) >= 1 ? 1 : 2); };
  const say = (v, word) => (v == null ? null : `${show(v)}${u ? ' ' + u : ''}${word ? ' ' + word : ''}`);
  if (f.kind === 'state') return f.yes == null ? t('none') : t('s_yes', f.yes, f.devices);
  if (f.kind === 'delta' || f.kind === 'register') return say(f.today, t('s_today')) ?? t('none');
  if (f.unit === 'dB') return [say(f.mean, ''), f.day == null ? null : `${t('s_day')} ${show(f.day)}`, f.night == null ? null : `${t('s_night')} ${show(f.night)}`].filter(Boolean).join(' · ') || t('none');
  if (f.sum != null) return say(f.sum, '');
  if (f.mean == null) return t('none');
  return f.devices > 1 && f.min !== f.max ? `${say(f.mean, t('s_mean'))} · ${t('s_range', show(f.min), show(f.max))}` : say(f.mean, '');
}

const everywhere = ['battery_level', 'battery_voltage', 'rssi'];

function systemsShow() {
  const d = other.data;
  if (!d || !data) return;
  const mine = d.systems.filter((s) => !chosen || s.community === chosen);
  const kinds = d.kinds.filter((k) => mine.some((s) => s.facility === k.kind));
  $('systems-s').hidden = !kinds.length && !d.sorting.length;
  fill($('systems'), kinds.map((k) => {
    const of = mine.filter((s) => s.facility === k.kind);
    const sum = (f) => of.reduce((a, s) => a + f(s), 0);
    const names = [...new Set(of.flatMap((s) => s.figures.map((f) => f.quantity)))].filter((q) => !everywhere.includes(q));
    const alarms = sum((s) => s.alarms);
    return el('article', { class: 'system', 'data-facility': k.kind },
      el('h3', {}, k.name[lang], el('small', { class: alarms ? 'state warning' : 'state ok' }, alarms ? t('s_alarms', alarms) : t('s_online', sum((s) => s.online), sum((s) => s.devices)))),
      el('dl', {}, ...names.flatMap((q) => {
        const f = together(of.flatMap((s) => s.figures.filter((x) => x.quantity === q)));
        return [el('dt', {}, f.name[lang]), el('dd', { 'data-quantity': q }, figure(f))];
      })));
  }));
  const places = d.sorting.filter((p) => !chosen || p.community === chosen);
  $('sorting-s').hidden = !places.length;
  const households = (p) => {
    const all = community(p.community)?.households;
    const share = (n) => (all ? t('s_share', percent(n / all)) : '');
    return [p.households_today == null ? null : t('s_ofToday', number(p.households_today)) + share(p.households_today), p.households_yesterday == null ? null : t('s_ofYesterday', number(p.households_yesterday)) + share(p.households_yesterday)].filter(Boolean).join(' · ') || t('none');
  };
  table('sorting', [
    { title: t('name'), cell: (r) => (r.first ? communityName(r.p.community) : '') },
    { title: t('s_stream'), cell: (r) => texts[lang]['s_' + r.s.stream] ?? r.s.stream },
    { title: t('s_deposits'), number: true, cell: (r) => number(r.s.deposits) },
    { title: t('s_kilograms'), number: true, cell: (r) => (r.s.kilograms ? number(r.s.kilograms, 1) : t('none')) },
    { title: t('s_accuracy'), number: true, cell: (r) => (!r.first ? '' : r.p.correct + r.p.wrong ? t('s_inspected', percent(r.p.correct / (r.p.correct + r.p.wrong)), number(r.p.correct + r.p.wrong)) : t('none')) },
    { title: t('s_households'), number: true, cell: (r) => (r.first ? households(r.p) : '') },
  ], places.flatMap((p) => p.streams.map((s, i) => ({ p, s, first: !i }))), '');
}

document.addEventListener('shown', () => { systemsShow(); if (Date.now() - other.asked > 5000) systemsAsk(); });
