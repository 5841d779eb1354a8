'use strict';

// report offers the quarterly report, and the summary that is due in October, as files.
const reportTexts = {
  zh: { report: '报表', quarter: '{0}年第{1}季度', summary: '{0}年阶段性总结（1—9月）', html: '查看打印', docx: 'Word', xlsx: 'Excel' },
  en: { report: 'Report (in Chinese)', quarter: 'quarter {1} of {0}', summary: 'summary of {0}, January to September', html: 'to print', docx: 'Word', xlsx: 'Excel' },
};
let reportOf = ''; // the days chosen, as the query has them
let reportShown = ''; // a list that is open closes where it is made again

function report() {
  const say = (key, ...values) => values.reduce((text, v, i) => text.replace(`{${i}}`, v), reportTexts[lang][key]);
  const today = new Date(data.as_of);
  let [year, quarter] = [today.getFullYear(), Math.floor(today.getMonth() / 3) + 1];
  const choices = [];
  for (let i = 0; i < 6; i++) {
    choices.push([`quarter=${year}Q${quarter}`, say('quarter', year, quarter)]);
    if (quarter === 3) choices.push([`from=${year}-01-01&to=${year}-10-01`, say('summary', year)]);
    if (--quarter === 0) [year, quarter] = [year - 1, 4];
  }
  if (!choices.some(([days]) => days === reportOf)) reportOf = choices[0][0];
  const shown = JSON.stringify([lang, chosen, reportOf, choices]);
  if (shown === reportShown) return;
  reportShown = shown;
  const select = el('select', { id: 'report-days' }, ...choices.map(([days, text]) => el('option', { value: days }, text)));
  select.value = reportOf;
  select.addEventListener('change', () => { reportOf = select.value; report(); });
  const address = (format) => `api/v1/report?${reportOf}&format=${format}` + (chosen ? '&community=' + encodeURIComponent(chosen) : '');
  const focused = document.activeElement?.id === 'report-days';
  $('report').replaceChildren(el('label', {}, el('span', {}, say('report')), ' ', select),
    ...['html', 'docx', 'xlsx'].flatMap((format) => [' ', el('a', { href: address(format), target: format === 'html' ? '_blank' : null, rel: 'noopener' }, say(format))]));
  if (focused) select.focus();
}
document.addEventListener('shown', () => { if (data) report(); });
