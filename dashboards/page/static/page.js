'use strict';

// Texts in both languages. A key that ends in a name of the service's
// (state_ok, facility_water) is looked up by that name.
const texts = {
  zh: {
    title: '绿色社区 · 运行总览', skip: '跳到内容', now: '当前', communities: '社区', alarms: '未恢复告警', trends: '近24小时', savings: '节能节水',
    'savings-note': '节约量 = 调整后基准 − 实际用量，只计两者都有数据的时段；“与零无显著差异”表示不能认定有节约。',
    vendors: '厂商', rejects: '最近被拒绝的消息', devices: '设备', search: '查找设备', filter: '筛选', troubled: '只看有问题的', community: '社区', all: '全部社区',
    online: '在线设备', power: '照明功率', lit: '亮灯', water: '今日用水', full: '满溢垃圾桶', open: '开启的门', passes: '今日通行', pending: '未恢复告警', programme: '参与 / 达标社区',
    name: '社区', state: '状态', offline: '离线', alarm: '告警', perHousehold: '户均今日用水 (L)', power_w: '照明 (W)', lamps: '亮灯', fill: '桶满度', passesToday: '通行', last: '最后数据',
    vendor: '厂商', received: '收到', rejected: '拒绝', refused: '读数拒绝', reasons: '原因', unmatched: '（无匹配来源）',
    device: '设备', facility: '设施', resource: '资源', period: '时段', baseline: '基准', actual: '实际', saving: '节约', band: '90% 区间', coverage: '覆盖率', verdict: '结论',
    significant: '显著', vague: '与零无显著差异', no_baseline: '无基准，不计节约', provisional: '暂定', final: '定稿',
    state_ok: '正常', state_warning: '一般', state_critical: '紧急', state_info: '提示', state_silent: '无数据',
    facility_lighting: '照明', facility_water: '用水', facility_waste: '垃圾分类', facility_gate: '门禁', facility_all: '全部',
    resource_electricity: '电', resource_water: '水', period_quarter: '本季度', period_previous_quarter: '上季度', period_since_start: '启动以来',
    unit_lighting: 'W', unit_water: 'm³/h', unit_waste: '满度', unit_gate: '人次/10分钟',
    none: '无数据', noAlarms: '没有未恢复的告警', noRejects: '没有被拒绝的消息', noDevices: '没有找到设备', noCommunities: '没有符合条件的社区', noSavings: '尚未配置基准：只显示用量，不计节约', noVendors: '尚无厂商',
    live: '实时 · 数据截至 {0}', lost: '连接中断，显示的是 {0} 的数据', notReady: '接入未就绪：{0}', loading: '正在载入…',
    account: '收到 {0} = 已存 {1} + 重复 {2} + 拒绝 {3} + 忽略 {4} + 待定 {5}（条消息）', critical: '紧急', warning: '一般', since: '已 {0}', day: '天', hour: '小时', minute: '分钟', of: ' / {0}',
  },
  en: {
    title: 'Green communities · overview', skip: 'Skip to content', now: 'Now', communities: 'Communities', alarms: 'Open alarms', trends: 'Last 24 hours', savings: 'Energy and water saved',
    'savings-note': 'A saving is the adjusted baseline less the actual use, over the time both are known for; “not distinguishable from zero” means none is claimed.',
    vendors: 'Vendors', rejects: 'Messages refused last', devices: 'Devices', search: 'Find a device', filter: 'Filter', troubled: 'With problems only', community: 'Community', all: 'All communities',
    online: 'Devices online', power: 'Lighting power', lit: 'Lamps lit', water: 'Water today', full: 'Bins overfull', open: 'Gates open', passes: 'Passes today', pending: 'Open alarms', programme: 'Participating / met',
    name: 'Community', state: 'State', offline: 'Offline', alarm: 'Alarms', perHousehold: 'Water today per household (L)', power_w: 'Lighting (W)', lamps: 'Lamps lit', fill: 'Bin fill', passesToday: 'Passes', last: 'Last data',
    vendor: 'Vendor', received: 'Received', rejected: 'Rejected', refused: 'Readings refused', reasons: 'Reasons', unmatched: '(no source matches)',
    device: 'Device', facility: 'Facility', resource: 'Resource', period: 'Period', baseline: 'Baseline', actual: 'Actual', saving: 'Saving', band: '90 % band', coverage: 'Coverage', verdict: 'Verdict',
    significant: 'significant', vague: 'not distinguishable from zero', no_baseline: 'no baseline, no saving claimed', provisional: 'provisional', final: 'final',
    state_ok: 'ok', state_warning: 'warning', state_critical: 'critical', state_info: 'info', state_silent: 'no data',
    facility_lighting: 'Lighting', facility_water: 'Water', facility_waste: 'Waste', facility_gate: 'Gates', facility_all: 'all',
    resource_electricity: 'Electricity', resource_water: 'Water', period_quarter: 'this quarter', period_previous_quarter: 'last quarter', period_since_start: 'since start',
    unit_lighting: 'W', unit_water: 'm³/h', unit_waste: 'fill', unit_gate: 'passes/10 min',
    none: 'no data', noAlarms: 'No open alarms', noRejects: 'No message was refused', noDevices: 'No device found', noCommunities: 'No community matches', noSavings: 'No baseline is configured: use is shown, no saving claimed', noVendors: 'No vendors yet',
    live: 'Live · data as of {0}', lost: 'Connection lost; this is of {0}', notReady: 'Not taking in: {0}', loading: 'Loading…',
    account: '{0} received = {1} stored + {2} duplicate + {3} rejected + {4} ignored + {5} pending (messages)', critical: 'critical', warning: 'warning', since: 'for {0}', day: 'd', hour: 'h', minute: 'min', of: ' of {0}',
  },
};

