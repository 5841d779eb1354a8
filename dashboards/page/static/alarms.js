'use strict';

// Alarms as work: who has what in hand, what was done before, and how many of each kind
// were right. The list is asked for every ten seconds, and left alone while somebody
// writes in the form of one.
Object.assign(texts.zh, {
  a_title: '告警处置', a_show: '显示', a_todo: '未办结', a_open: '未处理', a_hand: '处置中', a_done: '已办结', a_all: '全部', a_find: '筛选（设备、地点、种类、负责人）', a_days: '历史', a_day: '{0} 天',
  a_status_open: '未处理', a_status_acknowledged: '已确认', a_status_assigned: '已派单', a_status_in_progress: '处理中', a_status_cleared: '已恢复', a_status_false: '误报', a_status_told: '告警', a_status_commented: '备注', a_status_returned: '再次发生', a_status_worse: '加重',
  a_what: '告警', a_where: '地点', a_since: '开始', a_size: '损失', a_amount: '损失或数值', a_status: '状态', a_who: '负责人', a_none: '没有符合条件的告警', a_overdue: '超期', a_silenced: '静默：{0}', a_perDay: '{0} {1}/天', a_yuan: '约 {0} 元/天',
  a_began: '开始（设备时钟）', a_told: '通知时间', a_newest: '最新值', a_peak: '最大值', a_expected: '正常', a_advice: '先做', a_address: '地址', a_device: '设备', a_vendor: '厂商', a_cause: '归并到', a_closed: '办结', a_sure: '把握', a_sureText: '同类告警核实 {0} 条，{1} 条属实', a_unsure: '同类告警核实不足 5 条', a_due: '期限', a_reason: '原因',
  a_ack: '确认', a_progress: '处理中', a_assign: '派单', a_assignee: '派给谁', a_until: '完成期限', a_comment: '备注', a_send: '提交备注', a_why: '原因或处理结果（误报必填）', a_clear: '已恢复，关闭', a_false: '误报，关闭', a_right: '确实属实', a_history: '处置记录', a_close: '收起', a_picture: '近期曲线', a_kept: '已记录', a_needReason: '标为误报须填写原因', a_needWho: '请填写派给谁', a_needText: '请填写备注', a_byItself: '系统',
  a_precision: '告警属实情况', 'a_precision-note': '有人确认后恢复的为属实；标为误报的为误报。', a_kind: '种类', a_toldN: '办结或处置过', a_rightN: '属实', a_falseN: '误报', a_share: '属实比例', a_noneJudged: '尚无核实过的告警', a_via_link: '链接', a_via_page: '页面', a_via_api: '接口',
});
Object.assign(texts.en, {
  a_title: 'Alarms as work', a_show: 'Show', a_todo: 'Not done', a_open: 'Nobody has touched', a_hand: 'In hand', a_done: 'Done', a_all: 'All', a_find: 'Filter (device, place, kind, who)', a_days: 'History', a_day: '{0} days',
  a_status_open: 'open', a_status_acknowledged: 'acknowledged', a_status_assigned: 'assigned', a_status_in_progress: 'in progress', a_status_cleared: 'cleared', a_status_false: 'false alarm', a_status_told: 'told', a_status_commented: 'comment', a_status_returned: 'back again', a_status_worse: 'got worse',
  a_what: 'Alarm', a_where: 'Where', a_since: 'Began', a_size: 'Loss', a_amount: 'Loss or value', a_status: 'Status', a_who: 'Assigned to', a_none: 'No alarm matches', a_overdue: 'overdue', a_silenced: 'silenced: {0}', a_perDay: '{0} {1} a day', a_yuan: 'about {0} yuan a day',
  a_began: 'Began, by the device’s clock', a_told: 'Told', a_newest: 'Newest value', a_peak: 'Highest', a_expected: 'Usual', a_advice: 'First', a_address: 'Address', a_device: 'Device', a_vendor: 'Vendor', a_cause: 'Stands under', a_closed: 'Closed', a_sure: 'How sure', a_sureText: 'of {0} of this kind that were looked into, {1} were right', a_unsure: 'fewer than 5 of this kind were looked into', a_due: 'Until', a_reason: 'Reason',
  a_ack: 'Acknowledge', a_progress: 'In progress', a_assign: 'Assign', a_assignee: 'To whom', a_until: 'Until', a_comment: 'Comment', a_send: 'Send the comment', a_why: 'Why, or what was done (required for a false alarm)', a_clear: 'It is well again: close', a_false: 'False alarm: close', a_right: 'It was right', a_history: 'History', a_close: 'Close this', a_picture: 'The last days', a_kept: 'Kept', a_needReason: 'A false alarm needs a reason', a_needWho: 'Say to whom', a_needText: 'Write a comment', a_byItself: 'by itself',
  a_precision: 'How many were right', 'a_precision-note': 'Right: somebody dealt with it, and it cleared. False: somebody called it that.', a_kind: 'Kind', a_toldN: 'Closed or dealt with', a_rightN: 'Right', a_falseN: 'False', a_share: 'Share that was right', a_noneJudged: 'None was looked into yet', a_via_link: 'link', a_via_page: 'page', a_via_api: 'API',
});

