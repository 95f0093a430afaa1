// The shipped experiments: a list, and the report that was chosen; and small ones that run live.

const SHEET =
  '<div class="pg-row"><h2>Experiments</h2><button class="pg-quiet" aria-label="close">×</button></div>' +
  '<div class="pg-reports"><nav></nav><article>loading …</article></div>';
const LIVE =
  '<h2></h2><p></p><button class="pg-button"></button><p role="status" aria-live="polite"></p><div></div>';

export async function openReports(app) {
  const { sheet } = app.out;
  sheet.innerHTML = SHEET;
  const [nav, article] = [sheet.querySelector('nav'), sheet.querySelector('article')];
  sheet.querySelector('button').onclick = () => sheet.close();
  sheet.showModal();
  const get = async (path, options) => (await fetch(app.base + 'pg/' + path, options)).json();
  const [shipped, { small }] = await Promise.all([get('experiments'), get('experiment-run')]);

  function choose(item, show) {
    nav.querySelectorAll('button').forEach((other) => other.setAttribute('aria-current', other === item));
    show();
  }

  function add(text, show) {
    const item = document.createElement('button');
    item.textContent = text;
    item.onclick = () => choose(item, show);
    nav.append(item);
  }

  function showReport(box, html, query) {
    box.innerHTML = html;
    box.querySelectorAll('img').forEach((image) => (image.src = app.base + image.getAttribute('src') + query));
  }

  function showLive(name, status) {
    article.innerHTML = LIVE;
    const [title, about, button, progress, report] = article.children;
    title.textContent = name + ', run now';
    const scope = `${status.episodes} episodes a condition in ${status.small[name]}`;
    const caution = 'enough to see how it works, too few to believe.';
    about.textContent = `${scope}: ${caution} It shares the machine with everybody who is watching.`;
    button.textContent = 'Run it';
    button.onclick = async () => follow(await get('experiment-run/' + name, { method: 'POST' }));
    function follow(now) {
      button.disabled = Boolean(now.running);
      if (now.error && now.name === undefined) progress.textContent = now.error;
      else if (now.name !== name) progress.textContent = now.running ? now.name + ' is running at the moment' : '';
      else if (now.running) progress.textContent = `running: ${now.parts} parts done, ${now.seconds} s`;
      else if (now.error) progress.textContent = 'failed: ' + now.error;
      else if (now.report) {
        progress.textContent = `done in ${now.seconds} s`;
        showReport(report, now.report.html, '?live=true');
      }
      if (now.running) setTimeout(async () => title.isConnected && follow(await get('experiment-run')), 1500);
    }
    follow(status);
  }

  article.textContent = '';
  for (const { title, html, complete } of shipped)
    add(title + (complete ? '' : ' (unfinished)'), () => showReport(article, html, ''));
  for (const name of Object.keys(small)) add('▶ ' + name, async () => showLive(name, await get('experiment-run')));
  nav.firstChild.click();
}
