// Prompts as text, as the server writes them: domain/task#0[10:60:2]+domain/other#1~reversed~actions

export const NONE = 'none';
export const EDITS = ['reversed', 'shuffled', 'actions', 'observations'];

export function parse(text) {
  const [joined, ...edits] = (text || NONE).split('~');
  if (joined === NONE) return { cuts: [], edits: [] };
  const cuts = joined.split('+').map((part) => {
    const [, name, start, stop, stride] = part.match(/^([^[]+)(?:\[(\d+):(\d*)(?::(\d+))?\])?$/);
    return { name, start: Number(start || 0), stop: stop ? Number(stop) : null, stride: Number(stride || 1) };
  });
  return { cuts, edits };
}

export function format({ cuts, edits }) {
  const parts = cuts.map(({ name, start, stop, stride }) => {
    if (!start && stop === null && stride === 1) return name;
    return `${name}[${start}:${stop === null ? '' : stop}${stride === 1 ? '' : ':' + stride}]`;
  });
  return [parts.join('+') || NONE, ...(cuts.length ? edits : [])].join('~');
}

const EDIT_NAMES = { reversed: 'reversed', shuffled: 'shuffled', actions: 'actions only', observations: 'observations only' };

/** A short name for people; `here` is the task whose demonstrations need no name. */
export function label(text, here, ownNames = []) {
  const { cuts, edits } = parse(text);
  if (!cuts.length) return 'no prompt';
  const names = cuts.map(({ name, start, stop, stride }) => {
    const [task, number] = name.split('#');
    const own = ownNames.indexOf(name);
    const base = task.startsWith('yours/') ? 'yours ' + (own < 0 ? '#' + number : own + 1) : (task === here ? '' : task.split('/').pop() + ' ') + '#' + number;
    return base + (start || stop !== null ? ` ${start}–${stop === null ? 'end' : stop}` : '') + (stride > 1 ? ` /${stride}` : '');
  });
  return [names.join(' + '), ...edits.map((edit) => EDIT_NAMES[edit])].join(', ');
}
