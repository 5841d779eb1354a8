'use strict';

// A vendor pastes a topic and a payload and sees what the service would make of it.
Object.assign(texts.zh, {
  try_paste: '试读报文', try_note: '粘贴主题和报文，看它会变成什么：读数、事件、未映射的字段、拒绝的原因。不保存、不计数；个人信息先被截去。', try_topic: '主题', try_payload: '报文', try_encoding: '写法', try_format: '格式', try_go: '试读',
  try_text: '文本', try_hex: '十六进制', try_base64: 'Base64', try_inventory: '按现行清单', try_any: '自动', try_how: '逐步说明', try_yaml: '可粘贴到 inventory.yaml', try_copy: '复制', try_copied: '已复制',
  try_what: '结果', try_name: '名称', try_value: '值', try_time: '时间', try_why: '说明', try_reading: '读数', try_event: '事件', try_unmapped: '未映射', try_refused: '拒绝', try_rejected: '整条拒绝', try_ignored: '忽略',
  try_begins: '开始', try_ends: '结束', try_estimated: '估算', try_replaced: '采用接收时间', try_time_device: '设备时间', try_time_gateway: '网关时间', try_time_received: '接收时间', try_channel: '通道 {0}',
  try_sum: '{0} 个读数，{1} 个事件，{2} 个未映射，{3} 个拒绝', try_by: '由厂商 {0} 的来源 {1}（格式 {2}）读取', try_byFormat: '按格式 {0} 读取，未用清单', try_like: '没有来源匹配该主题；与之相符的格式：{0}', try_noSource: '没有来源匹配该主题；请在上方选一种格式再试', try_nothing: '没有读数，没有事件', try_more: '另有 {0} 行未显示',
});
Object.assign(texts.en, {
  try_paste: 'Try a payload', try_note: 'Paste a topic and a payload and see what it becomes: readings, events, fields nobody has mapped, reasons of refusals. Nothing is kept or counted; what is personal is cut off first.', try_topic: 'Topic', try_payload: 'Payload', try_encoding: 'Written as', try_format: 'Format', try_go: 'Try',
  try_text: 'text', try_hex: 'hex', try_base64: 'base64', try_inventory: 'by the inventory in force', try_any: 'any', try_how: 'Step by step', try_yaml: 'To paste into inventory.yaml', try_copy: 'Copy', try_copied: 'Copied',
  try_what: 'Result', try_name: 'Name', try_value: 'Value', try_time: 'Time', try_why: 'Why', try_reading: 'reading', try_event: 'event', try_unmapped: 'unmapped', try_refused: 'refused', try_rejected: 'message rejected', try_ignored: 'ignored',
  try_begins: 'begins', try_ends: 'ends', try_estimated: 'estimated', try_replaced: 'the time received stands in', try_time_device: 'device’s time', try_time_gateway: 'gateway’s time', try_time_received: 'time received', try_channel: 'channel {0}',
  try_sum: '{0} readings, {1} events, {2} unmapped, {3} refused', try_by: 'read by the source {1} of vendor {0}, format {2}', try_byFormat: 'read by format {0}, without the inventory', try_like: 'No source matches this topic; formats with topics like it: {0}', try_noSource: 'No source matches this topic; choose a format above and try again', try_nothing: 'no readings, no events', try_more: '{0} more lines are not shown',
});

const pasted = { choices: null, answer: null, error: '', busy: false, shown: '' };

async function pasteChoices() {
  try {
    const r = await fetch('api/v1/decode');
    if (r.ok) pasted.choices = await r.json();
  } catch { /* asked for again with the next overview */ }
  pasteShow();
}

function pasteOptions(id, options) {
  const select = $(id);
  const value = select.value;
  select.replaceChildren(...options.map(([v, text, title]) => el('option', { value: v, title }, text)));
  if (options.some(([v]) => v === value)) select.value = value;
}

const pasteKind = (l) => (l.rejected ? 'rejected' : l.refused ? 'refused' : l.ignored ? 'ignored' : l.unmapped ? 'unmapped' : l.event ? 'event' : 'reading');
const pasteStates = { rejected: 'critical', refused: 'critical', unmapped: 'warning', ignored: 'silent', event: 'ok', reading: 'ok' };

