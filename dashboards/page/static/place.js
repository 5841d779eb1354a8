'use strict';

// The pages of a community and of a device, the map, and the login. Which of them is
// shown stands behind # in the address: #community/ID, #device/ID/COMMUNITY, nothing for the
// overview.
Object.assign(texts.zh, {
  p_login: '登录', p_logout: '退出', p_user: '用户名', p_password: '密码', p_enter: '登录', p_loginNote: '请登录后查看。', p_wrong: '用户名或密码不正确', p_wait: '尝试次数过多，请 {0} 秒后再试', p_back: '返回总览', p_open: '打开 {0} 的页面',
  p_map: '社区分布', p_noPlace: '未填写坐标：{0}', p_north: '北', p_compounds: '小区', p_facilities: '设施与数据质量', p_devices: '设备', p_use: '用量', p_readings: '读数', p_latest: '最近读数', p_alarms: '未恢复告警', p_savings: '节能节水', p_rejects: '最近被拒绝的消息',
  p_town: '乡镇（街道）', p_pilot: '试点社区', p_households: '户数', p_population: '人口', p_stage: '创建阶段', p_contact: '联系人', p_renovated: '改造年份', p_online: '在线', p_offline: '离线', p_never: '从未上报', p_coverage: '近30天数据覆盖率', p_kind: '设施',
  p_day: '日', p_week: '周', p_month: '月', p_this_quarter: '本季度', p_last_quarter: '上季度', p_year: '年', p_october: '年度总结（至9月底）', p_last: '厂商最后的报文', p_lastAsk: '显示', p_lastAs: '{0} · {1} 字节', p_lastCut: '只显示前 {0} 字节', p_lastErased: '内容已按要求删除', p_now: '本期', p_then_before: '上一时段', p_then_year: '上年同期', p_sum: '合计 {0} {1}', p_sumThen: '{0} {1} {2}', p_change: '{0} %', p_lastOpen: '最后一段尚未结束', p_lastHour: '最后一段尚未结束，本小时过后计入', p_covered: '有数据 {0} 表时',
  p_electricity: '用电', p_water: '用水', p_quantity: '量', p_value: '数值', p_time: '时间', p_channel: '通道', p_more: '更多', p_all: '全部', p_noUse: '该时段没有用量数据', p_noReadings: '该时段没有读数', p_noDb: '历史数据暂时读不到：{0}', p_gateway: '网关', p_listed: '在设备清单中', p_yes: '是', p_no: '否',
  p_role_leader: '领导', p_role_clerk: '经办人', p_role_operator: '运维', p_role_vendor: '厂商', p_role_department: '部门', p_frame: '时段', p_ever: '累计', p_days1: '近24小时', p_days7: '近7天', p_days30: '近30天', p_days92: '近92天', p_since: '自 {0} 起', p_received: '收到', p_rejected: '拒绝', p_refused: '读数拒绝', p_missing: '没有找到：{0}', p_none: '没有',
});
Object.assign(texts.en, {
  p_login: 'Log in', p_logout: 'Log out', p_user: 'User', p_password: 'Password', p_enter: 'Log in', p_loginNote: 'Log in to see more.', p_wrong: 'Name or password is wrong', p_wait: 'Too many attempts: wait {0} s', p_back: 'Back to the overview', p_open: 'Open the page of {0}',
  p_map: 'Where communities are', p_noPlace: 'Without coordinates: {0}', p_north: 'N', p_compounds: 'Compounds', p_facilities: 'Facilities and quality of data', p_devices: 'Devices', p_use: 'Use', p_readings: 'Readings', p_latest: 'Latest readings', p_alarms: 'Open alarms', p_savings: 'Energy and water saved', p_rejects: 'Messages refused last',
  p_town: 'Town', p_pilot: 'Pilot', p_households: 'Households', p_population: 'Population', p_stage: 'Stage', p_contact: 'Contact', p_renovated: 'Renovated', p_online: 'Online', p_offline: 'Offline', p_never: 'Never heard of', p_coverage: 'Data of the last 30 days', p_kind: 'Facility',
  p_day: 'Day', p_week: 'Week', p_month: 'Month', p_this_quarter: 'This quarter', p_last_quarter: 'Last quarter', p_year: 'Year', p_october: 'Summary (to September)', p_last: 'What the vendor sent last', p_lastAsk: 'Show', p_lastAs: '{0} · {1} bytes', p_lastCut: 'the first {0} bytes alone', p_lastErased: 'erased on request', p_now: 'now', p_then_before: 'before', p_then_year: 'a year before', p_sum: 'Sum {0} {1}', p_sumThen: '{0} {1} {2}', p_change: '{0} %', p_lastOpen: 'The last step is not over', p_lastHour: 'The last step is not over, and the running hour counts once it is', p_covered: '{0} meter hours with data',
  p_electricity: 'Electricity', p_water: 'Water', p_quantity: 'Quantity', p_value: 'Value', p_time: 'Time', p_channel: 'Channel', p_more: 'More', p_all: 'All', p_noUse: 'No use is known for this time', p_noReadings: 'No readings of this time', p_noDb: 'History cannot be read: {0}', p_gateway: 'Gateway', p_listed: 'In the list of devices', p_yes: 'yes', p_no: 'no',
  p_role_leader: 'leader', p_role_clerk: 'clerk', p_role_operator: 'operator', p_role_vendor: 'vendor', p_role_department: 'department', p_frame: 'Time', p_ever: 'In all', p_days1: 'Last 24 hours', p_days7: 'Last 7 days', p_days30: 'Last 30 days', p_days92: 'Last 92 days', p_since: 'since {0}', p_received: 'Received', p_rejected: 'Rejected', p_refused: 'Readings refused', p_missing: 'Not found: {0}', p_none: 'none',
});

