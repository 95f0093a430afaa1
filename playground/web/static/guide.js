// The first minute: three things to try, each with a button that does it.

import { label } from './recipe.js';

const DONE = 'playground-guide-done';

export class Guide {
  constructor(app) {
    Object.assign(this, { app, step: localStorage.getItem(DONE) ? 3 : 0 });
    app.control.guide.onclick = () => this.act && this.act();
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
    if (this.step === 0 && other) {
      const name = label(other.name, state.task);
      this.say(`The ${state.agent === 'model' ? 'agent' : state.agent} was shown “${label(state.prompt, null)}”. Show it another, from the same start:`, `swap to ${name} and watch`, () => {
        this.before = state.prompt;
        this.step = 1;
        this.app.send({ reset: true });
        this.app.swap(other.name);
      });
    } else if (this.step === 1) {
      this.say('Same start, another wish: only the prompt changed. Now see both at once:', 'compare side by side', () => {
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

  say(text, button, act) {
    if (text === this.said) return;
    this.said = text;
    this.act = act;
    const { out, control } = this.app;
    out.guide.textContent = text;
    control.guide.textContent = button;
    control.guide.hidden = control.guideoff.hidden = !button;
  }
}
