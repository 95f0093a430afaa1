// Links that reproduce what is on: task, agent, prompts, seed and swaps, after the page's #. A prompt stands in them
// as it is typed behind `--prompt`; only what would end it is escaped. Older links, which escape more, open too.

/** @param {string} text */
const escaped = (text) => encodeURI(text).replace(/%5B/g, '[').replace(/%5D/g, ']').replaceAll('&', '%26');

/** @param {string} text */
function unescaped(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray percent sign: whatever is wrong with it, the server will say
  }
}

export function writeLink(state) {
  const first = ({ history, prompt }) => (history?.length ? history[0][1] : prompt);
  const prompts = [state, ...(state.others || [])].map(first);
  const parts = [['task', state.task], ['agent', state.agent], ['seed', String(state.seed)]];
  for (const prompt of prompts) parts.push(['prompt', prompt]);
  for (const [t, prompt] of (state.history || []).slice(1)) parts.push(['swap', t + ':' + prompt]);
  return location.origin + location.pathname + '#' + parts.map(([key, text]) => key + '=' + escaped(text)).join('&');
}

/** What a link asks to open; null without one. */
export function readLink() {
  const parts = location.hash.slice(1).split('&').map((part) => part.split('='));
  const all = (key) => parts.filter(([name]) => name === key).map(([, ...text]) => unescaped(text.join('=')));
  const [task] = all('task'), [seed] = all('seed'), [agent] = all('agent');
  if (!task) return null;
  const swaps = all('swap').map((swap) => [Number(swap.split(':')[0]), swap.slice(swap.indexOf(':') + 1)]);
  return { task, prompts: all('prompt'), swaps, ...(seed && { seed: Number(seed) }), ...(agent && { agent }) };
}