const place = { who: null, view: '', id: '', community: '', detail: null, error: '', period: 'month', use: {}, readings: null, quantity: '', devices: [], next: '', facility: '', charts: [], turn: 0, places: [], drawn: '' };

// periods say how a time is asked for: its steps, how many of them, and with what it is compared.
const periods = {
  day: { step: 'hour', days: 1, compare: 'before', readings: '10m' }, week: { step: 'day', days: 6, compare: 'before', readings: '1h' }, month: { step: 'day', days: 30, compare: 'year', readings: '2h' },
  this_quarter: { step: 'week', span: () => [quarterDay(0)], compare: 'year', readings: '6h' }, last_quarter: { step: 'week', span: () => [quarterDay(-1), quarterDay(0, -1)], compare: 'year', readings: '6h' }, year: { step: 'month', days: 365, compare: 'year', readings: '24h' },
  // What the towns sum up in October: the year to the end of September.
  october: { step: 'month', span: () => { const [year, month] = dayOf(0).split('-').map(Number); return month >= 10 ? [`${year - 1}-10-01`, `${year}-09-30`] : [`${year - 1}-10-01`]; }, compare: 'year', readings: '24h' },
};
// quarterDay is the first day of a calendar quarter, counted from the running one, and days from there.
const quarterDay = (quarters, days = 0) => { const [year, month] = dayOf(0).split('-').map(Number); return new Date(Date.UTC(year, 3 * (Math.floor((month - 1) / 3) + quarters), 1 + days)).toISOString().slice(0, 10); };
const spanOf = (p) => { const [from, to] = p.span ? p.span() : [dayOf(p.days)]; return `from=${from}` + (to ? `&to=${to}` : ''); };
const isOver = (p) => Boolean(p.span?.()[1]);

const toDevice = (id, community, text) => el('a', { class: 'link', href: `#device/${encodeURIComponent(id)}/${encodeURIComponent(community)}` }, text ?? id);
const toCommunity = (id, text) => el('a', { class: 'link', href: `#community/${encodeURIComponent(id)}` }, text ?? communityName(id));
const sheet = (path) => el('a', { class: 'link sheet', href: `api/v1/${path}${path.includes('?') ? '&' : '?'}format=xlsx&lang=${lang}`, download: '' }, 'Excel');
const dayOf = (ago) => new Date(Date.parse(data?.as_of ?? new Date()) - ago * 864e5).toLocaleDateString('sv-SE', { timeZone: data?.time_zone });

async function get(path) {
  const r = await fetch('api/v1/' + path, { signal: AbortSignal.timeout(30000) });
  const v = await r.json();
  if (!r.ok) throw new Error(v.title ?? r.statusText);
  return [v, r.headers.get('Link')?.match(/<[^>]*[?&]cursor=([^&>]*)/)?.[1] ?? ''];
}

