// The shipped experiments: a list, and the report that was chosen.

export async function openReports(app) {
  const { sheet } = app.out;
  sheet.innerHTML = '<div class="pg-row"><h2>Experiments</h2><button class="pg-quiet" aria-label="close">×</button></div><div class="pg-reports"><nav></nav><article></article></div>';
  const [nav, article] = [sheet.querySelector('nav'), sheet.querySelector('article')];
  sheet.querySelector('button').onclick = () => sheet.close();
  article.textContent = 'loading …';
  sheet.showModal();
  const found = await (await fetch(app.base + 'pg/experiments')).json();
  article.textContent = '';
  if (!found.length) article.textContent = 'No experiment is shipped with this version yet. `playground experiment` runs them.';
  for (const { title, html, complete } of found) {
    const item = document.createElement('button');
    item.textContent = title + (complete ? '' : ' (unfinished)');
    item.onclick = () => {
      article.innerHTML = html;
      article.querySelectorAll('img').forEach((image) => (image.src = app.base + image.getAttribute('src')));
      nav.querySelectorAll('button').forEach((other) => other.setAttribute('aria-current', other === item));
    };
    nav.append(item);
  }
  if (nav.firstChild) nav.firstChild.click();
}