const work = { list: null, kinds: [], one: null, id: '', show: 'todo', find: '', days: 7, said: '', bad: false, asked: 0, drawn: '' };
const statusesOf = { todo: '', open: 'open', hand: 'acknowledged,assigned,in_progress', done: 'done', all: 'all' };

async function workGet(path) {
  const r = await fetch('api/v1/' + path);
  const v = await r.json();
  if (!r.ok) throw new Error(v.title ?? r.statusText);
  return v;
}

async function workAsk() {
  work.asked = Date.now();
  if (document.body.dataset.role === '') return; // nobody is logged in
  const q = new URLSearchParams({ limit: 500 });
  if (statusesOf[work.show]) q.set('status', statusesOf[work.show]);
  if (chosen) q.set('community', chosen);
  if (work.show === 'done' || work.show === 'all') q.set('since', new Date(Date.parse(data.as_of) - work.days * 864e5).toISOString());
  work.query = String(q).replace('limit=500', 'limit=5000');
  try {
    [work.list, work.kinds, work.one] = await Promise.all([workGet('alarms?' + q), workGet('alarms/kinds'), work.id ? workGet('alarms/' + work.id).catch(() => null) : null]);
    $('work-s').hidden = false;
    workShow();
  } catch { /* the stream shows that the connection is lost */ }
}

const amount = (v, u) => {
  if (v == null) return '';
  if (u === 'ratio') return percent(v);
  if (u === 's' && Math.abs(v) >= 7200) return `${number(v / 3600, 1)} h`;
  if (u === 'L' && Math.abs(v) >= 10000) return `${number(v / 1000, 1)} m³`;
  return `${number(v, Math.abs(v) < 100 && v % 1 ? 1 : 0)} ${{ Cel: '℃', 1: '', '0/1': '' }[u] ?? unit(u)}`.trim();
};
const where = (a) => [a.community_name, a.compound_name, a.address, a.device_name || a.device].filter(Boolean).join(' · ');
const loss = (a) => (a.size == null ? '' : t('a_perDay', ...(a.size_unit === 'L' && a.size >= 10000 ? [number(a.size / 1000, 1), 'm³'] : [number(a.size, a.size < 100 ? 1 : 0), a.size_unit])) + (a.cost_per_day == null ? '' : lang === 'zh' ? `，${t('a_yuan', number(a.cost_per_day, 1))}` : `, ${t('a_yuan', number(a.cost_per_day, 1))}`));
const statusMark = (a) => el('span', { class: 'state ' + ({ open: a.severity, cleared: 'ok', false: 'silent' }[a.status] ?? 'info') }, t('a_status_' + a.status));