// whoAmI asks who looks, and shows the login where nobody may.
async function whoAmI() {
  try { [place.who] = await get('session'); } catch { return; }
  const may = place.who.may.includes('read');
  document.body.dataset.role = place.who.role;
  $('login').hidden = may || !place.who.login;
  $('main').hidden = !may || place.view !== '';
  $('who').hidden = !place.who.login || !place.who.name;
  placeTexts();
}

async function login(e) {
  e.preventDefault();
  const said = { name: $('login-name').value, password: $('login-password').value };
  try {
    const r = await fetch('api/v1/session', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(said) });
    if (r.ok) { location.reload(); return; }
    say($('login-said'), r.status === 401 ? t('p_wrong') : r.status === 429 ? t('p_wait', r.headers.get('Retry-After')) : (await r.json()).title);
  } catch (err) { say($('login-said'), String(err)); }
  $('login-password').value = '';
}

async function logout() {
  try { await fetch('api/v1/session', { method: 'DELETE' }); } finally { location.reload(); }
}

function placeTexts() {
  const w = place.who;
  say($('who-name'), w?.name ? `${w.title} · ${named('p_role', w.role)}` : '');
}

function route() {
  const [view, id, where] = location.hash.slice(1).split('/').map(decodeURIComponent);
  const known = (view === 'community' || view === 'device') && id;
  Object.assign(place, { view: known ? view : '', id: known ? id : '', community: where ?? '', detail: null, error: '', use: {}, readings: null, quantity: '', devices: [], next: '', facility: '', drawn: '' });
  $('place').hidden = !known;
  $('main').hidden = Boolean(known) || Boolean(place.who && !place.who.may.includes('read'));
  if (!known) return;
  say($('place-last-as'), '');
  $('place-last-text').hidden = true;
  scrollTo(0, 0);
  placeShow();
  placeAsk();
}

async function placeAsk() {
  const mine = ++place.turn;
  const of = place.view === 'community' ? `communities/${encodeURIComponent(place.id)}` : `devices/${encodeURIComponent(place.id)}?community=${encodeURIComponent(place.community)}`;
  try {
    const [detail] = await get(of);
    if (mine !== place.turn) return;
    place.detail = detail;
    if (place.view === 'device') place.quantity ||= (detail.latest.find((q) => q.kind === 'register') ?? detail.latest[0])?.quantity ?? '';
  } catch (err) { if (mine === place.turn) { place.error = err.message; placeShow(); } return; }
  placeShow();
  if (place.view === 'community') devicesAsk(true);
  historyAsk();
}

async function devicesAsk(anew) {
  const mine = place.turn;
  if (anew) Object.assign(place, { devices: [], next: '' });
  try {
    const [list, next] = await get(`devices?limit=50&community=${encodeURIComponent(place.id)}&facility=${place.facility}&cursor=${place.next}`);
    if (mine !== place.turn) return;
    place.devices = anew ? list : place.devices.concat(list);
    place.next = next;
  } catch { /* said by what else is asked */ }
  placeShow();
}

async function historyAsk() {
  const mine = place.turn;
  const p = periods[place.period];
  const span = spanOf(p);
  const what = place.view === 'community' ? `community=${encodeURIComponent(place.id)}` : `by=device&device=${encodeURIComponent(place.id)}&community=${encodeURIComponent(place.detail.community)}`;
  place.use = {}; place.readings = null; place.drawn = '';
  try {
    const [rows] = await get(`use?step=${p.step}&compare=${p.compare}&${span}&limit=5000&${what}`);
    if (mine !== place.turn) return;
    for (const r of rows) {
      const of = (place.use[r.resource] ??= { unit: r.unit, steps: new Map(), covered: 0 });
      const s = of.steps.get(r.time) ?? { used: 0, before: null };
      s.used += r.used;
      if (r.used_before != null) s.before = (s.before ?? 0) + r.used_before;
      of.covered += r.covered;
      of.steps.set(r.time, s);
    }
    if (place.view === 'device' && place.quantity) {
      const [list] = await get(`readings?device=${encodeURIComponent(place.id)}&community=${encodeURIComponent(place.detail.community)}&${span}&quantity=${place.quantity}&step=${p.readings}&limit=1000`);
      if (mine !== place.turn) return;
      place.readings = list;
    }
    place.failed = '';
  } catch (err) { place.failed = err.message; }
  placeShow();
}

const fact = (title, value) => (value === '' || value == null ? null : el('div', {}, el('dt', {}, title), el('dd', {}, value)));