const $ = (id) => document.getElementById(id);
let lang = new URLSearchParams(location.search).get('lang') || localStorage.getItem('lang') || 'zh';
if (!texts[lang]) lang = 'zh';
let data = null;
let order = { key: 'state', down: true };
let connected = false;

const t = (key, ...args) => (texts[lang][key] ?? key).replace(/\{(\d)\}/g, (_, i) => args[i]);
const named = (kind, name) => texts[lang][kind + '_' + name] ?? name;
const locale = () => (lang === 'zh' ? 'zh-CN' : 'en-GB');
const number = (v, digits = 0) => (v == null ? t('none') : v.toLocaleString(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits }));
const percent = (v) => (v == null ? t('none') : (100 * v).toFixed(0) + ' %');
const clock = (time) => new Date(time).toLocaleString(locale(), { month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });

function ago(ms) {
  const minutes = Math.max(0, Math.round((Date.now() - ms) / 60000));
  if (minutes < 60) return `${minutes} ${t('minute')}`;
  if (minutes < 48 * 60) return `${Math.round(minutes / 60)} ${t('hour')}`;
  return `${Math.round(minutes / 1440)} ${t('day')}`;
}

function el(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes ?? {})) {
    if (k === 'on') e.addEventListener('click', v);
    else if (v != null) e.setAttribute(k, v);
  }
  e.append(...children.filter((c) => c != null));
  return e;
}

function table(id, columns, rows, empty, rowClass) {
  const head = el('tr', {}, ...columns.map((c) => el('th', { scope: 'col', class: c.number ? 'n' : null, 'aria-sort': c.sort && order.key === c.key ? (order.down ? 'descending' : 'ascending') : null },
    c.sort ? el('button', { type: 'button', on: () => { order = { key: c.key, down: order.key === c.key ? !order.down : true }; render(); } }, c.title) : c.title)));
  const body = rows.map((r) => el('tr', { class: rowClass ? rowClass(r) : null }, ...columns.map((c) => el('td', { class: c.number ? 'n' : null }, c.cell(r)))));
  if (!rows.length) body.push(el('tr', {}, el('td', { class: 'empty', colspan: columns.length }, empty)));
  const old = $(id);
  const focus = old.contains(document.activeElement) ? [...old.querySelectorAll('button')].indexOf(document.activeElement) : -1;
  old.replaceChildren(el('thead', {}, head), el('tbody', {}, ...body));
  if (focus >= 0) old.querySelectorAll('button')[focus]?.focus(); // a refresh must not take the keyboard away
}

