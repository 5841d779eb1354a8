'use strict';

// The ledger of the programme (工作台账): who is behind, what each community
// lacks, and where it is filled in. It is asked for every half minute, and left
// alone while somebody writes in it.
Object.assign(texts.zh, {
  l_ledger: '工作台账', 'l_ledger-note': '滞后 = 未参与，或参与而仍有事项未达标。点击社区填报各事项。', l_town: '镇街', l_pilot: '试点', l_stage: '阶段', l_items: '事项', l_renovated: '2021年改造小区', l_behind: '滞后', l_yes: '是', l_no: '否',
  l_status_met: '达标', l_status_not_met: '未达标', l_status_pending: '待核', l_source_: '—', l_source_sensor: '传感器', l_source_person: '人工', l_behind_: '', l_behind_items: '{0} 项未达标或待核', l_behind_not_participating: '未参与',
  l_progress: '达标 {0} / {1}（{2}），目标 60 %：{3}', l_enough: '已达到', l_missing: '还差 {0} 个社区', l_pilots: '试点达标 {0} / {1}', l_behindAll: '滞后 {0} 个',
  l_due_quarter: '季度报送', l_due_october: '十月底总结', l_due: '{0}：{1} 截止，还有 {2} 天', l_dueOpen: '{0}：正在报送期，{1} 截止，还有 {2} 天', l_dueToday: '{0}：今天截止',
  l_tableWrong: '台账表格 {0} 有 {1} 处错误，未采用任何内容：', l_get: '导出', l_give: '导入表格', l_takeFile: '以表为准', l_imported: '已更改 {0} 项', l_importedNone: '没有更改', l_refused: '{0} 处错误，未作任何更改：',
  l_number: '编号', l_item: '事项', l_status: '状态', l_evidence: '佐证', l_source: '来源', l_date: '日期', l_by: '填报人', l_proposal: '设备佐证', l_adopt: '采纳', l_save: '保存', l_saved: '已保存', l_contact: '联系人', l_changes: '更改记录', l_noChanges: '尚无更改', l_noLedger: '没有社区',
  l_empty: '空白', l_stage_date: '阶段日期', l_via_page: '页面', l_via_file: '表格', l_via_command: '命令', l_pilot_yes: '是', l_pilot_no: '否', l_stage_none: '未参与',
});
Object.assign(texts.en, {
  l_ledger: 'Ledger of the programme', 'l_ledger-note': 'Behind: does not take part, or takes part and has items that are not met. Choose a community to fill its items in.', l_town: 'Town', l_pilot: 'Pilot', l_stage: 'Stage', l_items: 'Items', l_renovated: 'Compounds renovated in 2021', l_behind: 'Behind', l_yes: 'yes', l_no: 'no',
  l_status_met: 'met', l_status_not_met: 'not met', l_status_pending: 'to be checked', l_source_: '—', l_source_sensor: 'sensor', l_source_person: 'person', l_behind_: '', l_behind_items: '{0} not met or to be checked', l_behind_not_participating: 'does not take part',
  l_progress: '{0} of {1} have met it ({2}), target 60 %: {3}', l_enough: 'reached', l_missing: '{0} communities missing', l_pilots: 'pilots {0} of {1}', l_behindAll: '{0} behind',
  l_due_quarter: 'Quarter’s report', l_due_october: 'Summary at the end of October', l_due: '{0}: due {1}, in {2} days', l_dueOpen: '{0}: to be filed now, due {1}, in {2} days', l_dueToday: '{0}: due today',
  l_tableWrong: 'The table {0} has {1} mistakes; nothing of it was taken:', l_get: 'Export', l_give: 'Import a table', l_takeFile: 'the table wins', l_imported: '{0} values changed', l_importedNone: 'nothing to change', l_refused: '{0} mistakes; nothing was changed:',
  l_number: 'No.', l_item: 'Item', l_status: 'Status', l_evidence: 'Evidence', l_source: 'Source', l_date: 'Date', l_by: 'By', l_proposal: 'Devices say', l_adopt: 'Take over', l_save: 'Save', l_saved: 'Saved', l_contact: 'Contact', l_changes: 'Changes', l_noChanges: 'Nothing was changed yet', l_noLedger: 'No communities',
  l_empty: 'empty', l_stage_date: 'Since', l_via_page: 'page', l_via_file: 'table', l_via_command: 'command', l_pilot_yes: 'yes', l_pilot_no: 'no', l_stage_none: 'does not take part',
});

const book = { data: null, open: '', asked: 0, said: null };