function placeShow() {
  if (!place.view) return;
  const d = place.detail;
  document.title = `${d?.name || place.id} · ${t('title')}`;
  say($('place-h'), d ? d.name || d.id : place.id);
  say($('place-error'), place.error ? t('p_missing', place.error) : place.failed ? t('p_noDb', place.failed) : '');
  for (const s of document.querySelectorAll('#place section')) s.hidden = !d;
  if (!d) { fill($('place-facts'), []); fill($('place-links'), [el('a', { class: 'link', href: '#' }, '← ' + t('p_back'))]); return; }
  const isCommunity = place.view === 'community';
  for (const s of document.querySelectorAll('#place [data-view]')) s.hidden = s.dataset.view !== place.view;
  const board = isCommunity ? `gc-community${lang === 'en' ? '-en' : ''}?var-community=${encodeURIComponent(d.id)}` : `gc-device-${encodeURIComponent(d.facility)}${lang === 'en' ? '-en' : ''}?var-community=${encodeURIComponent(d.community)}&var-device=${encodeURIComponent(d.id)}`;
  const grafana = data?.system.grafana ? el('a', { class: 'link', href: `${data.system.grafana.replace(/\/$/, '')}/d/${board}` }, 'Grafana') : null;
  fill($('place-links'), [el('a', { class: 'link', href: '#' }, '← ' + t('p_back')), ...(isCommunity ? [] : [toCommunity(d.community, d.community_name)]), ...(grafana ? [grafana] : [])]);
  const c = community(isCommunity ? d.id : d.community);
  $('place-facts').replaceChildren(...(isCommunity ? [
    fact(t('state'), c && document.body.dataset.role !== 'vendor' ? el('span', { class: 'state ' + c.state }, named('state', c.state)) : null), fact(t('p_stage'), named('stage', d.stage)), fact(t('p_town'), d.town), fact(t('p_pilot'), d.pilot ? t('p_yes') : t('p_no')),
    fact(t('p_households'), d.households ? number(d.households) : ''), fact(t('p_population'), d.population ? number(d.population) : ''), fact(t('p_contact'), contact(d.id)),
  ] : [
    fact(t('state'), el('span', { class: 'state ' + { online: 'ok', offline: 'warning', never: 'silent' }[d.state] }, t('p_' + d.state))), fact('ID', d.id), fact(t('facility'), facilityName(d.facility, d.facility_name)), fact(t('name'), d.community_name), fact(t('p_compounds'), d.compound_name),
    fact(t('vendor'), d.vendor_name), fact(t('p_gateway'), d.gateway), fact(t('p_listed'), d.listed ? t('p_yes') : t('p_no')), fact(t('last'), d.last_reading ? clock(d.last_reading) : t('none')),
  ]).filter(Boolean));
  if (isCommunity) communityTables(d); else deviceTables(d);
  const mine = (data?.alarms ?? []).filter((a) => (isCommunity ? a.community === d.id : a.device === d.id && a.community === d.community));
  fill($('place-alarms'), mine.length ? mine.map((a) => el('li', { class: a.severity }, el('time', { datetime: a.since, title: clock(a.since) }, t('since', age(Date.parse(a.since)))), el('span', { class: 'state' }, named('state', a.severity)), ' ', el('b', {}, a.title[lang]), ...(isCommunity ? [' · ', toDevice(a.device, a.community, a.name || a.device)] : []), el('p', {}, a.why[lang]))) : [el('li', {}, t('noAlarms'))]);
  historyShow();
}

const contact = (id) => (typeof book === 'undefined' ? '' : book.data?.communities?.find((c) => c.id === id)?.contact ?? '');

