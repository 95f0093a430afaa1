// The first minute: three things to try, each with a button that does it. The swap is a live one, at a moment at which
// something has been done and there is time left to do something else.

import { label } from './prompt_spec.js';

const DONE = 'playground-guide-done';
/** When to swap: when the demonstration is just over, or at a share of an episode if that is sooner; if it is later than LATEST,
 * from the start. */
const SHOWN = 1.1, EARLIEST = 0.2, LATEST = 0.5;

export class Guide {
  constructor(app) {
    Object.assign(this, { app, step: localStorage.getItem(DONE) ? 3 : 0 });
    app.control.guide.onclick = () => this.act?.();
    app.control.guideoff.onclick = () => this.finish();
  }

  finish() {
    localStorage.setItem(DONE, '1');
    this.step = 3;
    this.show(this.app.state);
  }

  show(state) {
    if (state.t === undefined) return;
    const other = this.app.gallery.contrast();
    if (this.before && state.prompt !== this.before) this.step = Math.max(this.step, 1);
    if (this.step === 0 && other && !this.before) {
      const name = label(other.name, state.task);
      this.say(`The ${state.agent === 'model' ? 'agent' : state.agent} was shown “${label(state.prompt, null)}”. Show it another while it acts:`, `swap to ${name} and watch`, () => this.swap(other.name));
    } else if (this.step === 1) {
      this.say('The same world went on, the wish is another; the plot marks every swap with a dashed line. Now both from one start:', 'compare side by side', () => {
        this.step = 2;
        this.app.send({ compare: this.before });
      });
    } else if (this.step === 2) {
      this.say('In step, from the same start. “differs” tells how far apart their next actions are. Click any card to swap.', 'got it', () => {
        this.app.send({ drop: 1 });
        this.finish();
      });
    } else if (this.step === 3) {
      this.say('One agent, many worlds: it does what the demonstration in its prompt shows.', '', null);
    }
  }

  swap(name) {
    const { state, info, send } = this.app, steps = info[0].segments.reduce((sum, segment) => sum + segment.steps.length, 0);
    const at = Math.ceil(Math.min(EARLIEST * state.max_steps, SHOWN * steps));
    this.before = state.prompt;
    if (state.t > LATEST * state.max_steps) send({ reset: true });
    send({ plan: [[Math.max(1, at), name]] });
    send({ playing: true });
    this.say('The world goes on; in a moment the prompt is another …', '', null);
  }

  say(text, button, act) {
    if (text === this.said) return;
    this.said = text;
    this.act = act;
    const { out, control } = this.app;
    out.guide.textContent = text;
    control.guide.textContent = button;
    control.guide.hidden = !button;
    control.guideoff.hidden = this.step === 3;
  }
}