async function ledgerAsk() {
  book.asked = Date.now();
  try {
    const r = await fetch('api/v1/ledger');
    $('ledger-s').hidden = !r.ok; // it is not shown to everybody
    if (r.ok) { book.data = await r.json(); ledgerShow(); }
  } catch { /* the stream shows that the connection is lost */ }
}

const writing = () => $('ledger-items').contains(document.activeElement) && document.activeElement.matches('input, select');
const problemText = (p) => (p.row && p.letter ? (lang === 'zh' ? `第 ${p.row} 行 ${p.letter} 列${p.column ? `（${p.column}）` : ''}：` : `row ${p.row}, column ${p.letter}${p.column ? ` (${p.column})` : ''}: `) : p.column ? p.column + (lang === 'zh' ? '：' : ': ') : '') + p[lang];

function ledgerShow() {
  const d = book.data;
  if (!d || !data) return;
  const p = d.progress;
  const lines = [
    el('b', {}, t('l_progress', number(p.met), number(p.all), p.all ? percent(p.met / p.all) : t('none'), p.missing ? t('l_missing', p.missing) : t('l_enough'))),
    ` · ${t('l_pilots', p.pilots_met, p.pilots)} · ${t('l_behindAll', p.behind)}`,
  ];
  const due = (x) => t(x.days === 0 ? 'l_dueToday' : x.opens <= today() ? 'l_dueOpen' : 'l_due', t('l_due_' + x.what), x.due, x.days);
  fill($('ledger-progress'), [el('p', {}, ...lines), ...d.deadlines.map((x) => el('p', { class: x.days <= 3 ? 'state critical' : x.days <= 10 ? 'state warning' : 'state' }, due(x)))]);
  const wrong = book.said?.problems ?? d.file?.problems ?? [];
  const heading = book.said ? book.said.text() : wrong.length ? t('l_tableWrong', d.file.name, wrong.length) : '';
  fill($('ledger-said'), heading ? [el('li', {}, el('b', {}, heading)), ...wrong.map((w) => el('li', {}, problemText(w)))] : []);
  $('ledger-give').hidden = !d.may_change;
  table('ledger', [
    { title: t('name'), cell: (c) => el('button', { type: 'button', class: 'link', 'aria-pressed': String(c.id === book.open), on: () => { book.open = c.id === book.open ? '' : c.id; book.said = null; ledgerShow(); } }, c.name) },
    { title: t('l_town'), cell: (c) => c.town },
    { title: t('l_pilot'), cell: (c) => (c.pilot ? t('l_yes') : '') },
    { title: t('l_stage'), cell: (c) => el('span', { class: 'state ' + (c.stage === 'met' || c.stage === 'named' ? 'ok' : c.stage ? '' : 'silent') }, named('stage', c.stage) + (c.stage_date ? ` ${c.stage_date}` : '')) },
    { title: t('l_status_met'), number: true, cell: (c) => `${number(c.met)}${t('of', number(c.items.length))}` },
    { title: t('l_status_not_met'), number: true, cell: (c) => number(c.not_met) },
    { title: t('l_status_pending'), number: true, cell: (c) => number(c.pending) },
    { title: t('l_renovated'), number: true, cell: (c) => number(c.compounds.filter((k) => k.renovated === 2021).length) },
    { title: t('l_behind'), cell: (c) => (c.behind ? el('span', { class: 'state warning' }, t('l_behind_' + c.behind, c.not_met + c.pending)) : '') },
  ], [...d.communities].filter((c) => !chosen || c.id === chosen).sort((a, b) => Boolean(b.behind) - Boolean(a.behind) || a.met - b.met || a.name.localeCompare(b.name, locale())), t('l_noLedger'), (c) => ({ 'data-community': c.id }));
  if (!writing()) ledgerItems();
  const value = (column, v) => (v ? texts[lang][`l_${column}_${v}`] ?? named(column, v) : t('l_empty'));
  const edits = (b) => b.edits.filter((e) => !book.open || e.community === book.open);
  const history = d.history.filter((b) => edits(b).length).slice(0, 20);
  fill($('ledger-history'), history.length ? history.map((b) => el('li', {}, el('time', { datetime: b.time }, clock(b.time)), el('b', {}, b.who), ` · ${named('l_via', b.via)}`,
    el('p', {}, edits(b).slice(0, 6).map((e) => `${communityName(e.community)} ${e.item || e.compound || ''} ${(texts[lang]['l_' + e.column] ?? t(e.column))}：${value(e.column, e.from)} → ${value(e.column, e.to)}`).join(lang === 'zh' ? '；' : '; ') + (edits(b).length > 6 ? ' …' : ''))))
    : [el('li', {}, t('l_noChanges'))]);
}

const today = () => { try { return new Date(data.as_of).toLocaleDateString('sv-SE', { timeZone: data.time_zone }); } catch { return data.as_of.slice(0, 10); } };

