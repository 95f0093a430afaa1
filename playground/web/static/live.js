// The live panels, the ghost over the first, and the plot over time with its swap marks.

import { NO_PROMPT, label } from './prompt_spec.js';

const PARTS = ['ghost', 'inset', 'dark', 'banner', 'score'];
export const TINTS = ['#f97316', '#3b82f6', '#10b981', '#a855f7', '#e11d48', '#eab308', '#14b8a6', '#ec4899'];

export function paint(canvas, bitmap) {
  const pen = canvas.getContext('2d', { alpha: false });
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  pen.drawImage(bitmap, 0, 0);
}

/** Sizes a canvas to its place on the screen, in its pixels, and clears it. */
export function cleared(canvas) {
  const ratio = Math.min(2, window.devicePixelRatio || 1), width = canvas.clientWidth, height = canvas.clientHeight;
  const pen = canvas.getContext('2d');
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height, ratio };
}

export const short = (x) => (Math.abs(x) >= 1000 ? Math.round(x).toString() : x.toFixed(2));
export const percent = (x) => Math.round(100 * x) + ' %';

export class Live {
  constructor(app) {
    const first = app.root.querySelector('.pg-live');
    Object.assign(this, { app, blank: first.cloneNode(true), panels: [], tints: new Map() });
    Object.assign(this, { curves: [], frames: 0, kind: 'return' });
    this.wire(first);
  }

  wire(figure) {
    const find = (selector) => figure.querySelector(selector), number = this.panels.length;
    find('.pg-drop').onclick = () => this.app.send({ drop: number });
    const parts = Object.fromEntries(PARTS.map((part) => [part, find('.pg-' + part)]));
    this.panels.push({ figure, title: find('b'), under: find('i'), canvas: find('[data-view=live]'), ...parts });
  }

  /** Over the picture, until there is another one. */
  note(text) {
    const { banner } = this.panels[0];
    banner.textContent = text;
    banner.hidden = !text;
  }

  /** As many panels as there are sessions. */
  count(n) {
    const { views } = this.app.out;
    while (this.panels.length > n) this.panels.pop().figure.remove();
    const demonstration = views.querySelector('.pg-demo');
    while (this.panels.length < n) this.wire(views.insertBefore(this.blank.cloneNode(true), demonstration));
    this.app.root.dataset.panels = n;
  }

  /** What must not wait: the pictures, and every point of the curves. */
  take(state, pictures) {
    const all = [state, ...(state.others || [])];
    if (all.length !== this.panels.length) this.count(all.length);
    for (const [number, bitmap] of pictures) {
      if (this.panels[number]) paint(this.panels[number].canvas, bitmap);
      bitmap.close();
      if (number === 0) this.frames += 1;
    }
    this.extend(all, state);
  }

  show(state) {
    [state, ...(state.others || [])].forEach((one, n) => this.showPanel(this.panels[n], one, state, n));
    if (state.t === undefined) return;
    this.app.root.querySelector('[data-plot=distance]').hidden = state.distance === null;
    if (this.kind === 'distance' && state.distance === null) this.app.root.querySelector('[data-plot=return]').click();
  }

  showPanel(panel, one, state, number) {
    const name = label(one.prompt, state.task, this.app.own);
    const who = state.driving && number === 0 ? 'you' : state.agent === 'model' ? 'agent' : state.agent;
    const several = this.panels.length > 1;
    panel.title.textContent = several ? name : who + (state.task ? ' in ' + state.task.split('/').pop() : '');
    panel.title.style.color = several ? this.tint(one.prompt || NO_PROMPT) : '';
    panel.under.textContent = several ? '' : underTitle(one, name);
    panel.canvas.setAttribute('aria-label', `${who} in ${state.task}, prompt ${name}`);
    const ended = one.done ? (one.success ? 'solved' : 'episode over') : '';
    const banner = state.busy || ended || (state.playing ? '' : 'paused');
    panel.banner.textContent = banner;
    panel.banner.hidden = !banner;
    panel.dark.hidden = !state.blind;
    panel.score.hidden = !several;
    if (several && one.t !== undefined) panel.score.textContent = standing(one);
  }

  tint(prompt) {
    if (!this.tints.has(prompt)) this.tints.set(prompt, TINTS[this.tints.size % TINTS.length]);
    return this.tints.get(prompt);
  }