function communityTables(d) {
  table('place-compounds', [
    { title: t('p_compounds'), cell: (k) => k.name || k.id }, { title: t('p_households'), number: true, cell: (k) => (k.households ? number(k.households) : t('none')) }, { title: t('p_renovated'), number: true, cell: (k) => k.renovated || '' },
  ], d.compounds, t('p_none'));
  table('place-facilities', [
    { title: t('p_kind'), cell: (f) => facilityName(f.kind, f.name) }, { title: t('p_online'), number: true, cell: (f) => number(f.online) }, { title: t('p_offline'), number: true, cell: (f) => number(f.offline) }, { title: t('p_never'), number: true, cell: (f) => number(f.never) },
    { title: t('p_coverage'), number: true, cell: (f) => percent(f.coverage) },
  ], d.facilities, t('p_none'));
  table('place-savings', [
    { title: t('facility'), cell: (s) => named('facility', s.facility) }, { title: t('period'), cell: (s) => named('period', s.period) + (s.status === 'no_baseline' ? '' : ` (${t(s.status)})`) },
    { title: t('saving'), number: true, cell: (s) => (s.saving == null ? t('none') : `${number(s.saving)} ± ${number(s.uncertainty)} ${unit(s.unit)}`) },
    { title: t('verdict'), cell: (s) => el('span', { class: s.status === 'no_baseline' || !s.significant || thin(s) ? 'none' : 'state ' + (s.saving > 0 ? 'ok' : 'warning') }, s.status === 'no_baseline' ? t('no_baseline') : verdict(s)) },
    { title: t('coverage'), number: true, cell: (s) => percent(s.coverage) },
  ], d.savings, t('noSavings'));
  const kinds = $('place-facility');
  fill(kinds, [el('option', { value: '' }, t('p_all')), ...d.facilities.map((f) => el('option', { value: f.kind }, facilityName(f.kind, f.name)))]);
  kinds.value = place.facility;
  table('place-devices', [
    { title: t('device'), cell: (x) => toDevice(x.id, x.community, x.name || x.id) }, { title: 'ID', cell: (x) => (x.name && x.name !== x.id ? x.id : '') }, { title: t('facility'), cell: (x) => named('facility', x.facility) },
    { title: t('p_compounds'), cell: (x) => d.compounds.find((k) => k.id === x.compound)?.name ?? x.compound }, { title: t('vendor'), cell: (x) => vendorName(x.vendor) }, { title: t('last'), number: true, cell: (x) => (x.last_reading_ms ? t('before', age(x.last_reading_ms)) : t('none')) },
  ], place.devices, t('noDevices'));
  $('place-more').hidden = !place.next;
  fill($('place-devices-sheet'), [sheet(`devices?limit=1000&community=${encodeURIComponent(d.id)}&facility=${place.facility}`)]);
  fill($('place-savings-sheet'), [sheet(`savings?community=${encodeURIComponent(d.id)}`)]);
}

const shown = (q, v) => (q.unit === '0/1' ? (v ? t('p_yes') : t('p_no')) : q.unit === 'ratio' ? `${number(100 * v, 1)} %` : `${number(v, Math.abs(v) < 1 ? 4 : Math.abs(v) < 1000 ? 2 : 1)} ${q.unit === '1' || q.unit === 'count' ? '' : q.unit === 'Cel' ? '°C' : unit(q.unit)}`);

function deviceTables(d) {
  table('place-latest', [
    { title: t('p_quantity'), cell: (q) => el('button', { type: 'button', class: 'link', 'aria-pressed': String(q.quantity === place.quantity), on: () => { place.quantity = q.quantity; historyAsk(); placeShow(); } }, q.name[lang] || q.quantity) },
    { title: t('p_channel'), cell: (q) => q.channel }, { title: t('p_value'), number: true, cell: (q) => shown(q, q.value) }, { title: t('p_time'), number: true, cell: (q) => clock(q.time) },
  ], d.latest, t('p_noReadings'));
  $('place-last').hidden = !['operator', 'vendor'].includes(place.who?.role);
  const refused = (data?.rejects ?? []).filter((r) => r.topic.includes(d.id));
  fill($('place-rejects'), refused.length ? refused.map((r) => el('li', {}, el('time', { datetime: r.time }, clock(r.time)), el('b', {}, reason(r.reason)), ` · ${r.topic}`, el('p', { lang: 'en' }, r.detail))) : [el('li', {}, t('noRejects'))]);
}

// The last message is asked for when somebody wants it: it is read from the journal.
$('place-last-ask').addEventListener('click', async () => {
  const mine = place.turn;
  let as, text = '';
  try {
    const [m] = await get(`devices/${encodeURIComponent(place.id)}/last?community=${encodeURIComponent(place.community)}`);
    as = [clock(m.received), m.topic, t('p_lastAs', `QoS ${m.qos}`, number(m.bytes)), m.shown < m.bytes && t('p_lastCut', number(m.shown)), m.erased && t('p_lastErased')].filter(Boolean).join(' · ');
    text = m.payload;
  } catch (err) { as = t('p_missing', err.message); }
  if (mine !== place.turn) return;
  say($('place-last-as'), as);
  $('place-last-text').textContent = text;
  $('place-last-text').hidden = !text;
});