// ledgerItems is the sheet of the community that is chosen.
function ledgerItems() {
  const d = book.data;
  const c = d.communities.find((x) => x.id === (book.open || chosen));
  $('ledger-detail').hidden = !c;
  if (!c) return;
  say($('ledger-detail-h'), `${c.name}${c.contact ? ` · ${t('l_contact')} ${c.contact}` : ''}`);
  const select = (name, values, value, label) => {
    const e = el('select', { name, 'aria-label': label }, ...values.map((v) => el('option', { value: v, ...(v === value ? { selected: '' } : {}) }, t(`l_${name}_${v}`))));
    return e;
  };
  const input = (name, value, type, label) => el('input', { name, type, value, 'aria-label': label, autocomplete: 'off', ...(type === 'date' ? { max: today() } : { maxlength: 500 }) });
  const of = (s) => d.items.find((i) => i.id === s.item);
  const edit = d.may_change;
  let area = '';
  const columns = [
    { title: t('l_number'), number: true, cell: (s) => s.item },
    { title: t('l_item'), wrap: true, cell: (s) => { const i = of(s); const first = i.area[lang] !== area; area = i.area[lang]; return el('span', {}, first ? el('small', { class: 'area' }, i.area[lang]) : null, i.title[lang]); } },
    { title: t('l_status'), cell: (s) => (edit ? select('status', ['met', 'not_met', 'pending'], s.status, t('l_status')) : el('span', { class: 'state ' + (s.status === 'met' ? 'ok' : s.status === 'not_met' ? 'warning' : 'silent') }, t('l_status_' + s.status))) },
    { title: t('l_evidence'), cell: (s) => (edit ? input('evidence', s.evidence, 'text', t('l_evidence')) : s.evidence) },
    { title: t('l_source'), cell: (s) => (edit ? select('source', ['', 'sensor', 'person'], s.source, t('l_source')) : t('l_source_' + s.source)) },
    { title: t('l_date'), cell: (s) => (edit ? input('date', s.date, 'date', t('l_date')) : s.date) },
    { title: t('l_by'), cell: (s) => s.by },
    { title: t('l_proposal'), wrap: true, cell: (s) => {
      const p = s.proposal;
      if (!p) return '';
      const same = p.status === s.status && s.source === 'sensor';
      return el('span', {}, el('span', { class: 'state ' + (p.status === 'met' ? 'ok' : p.status === 'not_met' ? 'warning' : 'silent') }, t('l_status_' + p.status)), ` ${p.why[lang]} `,
        edit && p.status !== 'pending' && !same ? el('button', { type: 'button', 'data-adopt': s.item, on: () => ledgerPost({ changes: [{ community: c.id, item: s.item, status: p.status, evidence: p.why.zh, source: 'sensor', date: p.date }] }) }, t('l_adopt')) : null);
    } },
  ];
  if (edit) {
    columns.push({ title: '', cell: (s) => el('button', { type: 'button', 'data-save': s.item, on: (e) => {
      const get = (name) => e.target.closest('tr').querySelector(`[name=${name}]`).value;
      const change = { community: c.id, item: s.item, status: get('status'), evidence: get('evidence'), source: get('source') };
      if (get('date') || s.date) change.date = get('date');
      ledgerPost({ changes: [change] });
    } }, t('l_save')) });
  }
  table('ledger-items', columns, c.items, '', (s) => ({ 'data-item': s.item }));
}

async function ledgerPost(body, type = 'application/json', query = '') {
  try {
    const r = await fetch('api/v1/ledger' + query, { method: 'POST', headers: { 'Content-Type': type }, body: type === 'application/json' ? JSON.stringify(body) : body });
    const answer = await r.json();
    if (r.ok) book.said = { text: () => (answer.edits.length ? t('l_imported', number(answer.edits.length)) : t('l_importedNone')), problems: [] };
    else book.said = { text: () => (answer.problems ? t('l_refused', answer.problems.length) : answer.title), problems: answer.problems ?? [] };
  } catch { book.said = { text: () => t('lost'), problems: [] }; }
  document.activeElement?.blur();
  await ledgerAsk();
  $('ledger-said').scrollIntoView({ block: 'nearest' });
}

$('ledger-file').addEventListener('change', async (e) => {
  const file = e.target.files[0];
  if (!file) return;
  await ledgerPost(file, file.name.toLowerCase().endsWith('.xlsx') ? 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet' : 'text/csv', $('ledger-take').checked ? '?take=file' : '');
  e.target.value = '';
});
document.addEventListener('shown', () => { ledgerShow(); if (Date.now() - book.asked > 30000) ledgerAsk(); });
