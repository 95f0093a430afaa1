// The timeline of the current prompt: its thumbnails, the agent's attention under them, and the edits of the prompt.

import { NO_PROMPT, label, parse, print, toggled } from './prompt_spec.js';
import { cleared } from './live.js';
import { timesteps } from './clips.js';

const MIN_CUT = 3;

/** @returns {import('./prompt_spec.js').Cut} */
const whole = (name) => ({ name, start: null, stop: null, stride: 1 });

export class PromptTimeline {
  constructor(app, clips, player) {
    Object.assign(this, { app, clips, player, steps: [], read: [], attention: null, drag: null, joining: false });
    this.backdrop = document.createElement('canvas');
    this.wireEdits();
    this.wireDrag(app.view.timeline);
  }

  wireEdits() {
    const { app } = this, { root, control } = app;
    for (const button of root.querySelectorAll('[data-edit]')) button.onclick = () => this.toggle(button.dataset.edit);
    control.stride.onchange = () => this.setStride(Number(control.stride.value));
    control.whole.onclick = () => this.change(({ cuts }) => ({ cuts: cuts.map((cut) => whole(cut.name)), edits: [] }));
    control.noprompt.onclick = () => app.swap(NO_PROMPT);
    control.join.onclick = () => this.join(!this.joining);
  }

  /** A drag cuts the prompt; a click shows the demonstration at that place. */
  wireDrag(canvas) {
    canvas.onpointerdown = (event) => {
      if (!this.steps.length) return;
      canvas.setPointerCapture(event.pointerId);
      this.drag = [this.under(event), this.under(event)];
    };
    canvas.onpointermove = (event) => {
      if (!this.drag) return;
      this.drag[1] = this.under(event);
      this.draw();
    };
    canvas.onpointerup = (event) => {
      if (!this.drag) return;
      const [low, high] = [...this.drag].sort((a, b) => a - b);
      this.drag = null;
      if (high - low >= MIN_CUT) this.cut(low, high);
      else this.showAt(this.under(event));
    };
  }

  /** Holds the demonstration at its k-th timestep. */
  showAt(k) {
    this.draw();
    this.player.running = false;
    this.player.at = k;
    this.app.demonstrations.draw();
  }

  /** Of the prompt that was requested last: an edit must not undo one that the server has not answered yet. */
  get spec() {
    return parse(this.app.requested ?? this.app.state.prompt);
  }

  /** Swaps to what a change makes of the prompt, if there is one. */
  change(edit) {
    if (this.spec.cuts.length) this.app.swap(print(edit(this.spec)));
  }

  toggle(name) {
    this.change((spec) => toggled(spec, name));
  }

  setStride(stride) {
    const strided = (cut) => (stride === 1 && !cut.start && cut.stop === null ? whole(cut.name) : { ...cut, stride });
    this.change(({ cuts, edits }) => ({ cuts: cuts.map(strided), edits }));
  }

  /** Cuts the prompt to what is shown at low … high; only where that is one demonstration in its own order. */
  cut(low, high) {
    const { cuts, edits } = this.spec;
    if (cuts.length !== 1 || edits.includes('reversed') || edits.includes('shuffled'))
      return this.app.say('a joined, reversed or shuffled prompt cannot be cut; choose “whole” first');
    const first = this.steps[low].step, last = this.steps[high].step;
    this.change(() => ({ cuts: [{ ...cuts[0], start: first, stop: last + 1 }], edits }));
  }

  join(on) {
    this.joining = on;
    this.app.control.join.setAttribute('aria-pressed', on);
    const hint = on ? 'click the demonstration to append' : 'click to swap, the world goes on';
    this.app.out.galleryhint.textContent = hint;
  }

  /** Takes a click in the gallery while joining; says whether it did. */
  append(name) {
    if (!this.joining) return false;
    this.join(false);
    this.change(({ cuts, edits }) => ({ cuts: [...cuts, whole(name)], edits }));
    return true;
  }

  load(info) {
    this.steps = timesteps(info);
    this.read = info.read || [];
    this.showReading(info);
    this.attention = null;
    this.stale = true;
  }

  /**
   * The goal that the agent predicts from the prompt, and how far the prompt is from what it was trained on.
   * @param {import('./clips.js').PromptInfo} info
   */
  showReading({ reads, goal, ood: score }) {
    const { ood } = this.app.out, parts = reads ? [] : ['who acts now reads no prompt'];
    if (goal) parts.push(`read as “${goal}”`);
    if (score) {
      const verdict = score.out_of_distribution ? 'out of distribution' : 'familiar';
      const than = `stranger than ${Math.round(100 * score.percentile)} % of its training's`;
      parts.push(`${verdict}: ${than}, nearest ${score.nearest.split('/').pop()}`);
    }
    ood.textContent = parts.join(' · ');
    ood.dataset.ood = Boolean(score?.out_of_distribution);
    ood.title = score ? `relative Mahalanobis distance ${score.score.toFixed(2)} standard deviations` : '';
  }

  showState(state) {
    const { out, root, control } = this.app;
    if (state.prompt === this.shown) return;
    this.shown = state.prompt;
    const { cuts, edits } = parse(state.prompt);
    out.prompt.textContent = label(state.prompt, null, this.app.own);
    root.querySelectorAll('[data-edit]').forEach((button) => {
      button.setAttribute('aria-pressed', edits.includes(button.dataset.edit));
      button.disabled = !cuts.length;
    });
    for (const name of ['join', 'whole', 'stride']) control[name].disabled = !cuts.length;
    if (cuts.length) control.stride.value = String(cuts[0].stride);
    this.stale = true;
  }