// historyShow draws use, and of a device what it reported. It is drawn anew when something of it has changed.
function historyShow() {
  for (const b of document.querySelectorAll('#place-periods button')) { b.setAttribute('aria-pressed', String(b.dataset.period === place.period)); say(b, t('p_' + b.dataset.period)); }
  const p = periods[place.period];
  const what = place.view === 'community' ? `community=${encodeURIComponent(place.id)}` : `by=device&device=${encodeURIComponent(place.id)}&community=${encodeURIComponent(place.community)}`;
  fill($('place-use-sheet'), [sheet(`use?step=${p.step}&compare=${p.compare}&${spanOf(p)}&limit=5000&${what}`)]);
  const key = [lang, place.period, place.id, place.quantity, innerWidth, Object.keys(place.use).join(), place.readings?.length, matchMedia('(prefers-color-scheme: dark)').matches].join('|');
  if (key === place.drawn) return;
  place.drawn = key;
  for (const c of place.charts) c.destroy();
  place.charts = [];
  const boxes = ['electricity', 'water'].filter((r) => place.use[r]).map((r) => useChart(r, place.use[r], p));
  $('place-use').replaceChildren(...(boxes.length ? boxes : [el('p', { class: 'none' }, t('p_noUse'))]));
  if (place.view === 'device') $('place-readings').replaceChildren(readingsChart(p));
  for (const draw of place.drawing.splice(0)) draw();
}
place.drawing = [];

const paint = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
// axes name their ticks on the site's clock, in the words of the language: of a chart by days its days.
const ticks = (step) => (_, list) => list.map((s) => local(1000 * s, step === 'hour' ? { hour: '2-digit', minute: '2-digit' } : step === 'month' ? { year: 'numeric', month: '2-digit' } : { month: '2-digit', day: '2-digit' }));
const facilityName = (kind, name) => texts[lang]['facility_' + kind] ?? name[lang];
const zoned = (s) => { try { return uPlot.tzDate(new Date(s * 1000), data.time_zone); } catch { return new Date(s * 1000); } };

function useChart(resource, use, p) {
  const times = [...use.steps.keys()].sort();
  const at = times.map((x) => Date.parse(x) / 1000);
  const now = times.map((x) => use.steps.get(x).used);
  const then = times.map((x) => use.steps.get(x).before);
  const sum = (list) => list.reduce((v, x) => v + (x ?? 0), 0);
  const digits = sum(now) < 100 ? 2 : 0;
  const both = times.filter((x) => use.steps.get(x).before != null);
  const change = both.length ? sum(both.map((x) => use.steps.get(x).used)) / sum(both.map((x) => use.steps.get(x).before)) - 1 : null;
  const text = t('p_sum', number(sum(now), digits), unit(use.unit)) + (both.length ? ` · ${t('p_sumThen', t('p_then_' + p.compare), number(sum(then), digits), unit(use.unit))}` + (Number.isFinite(change) ? ` · ${change > 0 ? '+' : ''}${t('p_change', (100 * change).toFixed(1))}` : '') : '');
  const box = el('div', { class: 'chart', 'data-use': resource, role: 'img', 'aria-label': `${t('p_' + resource)} · ${text}` }, el('h3', {}, `${t('p_' + resource)} (${unit(use.unit)})`, el('small', {}, text)));
  place.drawing.push(() => {
    const axis = { stroke: paint('--dim'), grid: { stroke: paint('--grid'), width: 1 }, ticks: { show: false }, font: '12px system-ui' };
    const width = at.length > 1 ? Math.min(...at.slice(1).map((x, i) => x - at[i])) : 86400;
    place.charts.push(new uPlot({
      width: Math.max(200, box.clientWidth), height: 190, legend: { show: false }, cursor: { show: false }, tzDate: zoned,
      scales: { x: { range: () => [at[0] - width / 2, at[at.length - 1] + width / 2] }, y: { range: (_, __, high) => [0, high > 0 ? high * 1.05 : 1] } },
      axes: [{ ...axis, size: 30, values: ticks(p.step), splits: (u) => at.filter((_, i) => i % Math.ceil((at.length * 64) / Math.max(64, u.width - 60)) === 0) }, { ...axis, size: 54, space: 30 }],
      series: [{}, { fill: paint('--accent'), stroke: paint('--accent'), width: 0, paths: uPlot.paths.bars({ size: [0.7, 60] }), points: { show: false } }, { stroke: paint('--warning'), width: 2, dash: [5, 4], points: { show: true, size: 5, fill: paint('--warning') } }],
    }, [at, now, then], box));
    box.append(el('p', { class: 'key' }, el('span', { class: 'bars' }, t('p_now')), ...(both.length ? [el('span', { class: 'dashes' }, t('p_then_' + p.compare))] : []), t('p_covered', number(use.covered)), ...(isOver(p) ? [] : [' · ', t(place.view === 'device' ? 'p_lastHour' : 'p_lastOpen')])));
  });
  return box;
}

