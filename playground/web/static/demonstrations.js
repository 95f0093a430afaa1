// The prompts' demonstrations on the screen: the first one beside the live view and as a ghost over it, and each in a
// corner of its own panel where several are compared.

import { ClipPlayer } from './clips.js';
import { paint } from './live.js';
import { label } from './prompt_spec.js';

export class Demonstrations {
  constructor(app, clips, live) {
    Object.assign(this, { app, clips, live, player: new ClipPlayer(clips), insets: [], drawn: null, ghost: false });
  }

  /** @param {import('./clips.js').PromptInfo[]} prompts of all panels */
  load(prompts) {
    const { view, out, own } = this.app, [first] = prompts, shown = first.segments.length > 0;
    this.clips.keep(new Set(prompts.flatMap(({ segments }) => segments.map(({ name }) => name))));
    this.player.load(first);
    this.insets = prompts.map((prompt) => {
      const inset = new ClipPlayer(this.clips);
      inset.load(prompt);
      return inset;
    });
    out.clip.textContent = shown ? label(first.prompt, null, own) : 'no demonstration';
    if (!shown) view.clip.getContext('2d').clearRect(0, 0, view.clip.width, view.clip.height);
  }

  /** Draws the moment that is shown, and says what is special about it. */
  draw() {
    const { moment, picture } = this.player, { out, view, timeline } = this.app, { ghost } = this.live.panels[0];
    const clip = moment && this.clips.clips.get(moment.name);
    out.clipbanner.hidden = !moment || Boolean(picture);
    out.clipbanner.textContent = clip?.note && !clip.pictures.length ? 'no pictures' : 'drawing …';
    const hidden = moment && !moment.observations;
    out.note.textContent = hidden ? 'the agent is shown the actions only' : clip?.note || '';
    this.drawn = picture;
    if (picture) paint(view.clip, picture);
    if (picture && !ghost.hidden) paint(ghost, picture);
    timeline.move();
  }

  /** What is new at this frame of the screen. */
  tick(now) {
    if (this.player.tick(now) && this.player.picture !== this.drawn) this.draw();
    this.tickGhost();
    this.live.panels.forEach((panel, n) => this.tickInset(panel, this.insets[n], now));
  }

  tickGhost() {
    const { ghost } = this.live.panels[0], wanted = this.ghost && this.player.picture;
    if (ghost.hidden !== Boolean(wanted)) return;
    ghost.hidden = !wanted;
    if (wanted) paint(ghost, wanted);
  }

  tickInset(panel, inset, now) {
    const picture = this.live.panels.length > 1 && inset?.picture;
    panel.inset.hidden = !picture;
    if (!picture) return;
    const moved = inset.tick(now);
    if (!moved && panel.shownInset === picture) return;
    panel.shownInset = inset.picture;
    paint(panel.inset, panel.shownInset);
  }

  /** Which moment is shown, in words. */
  get place() {
    const { at, steps, running, moment } = this.player;
    return moment ? `${at + 1} / ${steps.length}${running ? '' : ' paused'}` : '';
  }
}
