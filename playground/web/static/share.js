// Links that reproduce what is on: task, agent, prompts, seed and swaps, after the page's #.

export function writeLink(state) {
  const prompts = [state, ...(state.others || [])].map(({ history, prompt }) => (history?.length ? history[0][1] : prompt));
  const query = new URLSearchParams({ task: state.task, agent: state.agent, seed: state.seed });
  prompts.forEach((prompt) => query.append('prompt', prompt));
  (state.history || []).slice(1).forEach(([t, prompt]) => query.append('swap', t + ':' + prompt));
  return location.origin + location.pathname + '#' + query;
}

export function readLink() {
  const query = new URLSearchParams(location.hash.slice(1));
  if (!query.get('task')) return null;
  const wish = { task: query.get('task'), prompts: query.getAll('prompt') };
  if (query.get('seed')) wish.seed = Number(query.get('seed'));
  if (query.get('agent')) wish.agent = query.get('agent');
  wish.plan = query.getAll('swap').map((swap) => [Number(swap.split(':')[0]), swap.slice(swap.indexOf(':') + 1)]);
  return wish;
}