  extend(all, state) {
    if (state.t === undefined) return;
    const key = state.task + state.episode + '/' + all.length;
    if (key !== this.key || state.t < this.lastT) this.curves = all.map(() => []);
    this.key = key;
    this.lastT = state.t;
    all.forEach((one, n) => {
      const curve = this.curves[n];
      if (one.t === undefined || (curve.length && curve[curve.length - 1].t >= one.t)) return;
      const { t, reward, distance, acted } = one;
      curve.push({ t, return: one.return, reward, distance: distance ?? 0, acted: acted || NO_PROMPT });
    });
    this.state = state;
    this.all = all;
    this.stale = true;
  }

  draw() {
    if (!this.stale || !this.state) return;
    this.stale = false;
    const { pen, width, height } = cleared(this.app.view.plot);
    const dim = getComputedStyle(this.app.root).getPropertyValue('--pg-dim'), steps = this.state.max_steps;
    const values = this.curves.flatMap((curve) => curve.map((p) => p[this.kind]));
    const low = Math.min(0, ...values), high = Math.max(1e-3, ...values);
    const x = (t) => (width * t) / steps, y = (v) => height - 14 - ((height - 28) * (v - low)) / (high - low);
    pen.font = '11px system-ui, sans-serif';
    pen.strokeStyle = pen.fillStyle = dim;
    pen.lineWidth = 1;
    pen.globalAlpha = 0.5;
    line(pen, 0, y(0), width, y(0));
    pen.globalAlpha = 1;
    for (let part = 0; part <= 4; part++) {
      const t = Math.round((steps * part) / 4);
      pen.textAlign = part === 0 ? 'left' : part === 4 ? 'right' : 'center';
      pen.fillText(t, x(t), height - 2);
    }
    pen.textAlign = 'left';
    pen.fillText(short(high), 2, 10);
    this.curves.forEach((curve) => this.drawCurve(pen, curve, x, y));
    this.all.forEach((one, n) => this.drawMarks(pen, one, n, x, height));
    pen.strokeStyle = dim;
    pen.lineWidth = 1;
    line(pen, x(this.state.t), 12, x(this.state.t), height - 14);
  }

  drawCurve(pen, curve, x, y) {
    pen.lineWidth = 2;
    pen.lineJoin = 'round';
    for (let i = 1, tint = null; i < curve.length; i++) {
      if (tint !== curve[i].acted) {
        if (tint !== null) pen.stroke();
        tint = curve[i].acted;
        pen.strokeStyle = this.tint(tint);
        pen.beginPath();
        pen.moveTo(x(curve[i - 1].t), y(curve[i - 1][this.kind]));
      }
      pen.lineTo(x(curve[i].t), y(curve[i][this.kind]));
      if (i === curve.length - 1) pen.stroke();
    }
  }

  drawMarks(pen, one, number, x, height) {
    for (const [t, prompt] of (one.history || []).slice(1)) {
      pen.save();
      pen.strokeStyle = pen.fillStyle = this.tint(prompt);
      pen.lineWidth = 1.5;
      pen.setLineDash([4, 3]);
      line(pen, x(t), 0, x(t), height - 14);
      pen.font = '600 11px system-ui, sans-serif';
      const text = label(prompt, this.state.task, this.app.own), room = pen.measureText(text).width + 6;
      const right = x(t) + room < pen.canvas.clientWidth;
      pen.textAlign = right ? 'left' : 'right';
      pen.fillText(text, x(t) + (right ? 4 : -4), 10 + 12 * number);
      pen.restore();
    }
  }
}

/** Which prompt counts, and whether it does so yet. */
function underTitle({ t, acted, prompt }, name) {
  const pending = t > 0 && (acted || NO_PROMPT) !== (prompt || NO_PROMPT);
  return (prompt === NO_PROMPT ? 'without a prompt' : 'prompt ' + name) + (pending ? ', from the next step' : '');
}

/** How one of several panels stands beside the first. */
function standing({ return: total, success, divergence }) {
  const apart = divergence === null || divergence === undefined ? '' : ` · differs ${divergence.toFixed(2)} bit`;
  return `return ${short(total)}${success ? ' · solved' : ''}${apart}`;
}

function line(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}
