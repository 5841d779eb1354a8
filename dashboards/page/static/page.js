'use strict';

// Texts in both languages. A key that ends in a name of the service's
// (state_ok, facility_water) is looked up by that name.
const texts = {
  zh: {
    title: '绿色社区 · 运行总览', skip: '跳到内容', now: '当前', communities: '社区', alarms: '未恢复告警', trends: '近24小时', savings: '节能节水', language: '语言',
    'savings-note': '节约量 = 调整后基准 − 实际用量，只计两者都有数据的时段。“无法与零区分”表示区间包含零，不能认定有节约。',
    vendors: '厂商', rejects: '最近被拒绝的消息', devices: '设备', search: '查找设备', filter: '筛选', troubled: '只看有问题的', community: '社区', all: '全部社区',
    online: '在线设备', power: '照明功率', lit: '亮灯', water: '今日用水', full: '满溢垃圾桶', open: '开启的门', passes: '今日通行', pending: '未恢复告警', programme: '达标社区',
    saved_electricity: '节电', saved_water: '节水', accepted: '消息接收率', refusedMessages: '拒绝 {0} 条', target: '/ {0} · 目标 60 %', joined: '参与 {0}',
    name: '社区', state: '状态', offline: '离线', alarm: '告警', perHousehold: '户均今日用水 (L)', perLamp: '每灯功率 (W)', fill: '桶满度', last: '最后数据', electricityShare: '节电 (%)', waterShare: '节水 (%)',
    vendor: '厂商', received: '收到（累计）', rejected: '拒绝（累计）', refused: '读数拒绝（累计）', whole: '全县', county: '以下为全县的，不只是所选社区', thin: '覆盖率低', 'zone_Asia/Shanghai': '北京时间', reasons: '原因', unmatched: '（无匹配来源）',
    device: '设备', facility: '设施', period: '时段', baseline: '基准', actual: '实际', saving: '节约', band: '90% 区间', coverage: '覆盖率', verdict: '结论',
    significant_saved: '有节约', significant_used: '用量增加', vague: '无法与零区分', no_baseline: '无基准，不计节约', noBaseline: '无基准', provisional: '暂定', final: '定稿',
    state_ok: '正常', state_warning: '一般', state_critical: '紧急', state_info: '提示', state_silent: '无数据', stage_: '未参与', stage_participating: '参与', stage_met: '达标', stage_named: '命名', stageOf: '创建阶段',
    facility_lighting: '照明', facility_water: '用水', facility_waste: '垃圾分类', facility_gate: '门禁', facility_all: '全部',
    period_quarter: '本季度', period_previous_quarter: '上季度', period_since_start: '有记录以来',
    unit_lighting: 'W', unit_water: 'm³/h', unit_waste: '满度 %', unit_gate: '人次/10分钟', latest: '最近 {0}',
    none: '无数据', noAlarms: '没有未恢复的告警', noRejects: '没有被拒绝的消息', noDevices: '没有找到设备', noCommunities: '没有符合条件的社区', noSavings: '尚未配置基准：只显示用量，不计节约', noVendors: '尚无厂商',
    live: '实时', asOf: '数据截至 {0}（{1}）', lost: '连接中断，显示的是此前的数据', notReady: '接入未就绪：{0}', loading: '正在载入…', more: '共 {0} 条，此处为最严重的 {1} 条',
    account: '收到 {0} = 已存 {1} + 重复 {2} + 拒绝 {3} + 忽略 {4} + 待定 {5}（条消息）', critical: '紧急', warning: '一般', since: '已 {0}', before: '{0}前', day: '天', hour: '小时', minute: '分钟', of: ' / {0}',
    'why_the journal is being walked': '正在读回日志', 'why_the journal takes no messages': '日志无法写入（磁盘已满或出错）', 'why_not connected to the broker': '未连接消息服务器', 'why_InfluxDB cannot be written to': 'InfluxDB写不进，报文在日志中等待',
    reason_unknown_topic: '主题未登记', reason_malformed: '格式错误', reason_checksum: '校验和错误', reason_too_large: '超出大小限制', reason_no_reading: '没有可识别的读数', reason_unknown_device: '设备未登记',
    reason_unknown_community: '社区未登记', reason_unknown_facility: '设施种类未声明', reason_not_owner: '属于其他厂商', reason_bad_identifier: '名称不合规', reason_bad_value: '不是数值', reason_bad_unit: '单位无法换算',
    reason_out_of_range: '超出可能范围', reason_codec_failed: '解码脚本出错', reason_missing_state: '缺少前置消息', reason_too_many_devices: '未登记设备过多', reason_too_many_channels: '通道名过多', reason_too_many_types: '事件类型过多', reason_refused_by_influxdb: '数据库拒绝', reason_lost: '日志损坏丢失', reason_erased: '已按要求删除', reason_internal: '系统缺陷',
  },
  en: {
    title: 'Green communities · overview', skip: 'Skip to content', now: 'Now', communities: 'Communities', alarms: 'Open alarms', trends: 'Last 24 hours', savings: 'Energy and water saved', language: 'Language',
    'savings-note': 'A saving is the adjusted baseline less the actual use, over the time both are known for. “Not distinguishable from zero” means that the band holds zero: no saving is claimed.',
    vendors: 'Vendors', rejects: 'Messages refused last', devices: 'Devices', search: 'Find a device', filter: 'Filter', troubled: 'With problems only', community: 'Community', all: 'All communities',
    online: 'Devices online', power: 'Lighting power', lit: 'Lamps lit', water: 'Water today', full: 'Bins overfull', open: 'Gates open', passes: 'Passes today', pending: 'Open alarms', programme: 'Communities that met it',
    saved_electricity: 'Energy saved', saved_water: 'Water saved', accepted: 'Messages accepted', refusedMessages: '{0} refused', target: 'of {0} · target 60 %', joined: '{0} take part',
    name: 'Community', state: 'State', offline: 'Offline', alarm: 'Alarms', perHousehold: 'Water today, L a household', perLamp: 'Power per lamp (W)', fill: 'Bin fill', last: 'Last data', electricityShare: 'Energy saved (%)', waterShare: 'Water saved (%)',
    vendor: 'Vendor', received: 'Received, in all', rejected: 'Rejected, in all', refused: 'Readings refused, in all', whole: 'whole county', county: 'Of the whole county, not of the community chosen', thin: 'little coverage', 'zone_Asia/Shanghai': 'Beijing time', reasons: 'Reasons', unmatched: '(no source matches)',
    device: 'Device', facility: 'Facility', period: 'Period', baseline: 'Baseline', actual: 'Actual', saving: 'Saving', band: '90 % band', coverage: 'Coverage', verdict: 'Verdict',
    significant_saved: 'saved', significant_used: 'more was used', vague: 'not distinguishable from zero', no_baseline: 'no baseline, no saving claimed', noBaseline: 'no baseline', provisional: 'provisional', final: 'final',
    state_ok: 'ok', state_warning: 'warning', state_critical: 'critical', state_info: 'info', state_silent: 'no data', stage_: 'does not take part', stage_participating: 'takes part', stage_met: 'has met it', stage_named: 'named', stageOf: 'Programme',
    facility_lighting: 'Lighting', facility_water: 'Water', facility_waste: 'Waste', facility_gate: 'Gates', facility_all: 'all',
    period_quarter: 'this quarter', period_previous_quarter: 'last quarter', period_since_start: 'since records began',
    unit_lighting: 'W', unit_water: 'm³/h', unit_waste: 'fill, %', unit_gate: 'passes/10 min', latest: 'last {0}',
    none: 'no data', noAlarms: 'No open alarms', noRejects: 'No message was refused', noDevices: 'No device found', noCommunities: 'No community matches', noSavings: 'No baseline is configured: use is shown, no saving claimed', noVendors: 'No vendors yet',
    live: 'Live', asOf: 'data as of {0} ({1})', lost: 'Connection lost: these are the figures before', notReady: 'Not taking in: {0}', loading: 'Loading…', more: 'the {1} worst of {0}',
    account: '{0} received = {1} stored + {2} duplicate + {3} rejected + {4} ignored + {5} pending (messages)', critical: 'critical', warning: 'warning', since: 'for {0}', before: '{0} ago', day: 'd', hour: 'h', minute: 'min', of: ' of {0}',
    reason_unknown_topic: 'topic not listed', reason_malformed: 'malformed', reason_checksum: 'wrong checksum', reason_too_large: 'too large', reason_no_reading: 'no reading in it', reason_unknown_device: 'device not listed',
    reason_unknown_community: 'community not listed', reason_unknown_facility: 'kind of facility not declared', reason_not_owner: 'of another vendor', reason_bad_identifier: 'unusable name', reason_bad_value: 'not a number', reason_bad_unit: 'unit does not convert',
    reason_out_of_range: 'out of range', reason_codec_failed: 'decoder failed', reason_missing_state: 'needs an earlier message', reason_too_many_devices: 'too many unlisted devices', reason_too_many_channels: 'too many names of channels', reason_too_many_types: 'too many types of events', reason_refused_by_influxdb: 'refused by the database', reason_lost: 'lost with the journal', reason_erased: 'erased on request', reason_internal: 'a defect of ours',
  },
};

