// Prompts as text, read and printed as `playground/prompt_spec.py` does; `tests/prompt_specs.json` holds both to it.

/**
 * Timesteps start, start + stride, … below stop of a demonstration; `start` null takes it as it is.
 * @typedef {{ name: string, start: number | null, stop: number | null, stride: number }} Cut
 * @typedef {{ cuts: Cut[], edits: string[] }} PromptSpec
 */

export const NO_PROMPT = 'none';
export const EDITS = ['reversed', 'shuffled', 'actions-only', 'observations-only'];
const OPPOSITES = { 'actions-only': 'observations-only', 'observations-only': 'actions-only' };
const OLD_EDITS = { actions: 'actions-only', observations: 'observations-only' };
const MAX_CUTS = 4;
const CUT = /^([^#[\]+~]+(?:#[0-9]{1,6})?)(?:\[([0-9]{0,6}):([0-9]{0,6})(?::([0-9]{1,6}))?\])?$/;

/** @returns {Cut} */
function parseCut(text) {
  const [, name, start, stop, stride] = text.match(CUT) || [];
  const cut = {
    name,
    start: start === undefined ? null : Number(start),
    stop: stop ? Number(stop) : null,
    stride: Number(stride || 1),
  };
  const empty = cut.stop !== null && cut.start >= cut.stop;
  if (!name || name === NO_PROMPT || !cut.stride || empty) throw new Error(`${text} shows no demonstration`);
  return cut;
}

/**
 * @param {string | null | undefined} text nothing is no prompt
 * @returns {PromptSpec}
 */
export function parse(text) {
  if ((text ?? NO_PROMPT) === NO_PROMPT) return { cuts: [], edits: [] };
  const [joined, ...written] = text.split('~');
  const cuts = joined.split('+').map(parseCut);
  const edits = written.map((edit) => OLD_EDITS[edit] || edit);
  const wrong = edits.find(
    (edit, n) => !EDITS.includes(edit) || edits.indexOf(edit) < n || edits.includes(OPPOSITES[edit]),
  );
  if (wrong !== undefined) throw new Error(`${text} cannot be edited by ~${wrong}`);
  if (cuts.length > MAX_CUTS) throw new Error(`${text} joins more than ${MAX_CUTS} demonstrations`);
  return { cuts, edits };
}

/** @param {PromptSpec} spec */
export function print({ cuts, edits }) {
  const parts = cuts.map(({ name, start, stop, stride }) => {
    if (start === null && stop === null && stride === 1) return name;
    return `${name}[${start ?? 0}:${stop ?? ''}${stride === 1 ? '' : ':' + stride}]`;
  });
  return [parts.join('+') || NO_PROMPT, ...(cuts.length ? edits : [])].join('~');
}

/**
 * The same prompt with an edit, or without it where it has been made.
 * @param {PromptSpec} spec
 */
export function toggled({ cuts, edits }, edit) {
  if (edits.includes(edit)) return { cuts, edits: edits.filter((other) => other !== edit) };
  const others = edits.filter((other) => other !== OPPOSITES[edit]);
  return { cuts, edits: [...others, edit].sort((a, b) => EDITS.indexOf(a) - EDITS.indexOf(b)) };
}

/** A demonstration's short name for people; `here` is the task whose demonstrations need no name. */
function shortName(name, here, ownNames) {
  const [task, number] = name.split('#');
  const own = ownNames.indexOf(name);
  if (task.startsWith('yours/')) return 'yours ' + (own < 0 ? '#' + number : own + 1);
  const shown = task === here ? '' : task.split('/').pop();
  return [shown, number === undefined ? '' : '#' + number].filter(Boolean).join(' ');
}

/**
 * A prompt's short name for people.
 * @param {string | null | undefined} text
 * @param {string | null} here the task whose demonstrations need no name
 * @param {string[]} ownNames the visitor's own demonstrations, which are counted
 */
export function label(text, here, ownNames = []) {
  const { cuts, edits } = parse(text);
  if (!cuts.length) return 'no prompt';
  const names = cuts.map(({ name, start, stop, stride }) => {
    const range = start || stop !== null ? ` ${start ?? 0}–${stop ?? 'end'}` : '';
    return shortName(name, here, ownNames) + range + (stride > 1 ? ` /${stride}` : '');
  });
  return [names.join(' + '), ...edits.map((edit) => edit.replace('-', ' '))].join(', ');
}
