// What the agent thinks: numbers, the distribution of its action, how full its context is.

import { percent, short } from './live.js';

const ROW =
  '<span></span><div class="pg-hist"><canvas width="32" height="1"></canvas>' +
  '<i class="pg-proposed"></i><i class="pg-executed"></i></div>';

export class AgentView {
  constructor(app) {
    Object.assign(this, { app, controls: { names: [], discrete: false }, rows: [], room: 1 });
  }

  useControls(controls) {
    this.controls = controls;
    this.build(controls.names.length);
  }

  show(state) {
    const { out } = this.app;
    if (state.t === undefined) return;
    out.t.textContent = state.t + ' / ' + state.max_steps;
    out.return.textContent = short(state.return);
    out.score.textContent = state.score === null ? '–' : percent(state.score);
    out.success.textContent = state.success === null ? '–' : state.success ? 'yes' : 'not yet';
    out.success.dataset.good = state.success === true;
    out.latency.textContent = state.latency_ms === null ? '–' : state.latency_ms.toFixed(1) + ' ms';
    const timed = state.playing && state.ratio !== null;
    out.ratio.textContent = timed ? `${state.ratio.toFixed(2)}× · ${state.drawn_fps}/s` : '–';
    out.ratio.dataset.slow = timed && typeof state.speed === 'number' && state.ratio < 0.9 * state.speed;
    out.entropy.textContent = state.entropy === null ? 'no distribution' : state.entropy.toFixed(1) + ' bit';
    out.goal.textContent = out.goal.title = state.goal === null ? 'none of its own' : state.goal;
    out.subtask.textContent = out.subtask.title = state.subtask === null ? '' : 'the agent now: ' + state.subtask;
    const away = state.distance === null ? '' : ` · ${state.distance.toFixed(2)} away`;
    out.achieved.textContent = state.achieved === null ? '' : 'so far ' + state.achieved + away;
    this.showContext(state.prompt_steps || 0, state.live_steps || 0);
  }

  /** How full the context is. */
  showContext(prompt, live) {
    const { room } = this, { context, contexttext } = this.app.out, [first, second] = context.children;
    first.style.width = (100 * prompt) / room + '%';
    second.style.width = (100 * live) / room + '%';
    contexttext.textContent = live ? `${prompt} prompt + ${live} live of ${room}` : '–';
  }

  /** What comes now and then: the distribution, and how much it looks at the prompt. */
  think(state, { distribution, attention }) {
    const { out } = this.app;
    out.look.textContent = attention ? percent(attention.reduce((sum, weight) => sum + weight, 0)) : '–';
    this.controls.discrete ? this.showChoices(state, distribution) : this.showDimensions(state, distribution);
  }

  build(size) {
    this.rows = Array.from({ length: size }, (_, n) => {
      const row = document.createElement('div');
      row.innerHTML = ROW;
      row.firstChild.textContent = this.controls.names[n] || String(n);
      return row;
    });
    this.app.out.distribution.classList.toggle('pg-choices', this.controls.discrete);
    this.app.out.distribution.replaceChildren(...this.rows);
  }

  showChoices(state, distribution) {
    this.rows.forEach((row, n) => {
      const share = distribution ? distribution[0][n] : state.proposed && state.proposed[0] === n ? 1 : 0;
      row.style.setProperty('--share', share);
      row.dataset.done = state.action !== null && state.action[0] === n;
      row.dataset.proposed = state.proposed !== null && state.proposed[0] === n;
      row.title = `${row.firstChild.textContent}: ${percent(share)}`;
    });
  }

  showDimensions(state, distribution) {
    this.rows.forEach((row, n) => {
      const [canvas, proposed, executed] = row.lastChild.children;
      const pen = canvas.getContext('2d');
      pen.clearRect(0, 0, canvas.width, 1);
      if (distribution?.[n]) {
        const shares = distribution[n], most = Math.max(...shares, 1e-6);
        if (canvas.width !== shares.length) canvas.width = shares.length;
        shares.forEach((share, bin) => {
          pen.fillStyle = `rgb(59 130 246 / ${Math.sqrt(share / most)})`;
          pen.fillRect(bin, 0, 1, 1);
        });
      }
      place(proposed, state.proposed?.[n]);
      place(executed, state.action?.[n]);
      row.title = state.action ? `${row.firstChild.textContent}: ${state.action[n]}` : '';
    });
  }
}

function place(mark, value) {
  mark.hidden = value === null || value === undefined;
  if (!mark.hidden) mark.style.left = 50 + 50 * value + '%';
}