const $ = (id) => document.getElementById(id);
const asked = new URLSearchParams(location.search);
const kept = { get() { try { return localStorage.getItem('lang'); } catch { return null; } }, set(v) { try { localStorage.setItem('lang', v); } catch { /* a browser that keeps nothing */ } } };
let lang = asked.get('lang') || kept.get() || 'zh';
if (!texts[lang]) lang = 'zh';
let data = null;
let chosen = asked.get('community') || ''; // a community's id; '' for all of them
let order = { key: 'state', down: true };
let connected = false;

const t = (key, ...args) => (texts[lang][key] ?? key).replace(/\{(\d)\}/g, (_, i) => args[i]);
const named = (kind, name) => texts[lang][kind + '_' + name] ?? name;
const locale = () => (lang === 'zh' ? 'zh-CN' : 'en-GB');
const number = (v, digits = 0) => (v == null ? t('none') : v.toLocaleString(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits }));
const percent = (v) => (v == null ? t('none') : (100 * v).toFixed(0) + ' %');
// Days begin at the site, wherever the browser is; a zone it does not know is its own.
function local(time, parts) {
  try { return new Date(time).toLocaleString(locale(), { timeZone: data?.time_zone, hour12: false, ...parts }); } catch { return new Date(time).toLocaleString(locale(), { hour12: false, ...parts }); }
}
const clock = (time) => local(time, { month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' });
const community = (id) => data?.communities.find((c) => c.id === id);
const communityName = (id) => community(id)?.name ?? id;
const vendorName = (id) => data?.vendors.find((v) => v.id === id)?.name || id || t('unmatched');
const reason = (r) => `${named('reason', r)} (${r})`;
const unit = (u) => (u === 'm3' ? 'm³' : u);

// age is how long before the data's time something was: the browser's clock may be wrong.
function age(ms) {
  const minutes = Math.max(0, Math.round((Date.parse(data.as_of) - ms) / 60000));
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

// fill makes nodes the children of a parent and leaves alone those that have
// not changed: a refresh takes neither the keyboard nor a selection away.
function fill(parent, nodes) {
  const stops = () => [...parent.querySelectorAll('a, button')];
  const at = parent.contains(document.activeElement) ? stops().indexOf(document.activeElement) : -1;
  nodes.forEach((node, i) => {
    const old = parent.children[i];
    if (!old) parent.append(node);
    else if (!old.isEqualNode(node)) old.replaceWith(node);
  });
  while (parent.children.length > nodes.length) parent.lastElementChild.remove();
  if (at >= 0 && !parent.contains(document.activeElement)) stops()[at]?.focus({ preventScroll: true });
}

const say = (e, text) => { if (e.textContent !== text) e.textContent = text; };

function table(id, columns, rows, empty, attributes) {
  const head = el('tr', {}, ...columns.map((c) => el('th', { scope: 'col', class: c.number ? 'n' : null, 'aria-sort': c.sort && order.key === c.key ? (order.down ? 'descending' : 'ascending') : null },
    c.sort ? el('button', { type: 'button', on: () => { order = { key: c.key, down: order.key === c.key ? !order.down : true }; render(); } }, c.title) : c.title)));
  const body = rows.map((r) => el('tr', attributes?.(r), ...columns.map((c) => {
    const v = c.cell(r);
    return el('td', { 'data-label': c.title, class: [c.number ? 'n' : '', c.wrap ? 'wrap' : '', v === t('none') ? 'none' : ''].join(' ').trim() || null }, v);
  })));
  if (!rows.length && empty) body.push(el('tr', {}, el('td', { class: 'empty', colspan: columns.length }, empty)));
  if (!$(id).tHead) $(id).append(el('thead'), el('tbody'));
  fill($(id).tHead, rows.length || empty ? [head] : []);
  fill($(id).tBodies[0], body);
}

// combined is what communities together have saved in the quarter, or since the
// start while no day of the quarter counts yet; the bands of independent sites
// add as squares.
function combined(resource, id) {
  const list = data.savings.filter((s) => s.resource === resource && (!id || s.community === id));
  const known = list.filter((s) => s.saving != null);
  const period = ['quarter', 'since_start'].find((p) => known.some((s) => s.period === p));
  const have = known.filter((s) => s.period === period);
  if (!have.length) return list.length ? { none: true } : null;
  const sum = (f) => have.reduce((v, s) => v + f(s), 0);
  const r = { period, saving: sum((s) => s.saving), baseline: sum((s) => s.baseline), uncertainty: Math.sqrt(sum((s) => s.uncertainty ** 2)), unit: have[0].unit, coverage: Math.min(...have.map((s) => s.coverage ?? 1)) };
  r.significant = have.length === 1 ? have[0].significant : Math.abs(r.saving) > r.uncertainty;
  return r;
}

// A verdict of fewer than 80 % of the days is none in the report; here it says so, and is not green.
const thin = (s) => s.coverage != null && s.coverage < 0.8;
const verdict = (s) => t(!s.significant ? 'vague' : s.saving > 0 ? 'significant_saved' : 'significant_used') + (s.significant && thin(s) ? ` · ${t('thin')}` : '');

function tiles() {
  const one = community(chosen);
  const f = one ?? data.total;
  const devices = f.online + f.offline + f.never;
  const tile = (key, to, value, more, state) => el('a', { class: 'tile ' + (state ?? ''), href: '#' + to, 'data-tile': key }, el('span', {}, t(key)), el('b', {}, value), more ? el('small', {}, more) : null);
  const silent = (v) => (v == null ? 'silent' : '');
  const saved = (resource) => {
    const s = combined(resource, chosen);
    const key = 'saved_' + resource;
    if (!s || s.none) return tile(key, 'savings-h', s ? t('noBaseline') : t('none'), '', 'silent');
    return tile(key, 'savings-h', number(s.saving), `± ${number(s.uncertainty)} ${unit(s.unit)} · ${t('period_' + s.period)} · ${verdict(s)}`, !s.significant || thin(s) ? 'silent' : s.saving > 0 ? 'ok' : 'warning');
  };
  const { received, rejected } = data.system;
  // Rounded down: 100 % is all of them.
  const accepted = received ? 1 - rejected / received : null;
  fill($('tiles'), [
    tile('pending', 'alarms-h', number(f.alarms_critical + f.alarms_warning), `${t('critical')} ${f.alarms_critical} · ${t('warning')} ${f.alarms_warning}`, f.alarms_critical ? 'critical' : f.alarms_warning ? 'warning' : devices ? 'ok' : 'silent'),
    tile('online', 'communities-h', devices ? number(f.online) : t('none'), devices ? t('of', number(devices)) : '', !devices ? 'silent' : f.online < 0.8 * devices ? 'critical' : f.online < 0.95 * devices ? 'warning' : 'ok'),
    saved('electricity'), saved('water'),
    one ? tile('stageOf', 'communities-h', named('stage', one.stage), '', one.stage === 'met' || one.stage === 'named' ? 'ok' : '')
      : tile('programme', 'communities-h', number(data.programme.met), `${t('target', data.programme.all)} · ${t('joined', data.programme.participating)}`, data.programme.all && data.programme.met >= 0.6 * data.programme.all ? 'ok' : ''),
    tile('accepted', 'vendors-h', accepted == null ? t('none') : (Math.floor(1e4 * accepted) / 100).toFixed(2) + ' %', received ? t('refusedMessages', number(rejected)) + (one ? ` · ${t('whole')}` : '') : '', accepted == null ? 'silent' : accepted < 0.95 ? 'critical' : accepted < 0.99 ? 'warning' : 'ok'),
    tile('water', 'trends-h', number(f.water_today_m3, 1), f.water_today_m3 == null ? '' : 'm³', silent(f.water_today_m3)),
    tile('power', 'trends-h', f.power_w == null ? t('none') : number(f.power_w / 1000, 2), f.power_w == null ? '' : 'kW', silent(f.power_w)),
    tile('lit', 'trends-h', f.lamps ? number(f.lamps_lit) : t('none'), f.lamps ? t('of', number(f.lamps)) : '', f.lamps ? '' : 'silent'),
    tile('full', 'communities-h', f.bins ? number(f.bins_full) : t('none'), f.bins ? t('of', number(f.bins)) : '', !f.bins ? 'silent' : f.bins_full ? 'warning' : 'ok'),
    tile('passes', 'trends-h', number(f.passes_today), '', silent(f.passes_today)),
    tile('open', 'communities-h', f.gates ? number(f.gates_open) : t('none'), f.gates ? t('of', number(f.gates)) : '', f.gates ? '' : 'silent'),
  ]);
}

const severity = { critical: 3, warning: 2, silent: 1, ok: 0 };
const perHousehold = (c) => (c.water_today_m3 == null || !c.households ? null : (1000 * c.water_today_m3) / c.households);
const perLamp = (c) => (c.power_w == null || !c.lamps ? null : c.power_w / c.lamps);

function communities() {
  const of = {};
  for (const resource of ['electricity', 'water']) of[resource] = Object.fromEntries(data.communities.map((c) => [c.id, combined(resource, c.id)]));
  const share = (c, resource) => { const s = of[resource][c.id]; return s?.baseline ? s.saving / s.baseline : null; };
  const sorts = {
    state: (c) => severity[c.state] * 1e6 + c.alarms_critical * 1e3 + c.alarms_warning, name: (c) => c.name, alarm: (c) => c.alarms_critical * 1e6 + c.alarms_warning,
    online: (c) => (c.online + c.offline + c.never ? c.online / (c.online + c.offline + c.never) : null), electricityShare: (c) => share(c, 'electricity'), waterShare: (c) => share(c, 'water'),
    water: perHousehold, power: perLamp, fill: (c) => c.fill_ratio, last: (c) => c.last_reading_ms,
  };
  const wanted = $('filter').value.trim().toLowerCase();
  const rows = data.communities
    .filter((c) => !wanted || [c.id, c.name, c.town].some((s) => s.toLowerCase().includes(wanted)))
    .filter((c) => !$('troubled').checked || c.state !== 'ok');
  const key = sorts[order.key];
  rows.sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    const d = x == null || y == null ? (x == null) - (y == null) : (order.down ? -1 : 1) * (typeof x === 'string' ? x.localeCompare(y, locale()) : x - y); // what has no figure comes last
    return d || a.name.localeCompare(b.name, locale());
  });
  const saved = (resource) => (c) => {
    const s = of[resource][c.id];
    if (!s) return t('none');
    if (s.none || !s.baseline) return el('span', { class: 'none' }, t('noBaseline'));
    return el('span', { class: s.significant ? null : 'none', title: verdict(s) }, `${number((100 * s.saving) / s.baseline, 1)} ± ${number((100 * s.uncertainty) / Math.abs(s.baseline), 1)}`);
  };
  table('communities', [
    { key: 'name', title: t('name'), sort: true, cell: (c) => el('span', {}, el('button', { type: 'button', class: 'link', 'aria-pressed': String(c.id === chosen), on: () => choose(c.id === chosen ? '' : c.id) }, c.name), el('a', { class: 'go', href: '#community/' + encodeURIComponent(c.id), 'aria-label': t('p_open', c.name), title: t('p_open', c.name) })) },
    { key: 'state', title: t('state'), sort: true, cell: (c) => el('span', { class: 'state' }, named('state', c.state)) },
    { key: 'alarm', title: t('alarm'), number: true, sort: true, cell: (c) => number(c.alarms_critical + c.alarms_warning) },
    { key: 'online', title: t('online'), number: true, sort: true, cell: (c) => (c.online + c.offline + c.never ? `${number(c.online)}${t('of', number(c.online + c.offline + c.never))}` : t('none')) },
    { key: 'electricityShare', title: t('electricityShare'), number: true, sort: true, cell: saved('electricity') },
    { key: 'waterShare', title: t('waterShare'), number: true, sort: true, cell: saved('water') },
    { key: 'water', title: t('perHousehold'), number: true, sort: true, cell: (c) => number(perHousehold(c)) },
    { key: 'power', title: t('perLamp'), number: true, sort: true, cell: (c) => number(perLamp(c), 1) },
    { key: 'fill', title: t('fill'), number: true, sort: true, cell: (c) => percent(c.fill_ratio) },
    { key: 'last', title: t('last'), number: true, sort: true, cell: (c) => (c.last_reading_ms ? el('time', { datetime: new Date(c.last_reading_ms).toISOString(), title: clock(c.last_reading_ms) }, t('before', age(c.last_reading_ms))) : t('none')) },
  ], rows, t('noCommunities'), (c) => ({ class: c.state, 'data-community': c.id }));
}

function alarms() {
  const list = data.alarms.filter((a) => !chosen || a.community === chosen);
  const f = community(chosen) ?? data.total;
  const all = f.alarms_critical + f.alarms_warning + f.alarms_info;
  say($('alarms-more'), all > list.length ? t('more', number(all), number(list.length)) : '');
  fill($('alarms'), list.length ? list.map((a) => el('li', { class: a.severity, 'data-kind': a.kind },
    el('time', { datetime: a.since, title: clock(a.since) }, t('since', age(Date.parse(a.since)))),
    el('span', { class: 'state' }, named('state', a.severity)), ' ', el('a', { class: 'link', href: '#alarm=' + a.id }, a.title[lang]), a.status === 'open' ? '' : ` · ${t('a_status_' + a.status)}${a.assignee ? ' ' + a.assignee : ''}`, ` · ${communityName(a.community)} · ${a.name || a.device}${a.vendor ? ' · ' + vendorName(a.vendor) : ''}`,
    el('p', {}, a.why[lang]))) : all ? [] : [el('li', {}, t('noAlarms'))]);
}

function savings() {
  const list = data.savings.filter((s) => !chosen || s.community === chosen);
  const extent = {};
  for (const s of list) if (s.saving != null) extent[s.unit] = Math.max(extent[s.unit] ?? 0, Math.abs(s.saving) + (s.uncertainty ?? 0));
  table('savings', [
    { title: t('name'), cell: (s) => `${communityName(s.community)} · ${named('facility', s.facility)}` },
    { title: t('period'), cell: (s) => named('period', s.period) + (s.status === 'no_baseline' ? '' : ` (${t(s.status)})`) },
    { title: t('saving'), number: true, cell: (s) => (s.saving == null ? t('none') : `${number(s.saving)} ± ${number(s.uncertainty)} ${unit(s.unit)}`) },
    { title: t('band'), cell: (s) => (s.saving == null ? '' : band(s, extent[s.unit])) },
    { title: t('verdict'), cell: (s) => el('span', { class: s.status === 'no_baseline' || !s.significant || thin(s) ? 'none' : 'state ' + (s.saving > 0 ? 'ok' : 'warning') }, s.status === 'no_baseline' ? t('no_baseline') : verdict(s)) },
    { title: t('baseline'), number: true, cell: (s) => (s.baseline == null ? t('none') : `${number(s.baseline)} ${unit(s.unit)}`) },
    { title: t('actual'), number: true, cell: (s) => (s.actual == null ? t('none') : `${number(s.actual)} ${unit(s.unit)}`) },
    { title: t('coverage'), number: true, cell: (s) => percent(s.coverage) },
  ], list, t('noSavings'));
}

// band draws a saving and its 90 % band around zero.
function band(s, extent) {
  const svg = (tag, a) => { const e = document.createElementNS('http://www.w3.org/2000/svg', tag); for (const k in a) e.setAttribute(k, a[k]); return e; };
  const x = (v) => 95 + (90 * v) / (extent || 1);
  const e = svg('svg', { class: 'band' + (s.significant ? '' : ' vague'), viewBox: '0 0 190 18', role: 'img', 'aria-label': `${number(s.saving - s.uncertainty)} … ${number(s.saving + s.uncertainty)} ${unit(s.unit)}` });
  e.append(svg('line', { class: 'axis', x1: 95, x2: 95, y1: 1, y2: 17 }), svg('line', { class: 'from', x1: 95, x2: x(s.saving), y1: 9, y2: 9 }), svg('rect', { x: x(s.saving - s.uncertainty), width: Math.max(1, x(s.saving + s.uncertainty) - x(s.saving - s.uncertainty)), y: 5, height: 8 }), svg('circle', { cx: x(s.saving), cy: 9, r: 3.5 }));
  return e;
}

let vendorFrame = null; // rows of /api/v1/vendors of a time; null: since the first start

function vendors() {
  for (const id of ['vendors', 'rejects']) say($(id + '-note'), chosen ? t('county') : '');
  table('vendors', [
    { title: t('vendor'), cell: (v) => v.name || v.id || t('unmatched') },
    { title: t(vendorFrame ? 'p_received' : 'received'), number: true, cell: (v) => number(v.received) },
    { title: t(vendorFrame ? 'p_rejected' : 'rejected'), number: true, cell: (v) => number(v.rejected) },
    { title: t(vendorFrame ? 'p_refused' : 'refused'), number: true, cell: (v) => number(v.refused) },
    { title: t('reasons'), wrap: true, cell: (v) => v.reasons.map((r) => `${reason(r.reason)} ${number(r.count)}`).join(lang === 'zh' ? '，' : ', ') },
  ], vendorFrame ?? data.vendors, t('noVendors'));
  fill($('rejects'), data.rejects.length ? data.rejects.slice(0, 20).map((r) => el('li', {},
    el('time', { datetime: r.time }, clock(r.time)), el('b', {}, reason(r.reason)), ` · ${vendorName(r.vendor)} · ${r.topic}`, el('p', { lang: 'en' }, r.detail))) : [el('li', {}, t('noRejects'))]);
}

function render() {
  document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en';
  say(document.querySelector('title'), t('title'));
  for (const e of document.querySelectorAll('[data-t]')) say(e, t(e.dataset.t));
  for (const e of document.querySelectorAll('[data-label]')) e.setAttribute('aria-label', t(e.dataset.label));
  for (const id of ['zh', 'en']) $(id).setAttribute('aria-pressed', String(lang === id));
  state();
  if (!data) return;
  choices(); tiles(); communities(); alarms(); savings(); vendors();
  const s = data.system;
  say($('account'), t('account', ...[s.received, s.stored, s.duplicate, s.rejected, s.ignored, s.pending].map((v) => number(v))));
  say($('version'), 'greencommunity ' + s.version);
  document.dispatchEvent(new Event('shown')); // for the views in files of their own
}

// notReady translates what is before a colon; behind it are a server's words.
function notReady(why) {
  const [what, ...words] = why.split(': ');
  return [named('why', what), ...words].join(': ');
}

// state is read aloud when it changes; the clock beside it is not.
function state() {
  const bad = data && (!connected || !data.system.ready);
  $('status').classList.toggle('bad', Boolean(bad));
  $('main').classList.toggle('old', Boolean(data && !connected));
  say($('status'), !data ? t('loading') : !connected ? t('lost') : !data.system.ready ? t('notReady', notReady(data.system.why)) : t('live'));
  say($('as-of'), data ? t('asOf', clock(data.as_of), named('zone', data.time_zone)) : '');
}

function choices() {
  if (chosen && !community(chosen)) chosen = '';
  const e = $('community');
  fill(e, [el('option', { value: '' }, t('all')), ...data.communities.map((c) => el('option', { value: c.id }, c.name))]);
  e.value = chosen;
}

function choose(id) {
  chosen = id;
  const address = new URL(location);
  if (id) address.searchParams.set('community', id); else address.searchParams.delete('community');
  history.replaceState(null, '', address);
  render(); trends(); search();
}

let charts = [];

async function trends() {
  let answer;
  try {
    const r = await fetch('api/v1/trends?community=' + encodeURIComponent(chosen));
    if (!r.ok) return;
    answer = await r.json();
  } catch { return; } // the stream shows that the connection is lost
  if ((answer.community ?? '') !== chosen) return; // another was chosen meanwhile
  for (const c of charts) c.destroy();
  charts = [];
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  $('trends').replaceChildren(...['lighting', 'water', 'waste', 'gate'].map((kind) => {
    const values = answer.series[kind]?.map((v) => (v == null || kind !== 'waste' ? v : 100 * v));
    const last = values?.filter((v) => v != null).pop();
    const title = `${named('facility', kind)} (${t('unit_' + kind)})`;
    const latest = last == null ? t('none') : t('latest', number(last, kind === 'water' ? 2 : 0));
    const box = el('div', { class: 'chart', 'data-chart': kind, role: 'img', 'aria-label': `${title} · ${t('trends')} · ${latest}` }, el('h3', {}, title, last == null ? null : el('small', {}, latest)));
    if (last == null) { box.append(el('p', {}, t('none'))); return box; }
    const place = el('div');
    box.append(place);
    queueMicrotask(() => {
      const axis = { stroke: colour('--dim'), grid: { stroke: colour('--grid'), width: 1 }, ticks: { show: false }, font: '11px system-ui' };
      const x = values.map((_, i) => answer.from + i * answer.step);
      charts.push(new uPlot({
        width: box.clientWidth, height: 150, padding: [6, 18, 0, 0], legend: { show: false }, cursor: { y: false }, scales: { y: { range: (_, lo, hi) => [Math.min(0, lo), hi > lo ? hi * 1.1 : hi + 1] } },
        axes: [{ ...axis, size: 24, gap: 2, values: (_, ticks) => ticks.map((s) => local(s * 1000, { hour: '2-digit', minute: '2-digit' })) }, { ...axis, size: 46, space: 26 }],
        tzDate: (s) => { try { return uPlot.tzDate(new Date(s * 1000), data.time_zone); } catch { return new Date(s * 1000); } },
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
      const r = await fetch(`api/v1/devices?limit=20&q=${encodeURIComponent(q)}&community=${encodeURIComponent(chosen)}`);
      if (r.ok) rows = await r.json();
    } catch { return; }
  }
  if (mine !== searching || !data) return; // a later one is on its way
  table('devices', [
    { title: t('device'), cell: (d) => toDevice(d.id, d.community, d.name || d.id) },
    { title: 'ID', cell: (d) => (d.name && d.name !== d.id ? d.id : '') },
    { title: t('name'), cell: (d) => communityName(d.community) },
    { title: t('facility'), cell: (d) => named('facility', d.facility) },
    { title: t('vendor'), cell: (d) => vendorName(d.vendor) },
    { title: t('last'), number: true, cell: (d) => (d.last_reading_ms ? `${clock(d.last_reading_ms)} · ${t('before', age(d.last_reading_ms))}` : t('none')) },
  ], rows, q ? t('noDevices') : '');
}

// For its first 15 seconds the page asks, and then follows the stream: whoever
// waits for the network to be quiet, to print the page or take its picture,
// would wait for the stream for ever.
//
// The stream is kept open here. A browser gives up for good on an answer that is
// none (a proxy's 502, a service that is starting), and notices a connection
// that is dead without a word not at all: both are tried again. An overview
// comes every two seconds; when three have not come, the connection is lost.
const begun = Date.now();
let source;
let heard = begun;
let tried;

function show(overview) {
  const back = !data || !connected;
  data = overview;
  connected = true;
  heard = Date.now();
  render();
  if (back) { trends(); search(); }
}

async function ask() {
  tried = Date.now();
  if (document.body.dataset.role === '') return; // nobody is logged in
  try {
    const r = await fetch('api/v1/overview', { signal: AbortSignal.timeout(5000) });
    if (r.ok && !source) show(await r.json());
  } catch { /* it is asked again */ }
}

function follow() {
  source?.close();
  tried = Date.now();
  source = new EventSource('api/v1/stream');
  source.onmessage = (e) => show(JSON.parse(e.data));
}

setInterval(() => {
  const now = Date.now();
  if (connected && now - heard > 6000) { connected = false; state(); }
  if (!source) {
    if (now - begun >= 15000) follow(); else if (now - tried >= 2000) ask();
  } else if (source.readyState === EventSource.CLOSED ? now - tried > 3000 : now - Math.max(heard, tried) > 10000) follow();
}, 1000);

for (const id of ['zh', 'en']) $(id).addEventListener('click', () => { lang = id; kept.set(lang); render(); trends(); search(); });
$('filter').addEventListener('input', () => data && communities());
$('troubled').addEventListener('change', () => data && communities());
$('community').addEventListener('change', () => choose($('community').value));
let typing;
$('search').addEventListener('input', () => { clearTimeout(typing); typing = setTimeout(search, 200); });
let resizing;
let width = innerWidth; // a phone's address bar changes the height as one scrolls
addEventListener('resize', () => { if (innerWidth === width) return; width = innerWidth; clearTimeout(resizing); resizing = setTimeout(trends, 250); });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', trends);
setInterval(() => data && connected && trends(), 60000);
render();
ask();