function readingsChart(p) {
  const q = place.detail.latest.find((x) => x.quantity === place.quantity);
  const rows = place.readings ?? [];
  if (!q || !rows.length) return el('p', { class: 'none' }, t('p_noReadings'));
  const channels = [...new Set(rows.map((r) => r.channel))].sort();
  const at = [...new Set(rows.map((r) => Date.parse(r.time) / 1000))].sort((a, b) => a - b);
  const scale = q.unit === 'ratio' ? 100 : 1;
  const lines = channels.map((c) => { const of = new Map(rows.filter((r) => r.channel === c).map((r) => [Date.parse(r.time) / 1000, r.value * scale])); return at.map((x) => of.get(x) ?? null); });
  const name = `${q.name[lang] || q.quantity}${q.unit === '0/1' || q.unit === '1' ? '' : ` (${q.unit === 'ratio' ? '%' : unit(q.unit)})`}`;
  const box = el('div', { class: 'chart', 'data-readings': q.quantity, role: 'img', 'aria-label': `${name} · ${shown(q, q.value)}` }, el('h3', {}, name, el('small', {}, t('latest', shown(q, q.value)))));
  place.drawing.push(() => {
    const axis = { stroke: paint('--dim'), grid: { stroke: paint('--grid'), width: 1 }, ticks: { show: false }, font: '12px system-ui' };
    const colours = ['--accent', '--warning', '--critical', '--silent'];
    place.charts.push(new uPlot({
      width: Math.max(200, box.clientWidth), height: 190, legend: { show: false }, cursor: { show: false }, tzDate: zoned, axes: [{ ...axis, size: 30, space: 80, ...(p.days < 2 ? {} : { incrs: [1, 2, 7, 14, 30, 61].map((n) => n * 86400) }), values: (_, list) => list.map((x) => local(1000 * x, p.days < 2 ? { hour: '2-digit', minute: '2-digit' } : { month: '2-digit', day: '2-digit' })) }, { ...axis, size: 54, space: 30 }],
      series: [{}, ...channels.map((_, i) => ({ stroke: paint(colours[i % colours.length]), width: 1.5, points: { show: at.length < 3 } }))],
    }, [at, ...lines], box));
    if (channels.length > 1) box.append(el('p', { class: 'key' }, channels.map((c) => c || '–').join(' · ')));
  });
  return box;
}