function workShow() {
  if (!data || !work.list) return;
  const s = $('work-show');
  fill(s, Object.keys(statusesOf).map((k) => el('option', { value: k }, t('a_' + k))));
  s.value = work.show;
  fill($('work-days'), [7, 30, 90, 365].map((n) => el('option', { value: n }, t('a_day', n))));
  $('work-days').value = work.days;
  $('work-days').disabled = work.show !== 'done' && work.show !== 'all';
  fill($('work-sheet'), [sheet('alarms?' + work.query)]);
  const find = work.find.toLowerCase();
  const rows = work.list.filter((a) => !find || `${where(a)} ${a.device} ${a.title[lang]} ${a.kind} ${a.assignee ?? ''}`.toLowerCase().includes(find));
  table('work', [
    { title: t('a_what'), cell: (a) => el('span', {}, el('span', { class: 'state ' + a.severity }, named('state', a.severity)), ' ', el('button', { type: 'button', class: 'link', 'data-alarm': a.id, 'aria-pressed': String(a.id === work.id), on: () => workOpen(a.id === work.id ? '' : a.id) }, a.title[lang])) },
    { title: t('a_where'), wrap: true, cell: (a) => where(a) },
    { title: t('a_since'), cell: (a) => el('time', { datetime: a.began, title: clock(a.began) }, local(a.began, { month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' })) },
    { title: t('a_amount'), cell: (a) => loss(a) || (a.unit === '1' ? '' : amount(a.value, a.unit)) },
    { title: t('a_status'), wrap: true, cell: (a) => el('span', {}, statusMark(a), a.overdue ? el('span', { class: 'state critical' }, ' ' + t('a_overdue')) : null, a.silenced ? el('small', {}, ' ' + t('a_silenced', a.silenced)) : null) },
    { title: t('a_who'), cell: (a) => a.assignee ?? '' },
  ], rows, t('a_none'), (a) => ({ class: a.severity, 'data-alarm': a.id }));
  table('work-kinds', [
    { title: t('a_kind'), cell: (k) => k.title[lang] },
    { title: t('a_toldN'), number: true, cell: (k) => number(k.told) },
    { title: t('a_rightN'), number: true, cell: (k) => number(k.right) },
    { title: t('a_falseN'), number: true, cell: (k) => number(k.false) },
    { title: t('a_share'), number: true, cell: (k) => (k.right + k.false ? percent(k.right / (k.right + k.false)) : t('none')) },
  ], work.kinds ?? [], t('a_noneJudged'));
  workDetail();
}

const workWriting = () => { const d = $('work-detail'); return d.contains(document.activeElement) && document.activeElement.matches('input, textarea') || [...d.querySelectorAll('input, textarea')].some((e) => e.value !== e.defaultValue); };

function workDetail(anew) {
  const a = work.one, box = $('work-detail');
  box.hidden = !a;
  if (!a) { work.drawn = ''; fill(box, []); return; }
  const now = JSON.stringify([a, lang, work.said]);
  if (!anew && (work.drawn === now || box.dataset.of === a.id + lang && workWriting())) return;
  work.drawn = now;
  box.dataset.of = a.id + lang;
  const facts = [
    ['a_device', toDevice(a.device, a.community, a.device)], ['a_vendor', a.vendor_name || a.vendor], ['a_address', a.address], ['a_began', clock(a.began)], ['a_told', clock(a.told)],
    ['a_newest', amount(a.value, a.unit)], ['a_peak', a.peak !== a.value ? amount(a.peak, a.unit) : ''], ['a_expected', a.expected && !a.expected_unit ? amount(a.expected, a.unit) : ''], ['a_size', loss(a)],
    ['a_sure', a.confidence == null ? t('a_unsure') : t('a_sureText', a.judged.right + a.judged.false, a.judged.right)],
    ['a_cause', a.cause?.[lang]], ['a_who', a.assignee], ['a_due', a.due ? clock(a.due) : ''], ['a_closed', a.closed ? clock(a.closed) : ''], ['a_reason', a.reason],
  ].filter(([, v]) => v);
  const post = (change) => workPost(a.id, change);
  const text = (name, label, rows) => el('label', {}, t(label), ' ', rows ? el('textarea', { name, rows, maxlength: 2000 }) : el('input', { name, maxlength: 64, autocomplete: 'off' }));
  const value = (name) => box.querySelector(`[name=${name}]`)?.value.trim() ?? '';
  const button = (label, change, mark) => el('button', { type: 'button', 'data-do': mark, on: () => post(change()) }, t(label));
  const over = a.closed && !a.live;
  const form = over ? [
    text('reason', 'a_why', 2), el('p', { class: 'bar' }, button('a_right', () => ({ status: 'acknowledged', comment: value('reason') }), 'right'), button('a_false', () => ({ status: 'false', reason: value('reason') }), 'false')),
  ] : [
    el('p', { class: 'bar' }, button('a_ack', () => ({ status: 'acknowledged' }), 'acknowledged'), button('a_progress', () => ({ status: 'in_progress' }), 'in_progress')),
    el('p', { class: 'bar' }, text('assignee', 'a_assignee'), el('label', {}, t('a_until'), ' ', el('input', { name: 'due', type: 'datetime-local' })), button('a_assign', () => ({ status: 'assigned', assignee: value('assignee'), due: value('due') }), 'assigned')),
    text('comment', 'a_comment', 2), el('p', { class: 'bar' }, button('a_send', () => ({ comment: value('comment') }), 'comment')),
    text('reason', 'a_why', 2), el('p', { class: 'bar' }, button('a_clear', () => ({ status: 'cleared', reason: value('reason') }), 'cleared'), button('a_false', () => ({ status: 'false', reason: value('reason') }), 'false')),
  ];
  const list = el('ol', { class: 'history' }, ...a.history.map((e) => el('li', {}, el('time', { datetime: e.at }, clock(e.at)), ' ', el('b', {}, t('a_status_' + e.status)), ` · ${e.by || t('a_byItself')}${e.via ? ` · ${t('a_via_' + e.via)}` : ''}`,
    [e.assignee, e.severity && named('state', e.severity), e.reason, e.comment].some(Boolean) ? el('p', {}, [e.assignee, e.severity && named('state', e.severity), e.reason, e.comment].filter(Boolean).join(' · ')) : null)));
  const picture = el('img', { src: `api/v1/alarms/${a.id}/picture.svg`, alt: t('a_picture'), width: 640, height: 240 });
  picture.addEventListener('error', () => { picture.hidden = true; });
  box.replaceChildren(
    el('h3', { tabindex: -1 }, el('span', { class: 'state ' + a.severity }, named('state', a.severity)), ` ${a.title[lang]} · ${where(a)} `, statusMark(a)),
    el('p', { class: work.bad ? 'bad' : 'note', role: 'status' }, work.said),
    el('div', { class: 'columns' },
      el('div', { class: 'stack' }, el('p', {}, a.why[lang]), el('dl', {}, ...facts.flatMap(([k, v]) => [el('dt', {}, t(k)), el('dd', {}, v)])), a.advice[lang] ? el('p', {}, el('b', {}, t('a_advice') + (lang === 'zh' ? '：' : ': ')), a.advice[lang]) : null, picture),
      el('div', { class: 'stack' }, ...(document.body.dataset.role === 'department' ? [] : form), el('h4', {}, t('a_history')), list, el('p', { class: 'bar' }, el('button', { type: 'button', on: () => workOpen('') }, t('a_close'))))),
  );
}

async function workPost(id, change) {
  for (const k of Object.keys(change)) if (!change[k]) delete change[k];
  const lacks = change.status === 'false' && !change.reason ? 'a_needReason' : change.status === 'assigned' && !change.assignee ? 'a_needWho' : !Object.keys(change).length ? 'a_needText' : '';
  try {
    if (lacks) throw new Error(t(lacks));
    const r = await fetch(`api/v1/alarms/${id}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(change) });
    const v = await r.json();
    if (!r.ok) throw new Error(v.title ?? r.statusText);
    Object.assign(work, { one: v, said: t('a_kept'), bad: false });
  } catch (err) {
    Object.assign(work, { said: err.message, bad: true });
    say($('work-detail').querySelector('[role=status]'), work.said);
    $('work-detail').querySelector('[role=status]').className = 'bad';
    return;
  }
  workDetail(true);
  workAsk();
}

async function workOpen(id, scroll) {
  Object.assign(work, { id, one: null, said: '', bad: false });
  if (id) try { work.one = await workGet('alarms/' + id); } catch { work.id = ''; }
  workShow();
  if (work.one && scroll !== false) { $('work-detail').scrollIntoView({ block: 'nearest' }); $('work-detail').querySelector('h3')?.focus({ preventScroll: true }); }
}

function workRoute() {
  const m = location.hash.match(/^#alarm=([a-z0-9]+)$/);
  if (m && data) workOpen(m[1]).then(() => $('work-s').scrollIntoView());
}

$('work-show').addEventListener('change', (e) => { work.show = e.target.value; workAsk(); });
$('work-days').addEventListener('change', (e) => { work.days = Number(e.target.value); workAsk(); });
$('work-find').addEventListener('input', (e) => { work.find = e.target.value; workShow(); });
addEventListener('hashchange', workRoute);
document.addEventListener('shown', () => {
  if (!work.asked && data) workAsk().then(workRoute);
  else if (Date.now() - work.asked > 10000) workAsk();
  else workShow();
});