function tiles() {
  const f = data.total;
  const devices = f.online + f.offline + f.never;
  const tile = (key, value, more, state) => el('div', { class: 'tile ' + (state ?? ''), 'data-tile': key }, el('span', {}, t(key)), el('b', {}, value), more ? el('small', {}, more) : null);
  const silent = (v, state) => (v == null ? 'silent' : state ?? '');
  $('tiles').replaceChildren(
    tile('online', devices ? number(f.online) : t('none'), devices ? t('of', number(devices)) : '', !devices ? 'silent' : f.online < 0.9 * devices ? 'warning' : 'ok'),
    tile('pending', number(f.alarms_critical + f.alarms_warning), `${t('critical')} ${f.alarms_critical} · ${t('warning')} ${f.alarms_warning}`, f.alarms_critical ? 'critical' : f.alarms_warning ? 'warning' : 'ok'),
    tile('water', number(f.water_today_m3, 1), f.water_today_m3 == null ? '' : 'm³', silent(f.water_today_m3)),
    tile('power', f.power_w == null ? t('none') : number(f.power_w / 1000, 2), f.power_w == null ? '' : 'kW', silent(f.power_w)),
    tile('lit', f.lamps ? number(f.lamps_lit) : t('none'), f.lamps ? t('of', number(f.lamps)) : '', f.lamps ? '' : 'silent'),
    tile('full', f.bins ? number(f.bins_full) : t('none'), f.bins ? t('of', number(f.bins)) : '', !f.bins ? 'silent' : f.bins_full ? 'warning' : 'ok'),
    tile('passes', number(f.passes_today), '', silent(f.passes_today)),
    tile('open', f.gates ? number(f.gates_open) : t('none'), f.gates ? t('of', number(f.gates)) : '', f.gates ? '' : 'silent'),
    tile('programme', `${data.programme.participating} / ${data.programme.met}`, t('of', data.programme.all)),
  );
}

const severity = { critical: 3, warning: 2, silent: 1, ok: 0 };

function communities() {
  const sorts = {
    state: (c) => severity[c.state] * 1e6 + c.alarms_critical * 1e3 + c.alarms_warning, name: (c) => c.name, online: (c) => c.online,
    water: (c) => (c.water_today_m3 == null || !c.households ? -1 : c.water_today_m3 / c.households), power: (c) => c.power_w ?? -1, fill: (c) => c.fill_ratio ?? -1, passes: (c) => c.passes_today ?? -1, last: (c) => c.last_reading_ms ?? 0,
  };
  const wanted = $('filter').value.trim().toLowerCase();
  const rows = data.communities
    .filter((c) => !wanted || [c.id, c.name, c.town].some((s) => s.toLowerCase().includes(wanted)))
    .filter((c) => !$('troubled').checked || c.state !== 'ok');
  const key = sorts[order.key];
  rows.sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    const d = typeof x === 'string' ? x.localeCompare(y, locale()) : x - y;
    return (order.down ? -d : d) || a.name.localeCompare(b.name, locale());
  });
  table('communities', [
    { key: 'name', title: t('name'), sort: true, cell: (c) => el('button', { type: 'button', class: 'link', on: () => { $('community').value = c.id; trends(); $('trends-h').scrollIntoView({ behavior: 'smooth' }); } }, c.name) },
    { key: 'state', title: t('state'), sort: true, cell: (c) => el('span', { class: 'state' }, named('state', c.state)) },
    { key: 'alarm', title: t('alarm'), number: true, cell: (c) => number(c.alarms_critical + c.alarms_warning) },
    { key: 'online', title: t('online'), number: true, sort: true, cell: (c) => (c.online + c.offline + c.never ? `${number(c.online)}${t('of', number(c.online + c.offline + c.never))}` : t('none')) },
    { key: 'water', title: t('perHousehold'), number: true, sort: true, cell: (c) => number(c.water_today_m3 == null || !c.households ? null : (1000 * c.water_today_m3) / c.households) },
    { key: 'power', title: t('power_w'), number: true, sort: true, cell: (c) => number(c.power_w) },
    { key: 'lamps', title: t('lamps'), number: true, cell: (c) => (c.lamps ? number(c.lamps_lit) + t('of', number(c.lamps)) : t('none')) },
    { key: 'fill', title: t('fill'), number: true, sort: true, cell: (c) => percent(c.fill_ratio) },
    { key: 'passes', title: t('passesToday'), number: true, sort: true, cell: (c) => number(c.passes_today) },
    { key: 'last', title: t('last'), number: true, sort: true, cell: (c) => (c.last_reading_ms ? clock(c.last_reading_ms) : t('none')) },
  ], rows, t('noCommunities'), (c) => c.state);
}

