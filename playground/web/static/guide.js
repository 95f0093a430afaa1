// The first minute: three things to try in a world, each with a button that does it. The swap is a live one, at a
// moment at which something has been done and there is time left to do something else.

import { label } from './prompt_spec.js';
import { recall, remember } from './storage.js';

const DONE = 'playground-guide-done';
const SWAP = 0, COMPARE = 1, LOOK = 2, OVER = 3;

/**
 * When to swap: when SHOWN times the demonstration's length is over, or at the share EARLIEST of an episode if that is
 * sooner. After the share LATEST the episode starts again first.
 */
const SHOWN = 1.1, EARLIEST = 0.2, LATEST = 0.5;

const ABOUT = 'One agent, many worlds: it does what the demonstration in its prompt shows.';

export class Guide {
  constructor(app) {
    Object.assign(this, { app, step: recall(DONE) ? OVER : SWAP, task: null, before: null });
    app.control.guide.onclick = () => this.act?.();
    app.control.guideoff.onclick = () => this.finish();
  }

  finish() {
    remember(DONE, '1');
    this.step = OVER;
    this.show(this.app.state);
  }

  /** Another world: what was tried in the one before says nothing here. */
  begin(task) {
    Object.assign(this, { task, before: null });
    if (this.step !== OVER) this.step = SWAP;
  }

  show(state) {
    if (state.t === undefined) return;
    if (state.task !== this.task) this.begin(state.task);
    if (this.before && state.prompt !== this.before) this.step = Math.max(this.step, COMPARE);
    if (this.step === OVER) this.say(ABOUT);
    else if (this.step === LOOK) this.offerEnd();
    else if (this.step === COMPARE) this.offerComparison();
    else if (!this.before) this.offerSwap(state);
  }

  /** Offers another demonstration of this world; none while its gallery is on the way. */
  offerSwap(state) {
    const other = this.app.gallery.contrast();
    if (!other) return this.say(ABOUT);
    const who = state.agent === 'model' ? 'agent' : state.agent;
    const shown = `The ${who} was shown “${label(state.prompt, null)}”. Show it another while it acts:`;
    this.say(shown, `swap to ${label(other.name, state.task)} and watch`, () => this.swap(other.name));
  }

  offerComparison() {
    const seen = 'The same world went on; a dashed line marks the swap.';
    this.say(`${seen} Now both prompts from one start:`, 'compare side by side', () => {
      this.step = LOOK;
      this.app.send({ compare: this.before });
    });
  }

  offerEnd() {
    const seen = 'In step, from the same start. “differs” tells how far apart their next actions are.';
    this.say(`${seen} Click any card to swap.`, 'got it', () => {
      this.app.send({ drop: 1 });
      this.finish();
    });
  }

  swap(name) {
    const { state, promptInfo, send } = this.app;
    const steps = promptInfo[0].segments.reduce((sum, segment) => sum + segment.steps.length, 0);
    const at = Math.ceil(Math.min(EARLIEST * state.max_steps, SHOWN * steps));
    this.before = state.prompt;
    if (state.t > LATEST * state.max_steps) send({ reset: true });
    send({ swaps: [[Math.max(1, at), name]] });
    send({ playing: true });
    this.say('The world goes on; in a moment the prompt is another …');
  }

  say(text, button = '', act = null) {
    this.act = act;
    if (text + button === this.said) return;
    this.said = text + button;
    const { out, control } = this.app;
    out.guide.textContent = text;
    control.guide.textContent = button;
    control.guide.hidden = !button;
    control.guideoff.hidden = this.step === OVER;
  }
}
