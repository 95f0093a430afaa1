// Pictures of demonstrations, as they arrive; and which of them a prompt shows at its k-th timestep.

export class Clips {
  constructor() {
    this.clips = new Map();
    this.thumbnails = new Map();
  }

  add(news, bitmap) {
    let clip = this.clips.get(news.name);
    if (!clip) {
      clip = { pictures: [] };
      this.clips.set(news.name, clip);
    }
    const { index, ...about } = news;
    Object.assign(clip, about);
    if (bitmap && clip.pictures[index]) bitmap.close();
    else if (bitmap) clip.pictures[index] = bitmap;
  }

  keep(names) {
    for (const [name, clip] of this.clips)
      if (!names.has(name)) {
        clip.pictures.forEach((picture) => picture.close());
        this.clips.delete(name);
      }
  }

  /** Pictures of the prompts' demonstrations that have not come. */
  missing(info) {
    const names = new Set(info.flatMap(({ segments }) => segments.map(({ name }) => name)));
    const missing = (clip) => (clip ? clip.total - clip.pictures.length : 1);
    return [...names].reduce((sum, name) => sum + missing(this.clips.get(name)), 0);
  }

  /** The picture of a demonstration nearest to a step; undefined until it is there. */
  at(name, step) {
    const clip = this.clips.get(name);
    if (!clip?.pictures.length) return undefined;
    return clip.pictures[Math.min(Math.round(step / clip.stride), clip.pictures.length - 1)];
  }
}

/**
 * What the server tells of a prompt, see `prompt_info.py`; without a reading where the model does not act.
 * @typedef {{ name: string, steps: number[], observations: boolean, actions: boolean }} Segment
 * @typedef {{ score: number, percentile: number, out_of_distribution: boolean, nearest: string }} OODScore
 * @typedef {{ prompt: string, segments: Segment[], reads: boolean }} Shown
 * @typedef {Shown & { read?: number[], goal?: string, ood?: OODScore | null }} PromptInfo
 */

/**
 * The timesteps of a prompt one after the other.
 * @param {PromptInfo | undefined} info
 * @returns {{ name: string, step: number, observations: boolean, actions: boolean }[]}
 */
export function timesteps(info) {
  const segments = info ? info.segments : [];
  return segments.flatMap(({ steps, ...segment }) => steps.map((step) => ({ ...segment, step })));
}

/** Plays a prompt's timeline on a canvas at the demonstration's own speed. */
export class ClipPlayer {
  constructor(clips) {
    Object.assign(this, { clips, steps: [], at: 0, running: true, shownAt: 0, prompt: null });
  }

  load(info) {
    if (info && info.prompt === this.prompt) return;
    Object.assign(this, { steps: timesteps(info), at: 0, running: true, prompt: info ? info.prompt : null });
  }

  get moment() {
    return this.steps[this.at];
  }

  get picture() {
    return this.moment && this.clips.at(this.moment.name, this.moment.step);
  }

  /** Moves on if it is time; says whether there is something new to draw. */
  tick(now) {
    const clip = this.moment && this.clips.clips.get(this.moment.name);
    if (!clip?.pictures.length) return false;
    const gap = 1000 / (clip.fps * clip.stride);
    if (!this.running || now - this.shownAt < gap) return false;
    if (this.at === this.steps.length - 1 && now - this.shownAt < 800) return false;
    const passed = Math.min(8, Math.max(1, Math.floor((now - this.shownAt) / gap)));
    this.at = this.at === this.steps.length - 1 ? 0 : Math.min(this.at + passed, this.steps.length - 1);
    this.shownAt = now;
    return true;
  }
}