function alarms() {
  const name = (id) => data.communities.find((c) => c.id === id)?.name ?? id;
  $('alarms').replaceChildren(...(data.alarms.length ? data.alarms.map((a) => el('li', { class: a.severity, 'data-kind': a.kind },
    el('time', { datetime: a.since, title: clock(a.since) }, t('since', ago(Date.parse(a.since)))),
    el('span', { class: 'state' }, named('state', a.severity)), ' ', el('b', {}, a.title[lang]), ` · ${name(a.community)} · ${a.name || a.device}`,
    el('p', {}, a.why[lang]))) : [el('li', {}, t('noAlarms'))]));
}

function savings() {
  const name = (id) => data.communities.find((c) => c.id === id)?.name ?? id;
  const extent = {};
  for (const s of data.savings) if (s.saving != null) extent[s.unit] = Math.max(extent[s.unit] ?? 0, Math.abs(s.saving) + (s.uncertainty ?? 0));
  table('savings', [
    { title: t('name'), cell: (s) => `${name(s.community)} · ${named('facility', s.facility)}` },
    { title: t('resource'), cell: (s) => named('resource', s.resource) },
    { title: t('period'), cell: (s) => named('period', s.period) + (s.status === 'no_baseline' ? '' : ` (${t(s.status)})`) },
    { title: t('baseline'), number: true, cell: (s) => (s.baseline == null ? t('none') : `${number(s.baseline)} ${unit(s.unit)}`) },
    { title: t('actual'), number: true, cell: (s) => (s.actual == null ? t('none') : `${number(s.actual)} ${unit(s.unit)}`) },
    { title: t('saving'), number: true, cell: (s) => (s.saving == null ? t('none') : `${number(s.saving)} ± ${number(s.uncertainty)} ${unit(s.unit)}`) },
    { title: t('band'), cell: (s) => (s.saving == null ? '' : band(s, extent[s.unit])) },
    { title: t('coverage'), number: true, cell: (s) => percent(s.coverage) },
    { title: t('verdict'), cell: (s) => t(s.status === 'no_baseline' ? 'no_baseline' : s.significant ? 'significant' : 'vague') },
  ], data.savings, t('noSavings'));
}

const unit = (u) => (u === 'm3' ? 'm³' : u);

// band draws a saving and its 90 % band around zero.
function band(s, extent) {
  const svg = (tag, a) => { const e = document.createElementNS('http://www.w3.org/2000/svg', tag); for (const k in a) e.setAttribute(k, a[k]); return e; };
  const x = (v) => 95 + (90 * v) / (extent || 1);
  const e = svg('svg', { class: 'band' + (s.significant ? '' : ' vague'), viewBox: '0 0 190 18', role: 'img', 'aria-label': `${number(s.saving - s.uncertainty)} … ${number(s.saving + s.uncertainty)} ${unit(s.unit)}` });
  e.append(svg('line', { class: 'axis', x1: 95, x2: 95, y1: 1, y2: 17 }), svg('rect', { x: x(s.saving - s.uncertainty), width: Math.max(1, x(s.saving + s.uncertainty) - x(s.saving - s.uncertainty)), y: 5, height: 8 }), svg('circle', { cx: x(s.saving), cy: 9, r: 3.5 }));
  return e;
}

function vendors() {
  table('vendors', [
    { title: t('vendor'), cell: (v) => v.name || v.id || t('unmatched') },
    { title: t('received'), number: true, cell: (v) => number(v.received) },
    { title: t('rejected'), number: true, cell: (v) => number(v.rejected) },
    { title: t('refused'), number: true, cell: (v) => number(v.refused) },
    { title: t('reasons'), cell: (v) => v.reasons.map((r) => `${r.reason} ${number(r.count)}`).join(', ') },
  ], data.vendors, t('noVendors'));
  $('rejects').replaceChildren(...(data.rejects.length ? data.rejects.slice(0, 20).map((r) => el('li', {},
    el('time', { datetime: r.time }, clock(r.time)), el('b', {}, r.reason), ` · ${r.vendor || t('unmatched')} · ${r.topic}`, el('p', {}, r.detail))) : [el('li', {}, t('noRejects'))]));
}

function render() {
  document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en';
  document.title = t('title');
  for (const e of document.querySelectorAll('[data-t]')) e.textContent = t(e.dataset.t);
  for (const id of ['zh', 'en']) $(id).setAttribute('aria-pressed', String(lang === id));
  state();
  if (!data) return;
  tiles(); communities(); alarms(); savings(); vendors(); choices();
  const s = data.system;
  $('account').textContent = t('account', ...[s.received, s.stored, s.duplicate, s.rejected, s.ignored, s.pending].map((v) => number(v)));
}