// map draws the communities where they are, without any tiles: north is up, and a degree
// east is as long as it is there.
function map() {
  const known = place.places.filter((c) => c.lat != null);
  $('map-s').hidden = !known.length;
  if (!known.length) return;
  const svg = (tag, a, ...children) => { const e = document.createElementNS('http://www.w3.org/2000/svg', tag); for (const k in a) if (a[k] != null) e.setAttribute(k, a[k]); e.append(...children); return e; };
  const lats = known.map((c) => c.lat);
  const shrink = Math.cos(((Math.min(...lats) + Math.max(...lats)) / 2) * Math.PI / 180);
  const xs = known.map((c) => c.lon * shrink);
  const span = Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...lats) - Math.min(...lats), 0.01);
  const [width, height] = [Math.max(320, Math.min(720, $('map').clientWidth || 720)), 360]; // names stay legible on a phone
  const scale = Math.min((width - 160) / Math.max(Math.max(...xs) - Math.min(...xs), span / 4), (height - 70) / Math.max(Math.max(...lats) - Math.min(...lats), span / 4));
  const mid = [(Math.min(...xs) + Math.max(...xs)) / 2, (Math.min(...lats) + Math.max(...lats)) / 2];
  const taken = [];
  const picture = svg('svg', { viewBox: `0 0 ${width} ${height}`, class: 'map', role: 'group', 'aria-label': t('p_map') });
  for (const c of known) {
    const [x, y] = [width / 2 + (c.lon * shrink - mid[0]) * scale, height / 2 - (c.lat - mid[1]) * scale];
    const state = community(c.id)?.state ?? 'silent';
    const free = [[12, 5, 'start'], [-12, 5, 'end'], [0, -12, 'middle'], [0, 24, 'middle']].find(([dx, dy, anchor]) => {
      const long = 15 * c.name.length;
      const left = x + dx - (anchor === 'end' ? long : anchor === 'middle' ? long / 2 : 0);
      const box = [left, y + dy - 13, left + long, y + dy + 3];
      if (taken.some((b) => box[0] < b[2] && b[0] < box[2] && box[1] < b[3] && b[1] < box[3])) return false;
      taken.push(box);
      return true;
    });
    picture.append(svg('a', { href: '#community/' + encodeURIComponent(c.id), class: 'state ' + state, 'aria-label': `${c.name} · ${named('state', state)}` }, svg('title', {}, `${c.name} · ${named('state', state)}`),
      svg('circle', { cx: x.toFixed(1), cy: y.toFixed(1), r: known.length > 60 ? 6 : 9 }), ...(free ? [svg('text', { x: (x + free[0]).toFixed(1), y: (y + free[1]).toFixed(1), 'text-anchor': free[2] }, c.name)] : [])));
  }
  picture.append(svg('path', { class: 'north', d: `M ${width - 20} 14 l 6 18 l -6 -5 l -6 5 z` }), svg('text', { class: 'north', x: width - 20, y: 48, 'text-anchor': 'middle' }, t('p_north')));
  fill($('map'), [picture]);
  const without = place.places.filter((c) => c.lat == null).map((c) => c.name);
  say($('map-note'), without.length ? t('p_noPlace', without.slice(0, 20).join(lang === 'zh' ? '、' : ', ') + (without.length > 20 ? ' …' : '')) : '');
}

// vendorsAsk asks what vendors did in the time that is chosen.
async function vendorsAsk() {
  const days = $('vendors-days').value;
  let rows = null;
  if (days) {
    try { [rows] = await get('vendors?days=' + days); } catch { return; }
    if ($('vendors-days').value !== days) return;
    rows = rows.map((v) => ({ ...v, id: v.vendor, reasons: v.reasons ? v.reasons.split(', ').map((r) => ({ reason: r.split(' ')[0], count: Number(r.split(' ')[1]) })) : [] }));
  }
  vendorFrame = rows;
  say($('vendors-since'), rows?.[0]?.since ? t('p_since', clock(rows[0].since)) : '');
  if (data) vendors();
}

async function placesAsk() {
  try { [place.places] = await get('communities'); map(); } catch { /* there is no map then */ }
}

document.addEventListener('shown', () => {
  placeTexts();
  map();
  placeShow();
  const of = chosen ? '&community=' + encodeURIComponent(chosen) : '';
  for (const [id, path] of [['communities', 'communities'], ['savings', 'savings?resource=' + of], ['devices', 'devices?limit=1000' + of], ['vendors', 'vendors' + ($('vendors-days').value ? '?days=' + $('vendors-days').value : '')]]) fill($(id + '-sheet'), [sheet(path)]);
});
addEventListener('hashchange', route);
addEventListener('resize', () => { if (place.view) setTimeout(placeShow, 300); });
for (const b of document.querySelectorAll('#place-periods button')) b.addEventListener('click', () => { place.period = b.dataset.period; placeShow(); historyAsk(); });
$('place-facility').addEventListener('change', () => { place.facility = $('place-facility').value; devicesAsk(true); });
$('vendors-days').addEventListener('change', vendorsAsk);
setInterval(() => { if (vendorFrame && connected && !document.hidden) vendorsAsk(); }, 60000);
$('place-more').addEventListener('click', () => devicesAsk(false));
$('login').addEventListener('submit', login);
$('logout').addEventListener('click', logout);
render();
whoAmI().then(route);
placesAsk();
setInterval(placesAsk, 60000);
setInterval(() => { if (place.view && connected && !document.hidden) placeAsk(); }, 60000);