function pasteShow() {
  const key = lang + Boolean(pasted.choices);
  if (pasted.shown !== key) { // a list that is open closes where it is made again
    pasted.shown = key;
    pasteOptions('paste-encoding', ['text', 'hex', 'base64'].map((v) => [v, t('try_' + v)]));
    pasteOptions('paste-format', [['inventory', t('try_inventory')], ...(pasted.choices?.formats ?? []).map((f) => [f.name, f.name, f.about])]);
    pasteOptions('paste-facility', [['any', t('try_any')], ...(pasted.choices?.facilities ?? []).map((f) => [f, named('facility', f)])]);
  }
  $('paste-kind').hidden = $('paste-format').value === 'inventory';
  $('paste-go').disabled = pasted.busy;
  const a = pasted.answer;
  $('paste-out').hidden = !a && !pasted.error;
  if (pasted.error || !a) {
    say($('paste-said'), pasted.error);
    fill($('paste-explain'), []);
    table('paste-lines', [], [], '');
    $('paste-how').hidden = $('paste-add').hidden = true;
    return;
  }
  const count = (kind) => a.lines.filter((l) => pasteKind(l) === kind).length;
  const how = a.source ? t('try_by', vendorName(a.vendor), a.source, a.format) : a.format ? t('try_byFormat', a.format) : a.formats?.length ? t('try_like', a.formats.join(', ')) : t('try_noSource');
  say($('paste-said'), `${t('try_sum', count('reading'), count('event'), count('unmapped'), count('refused') + count('rejected'))} · ${how}${a.more ? ' · ' + t('try_more', a.more) : ''}`);
  table('paste-lines', [
    { title: t('try_what'), cell: (l) => el('span', { class: 'state ' + pasteStates[pasteKind(l)] }, t('try_' + pasteKind(l))) },
    { title: t('device'), cell: (l) => l.device ?? '' },
    { title: t('try_name'), cell: (l) => (l.quantity ?? l.event ?? l.field ?? '') + (l.channel ? ` · ${t('try_channel', l.channel)}` : '') },
    { title: t('try_value'), number: true, cell: (l) => (l.event ? t(l.active ? 'try_begins' : 'try_ends') + (l.code ? ` (${l.code})` : '') : l.value == null ? '' : `${l.value} ${unit(l.unit ?? '')}`.trim()) },
    { title: t('try_time'), cell: (l) => (l.time ? clock(l.time) : '') },
    { title: t('try_why'), wrap: true, cell: (l) => [l.rejected || l.refused ? reason(l.rejected || l.refused) : '', l.detail, l.ignored, l.facility ? named('facility', l.facility) : '', l.time_source ? t('try_time_' + l.time_source) : '', l.time_replaced ? t('try_replaced') : '', l.estimated ? t('try_estimated') : ''].filter(Boolean).join(lang === 'zh' ? '；' : '; ') },
  ], a.lines, t('try_nothing'));
  $('paste-how').hidden = !a.explain.length;
  fill($('paste-explain'), a.explain.map((line) => el('li', {}, line)));
  $('paste-add').hidden = !a.yaml;
  say($('paste-yaml'), (a.yaml ?? '').trim());
}

async function pasteTry() {
  const q = { topic: $('paste-topic').value.trim(), payload: $('paste-payload').value, encoding: $('paste-encoding').value };
  const facility = $('paste-facility').value;
  if ($('paste-format').value !== 'inventory') Object.assign(q, { format: $('paste-format').value, facility: facility === 'any' ? '' : facility });
  Object.assign(pasted, { busy: true, error: '' });
  pasteShow();
  try {
    const r = await fetch('api/v1/decode', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(q) });
    const answer = await r.json();
    Object.assign(pasted, r.ok ? { answer } : { error: answer.title ?? String(r.status) });
  } catch { pasted.error = t('lost'); }
  say($('paste-copy'), t('try_copy'));
  pasted.busy = false;
  pasteShow();
}

$('paste-go').addEventListener('click', pasteTry);
$('paste-format').addEventListener('change', pasteShow);
$('paste-copy').addEventListener('click', async () => {
  try {
    await navigator.clipboard.writeText($('paste-yaml').textContent);
    say($('paste-copy'), t('try_copied'));
  } catch { getSelection().selectAllChildren($('paste-yaml')); }
});
document.addEventListener('shown', () => { pasteShow(); if (!pasted.choices) pasteChoices(); });