function state() {
  const e = $('status');
  const bad = !connected || (data && !data.system.ready);
  e.classList.toggle('bad', Boolean(data && bad));
  $('main').classList.toggle('old', Boolean(data && !connected));
  if (!data) e.textContent = t('loading');
  else if (!connected) e.textContent = t('lost', clock(data.as_of));
  else if (!data.system.ready) e.textContent = t('notReady', data.system.why);
  else e.textContent = t('live', clock(data.as_of));
}

function choices() {
  const e = $('community');
  const have = [...e.options].map((o) => o.value + o.text).join();
  const want = [el('option', { value: '' }, t('all')), ...data.communities.map((c) => el('option', { value: c.id }, c.name))];
  if (have === want.map((o) => o.value + o.text).join()) return;
  const value = e.value;
  e.replaceChildren(...want);
  e.value = value;
}

let charts = [];

async function trends() {
  let answer;
  try {
    const r = await fetch('api/v1/trends?community=' + encodeURIComponent($('community').value));
    if (!r.ok) return;
    answer = await r.json();
  } catch { return; } // the stream shows that the connection is lost
  for (const c of charts) c.destroy();
  charts = [];
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  $('trends').replaceChildren(...['lighting', 'water', 'waste', 'gate'].map((kind) => {
    const box = el('div', { class: 'chart', 'data-chart': kind }, el('h3', {}, `${named('facility', kind)} (${t('unit_' + kind)})`));
    const values = answer.series[kind];
    if (!values?.some((v) => v != null)) { box.append(el('p', {}, t('none'))); return box; }
    const place = el('div');
    box.append(place);
    queueMicrotask(() => {
      const axis = { stroke: colour('--dim'), grid: { stroke: colour('--grid'), width: 1 }, ticks: { show: false }, font: '11px system-ui' };
      const x = values.map((_, i) => answer.from + i * answer.step);
      charts.push(new uPlot({
        width: box.clientWidth, height: 150, legend: { show: false }, cursor: { y: false }, scales: { y: { range: (_, lo, hi) => [Math.min(0, lo), hi > lo ? hi * 1.1 : hi + 1] } },
        axes: [{ ...axis, values: (_, ticks) => ticks.map((s) => new Date(s * 1000).toLocaleTimeString(locale(), { hour: '2-digit', minute: '2-digit', hour12: false })) }, { ...axis, size: 46 }],
        series: [{}, { stroke: colour('--accent'), width: 1.5, fill: colour('--tint'), spanGaps: false, points: { show: false } }],
      }, [x, values], place));
    });
    return box;
  }));
}

let searching = 0;

async function search() {
  const mine = ++searching;
  const q = $('search').value.trim();
  let rows = [];
  if (q) {
    try {
      const r = await fetch('api/v1/devices?limit=20&q=' + encodeURIComponent(q));
      if (r.ok) rows = await r.json();
    } catch { return; }
  }
  if (mine !== searching) return; // a later one is on its way
  const name = (id) => data?.communities.find((c) => c.id === id)?.name ?? id;
  table('devices', [
    { title: t('device'), cell: (d) => d.name || d.id },
    { title: 'ID', cell: (d) => d.id },
    { title: t('name'), cell: (d) => name(d.community) },
    { title: t('facility'), cell: (d) => named('facility', d.facility) },
    { title: t('vendor'), cell: (d) => d.vendor },
    { title: t('last'), number: true, cell: (d) => (d.last_reading_ms ? clock(d.last_reading_ms) : t('none')) },
  ], rows, q ? t('noDevices') : '');
}

function follow() {
  const source = new EventSource('api/v1/stream');
  source.onmessage = (e) => {
    const first = !data;
    data = JSON.parse(e.data);
    connected = true;
    render();
    if (first) trends();
  };
  source.onerror = () => { connected = false; state(); };
}

for (const id of ['zh', 'en']) $(id).addEventListener('click', () => { lang = id; localStorage.setItem('lang', lang); render(); trends(); search(); });
$('filter').addEventListener('input', () => data && communities());
$('troubled').addEventListener('change', () => data && communities());
$('community').addEventListener('change', trends);
let typing;
$('search').addEventListener('input', () => { clearTimeout(typing); typing = setTimeout(search, 200); });
let resizing;
addEventListener('resize', () => { clearTimeout(resizing); resizing = setTimeout(trends, 250); });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', trends);
setInterval(() => data && connected && trends(), 60000);
render();
follow();