  look(attention) {
    this.attention = attention;
    this.changed = true;
  }

  /** Where the demonstration is, as an element of its own: nothing else has to be painted again. */
  move() {
    const { at } = this.app.out;
    at.hidden = !this.steps.length;
    at.style.transform = `translateX(${(100 * (this.player.at + 0.5)) / Math.max(1, this.steps.length)}%)`;
  }

  under(event) {
    const box = this.app.view.timeline.getBoundingClientRect();
    const share = Math.min(0.9999, Math.max(0, (event.clientX - box.left) / box.width));
    return Math.floor(share * this.steps.length);
  }

  update() {
    if (this.stale || this.changed) this.draw();
  }

  draw() {
    this.changed = false;
    const { pen, width, height, ratio } = cleared(this.app.view.timeline);
    const style = getComputedStyle(this.app.root), tall = height - 26, count = this.steps.length;
    pen.font = '12px system-ui, sans-serif';
    pen.fillStyle = style.getPropertyValue('--pg-dim');
    if (!count) {
      pen.textAlign = 'center';
      pen.fillText('no prompt: the agent has to guess from the world alone', width / 2, height / 2);
      return;
    }
    if (this.stale || this.backdrop.width !== pen.canvas.width) {
      this.stale = false;
      Object.assign(this.backdrop, { width: pen.canvas.width, height: pen.canvas.height });
      const behind = this.backdrop.getContext('2d');
      behind.setTransform(ratio, 0, 0, ratio, 0, 0);
      behind.font = pen.font;
      this.drawThumbnails(behind, width, tall, style);
      this.drawUnread(behind, width, tall);
      this.drawNotes(behind, width, tall);
    }
    pen.drawImage(this.backdrop, 0, 0, width, height);
    this.drawAttention(pen, width, height, tall, style);
    if (this.drag) {
      const [low, high] = [...this.drag].sort((a, b) => a - b);
      pen.fillStyle = 'rgb(59 130 246 / 0.35)';
      pen.fillRect((width * low) / count, 0, (width * (high - low + 1)) / count, tall);
    }
  }

  /** As many thumbnails as there is room for, dim where the agent is not shown the observation. */
  drawThumbnails(pen, width, tall, style) {
    const slots = Math.max(1, Math.round(width / tall)), wide = width / slots, count = this.steps.length;
    for (let slot = 0; slot < slots; slot++) {
      const k = Math.min(count - 1, Math.round(((slot + 0.5) * count) / slots - 0.5)), moment = this.steps[k];
      const picture = this.clips.at(moment.name, moment.step);
      pen.globalAlpha = moment.observations ? 1 : 0.15;
      pen.fillStyle = style.getPropertyValue('--pg-line');
      pen.fillRect(slot * wide, 0, wide - 1, tall);
      if (picture) drawMiddle(pen, picture, slot * wide, wide - 1, tall, wide / tall);
      pen.globalAlpha = 1;
    }
  }

  /** Darkens what is cut off because the agent has no room for it. */
  drawUnread(pen, width, tall) {
    const unread = (width * (this.read[0] ?? 0)) / this.steps.length;
    if (unread <= 40) return;
    pen.fillStyle = 'rgb(0 0 0 / 0.62)';
    pen.fillRect(0, 0, unread, tall);
    pen.fillStyle = 'white';
    pen.textAlign = 'left';
    if (unread > 200) pen.fillText('too long: this part is not read', 8, tall / 2 + 4);
  }

  /** Where demonstrations are joined, and what is hidden from the agent. */
  drawNotes(pen, width, tall) {
    const { steps } = this;
    pen.fillStyle = '#3b82f6';
    for (let k = 1; k < steps.length; k++)
      if (steps[k].name !== steps[k - 1].name) pen.fillRect((width * k) / steps.length - 2, 0, 4, tall);
    const notes = [];
    if (steps.some((moment) => !moment.observations)) notes.push('observations hidden');
    if (steps.some((moment) => !moment.actions)) notes.push('actions hidden');
    if (!notes.length) return;
    const text = notes.join(', '), room = pen.measureText(text).width + 14;
    pen.fillStyle = 'rgb(0 0 0 / 0.7)';
    pen.fillRect(6, tall - 24, room, 18);
    pen.fillStyle = 'white';
    pen.textAlign = 'left';
    pen.fillText(text, 13, tall - 11);
  }

  /** Bars under the timesteps that the agent read: how much its latest decision looked at each. */
  drawAttention(pen, width, height, top, style) {
    const weights = this.attention, base = height - 1, count = this.steps.length;
    pen.fillStyle = style.getPropertyValue('--pg-line');
    pen.fillRect(0, base, width, 1);
    if (!weights || weights.length !== this.read.length) return;
    const most = Math.max(...weights, 1e-6), wide = Math.max(2, width / count - 1);
    weights.forEach((weight, k) => {
      const tall = ((base - top - 4) * weight) / most;
      pen.fillStyle = '#f97316';
      pen.globalAlpha = 0.35 + (0.65 * weight) / most;
      pen.fillRect((width * this.read[k]) / count, base - tall, wide, tall);
    });
    pen.globalAlpha = 1;
  }
}

/** Draws the middle of a picture that has the wanted ratio of width to height. */
function drawMiddle(pen, picture, left, wide, tall, ratio) {
  const side = Math.min(picture.width, picture.height * ratio), high = side / ratio;
  const from = [(picture.width - side) / 2, (picture.height - high) / 2, side, high];
  pen.drawImage(picture, ...from, left, 0, wide, tall);
}
