// Pictures of demonstrations, as they arrive; and which of them a prompt shows at its k-th timestep.

export class Reels {
  constructor() {
    this.reels = new Map();
    this.strips = new Map();
  }

  add(news, bitmap) {
    let reel = this.reels.get(news.name);
    if (!reel) {
      reel = { pictures: [] };
      this.reels.set(news.name, reel);
    }
    const { index, ...about } = news;
    Object.assign(reel, about);
    if (bitmap && reel.pictures[index]) bitmap.close();
    else if (bitmap) reel.pictures[index] = bitmap;
  }

  keep(names) {
    for (const [name, reel] of this.reels)
      if (!names.has(name)) {
        reel.pictures.forEach((picture) => picture.close());
        this.reels.delete(name);
      }
  }

  /** Pictures of the prompts' demonstrations that have not come. */
  missing(made) {
    const names = new Set(made.flatMap(({ segments }) => segments.map(({ name }) => name)));
    return [...names].reduce((sum, name) => sum + (this.reels.has(name) ? this.reels.get(name).total - this.reels.get(name).pictures.length : 1), 0);
  }

  /** The picture of a demonstration nearest to a step; undefined until it is there. */
  at(name, step) {
    const reel = this.reels.get(name);
    if (!reel?.pictures.length) return undefined;
    return reel.pictures[Math.min(Math.round(step / reel.stride), reel.pictures.length - 1)];
  }
}

/** The timesteps of a prompt one after the other, from what the server says it is made of. */
export function timeline(made) {
  const steps = [];
  for (const segment of made ? made.segments : [])
    for (const step of segment.steps) steps.push({ name: segment.name, step, observations: segment.observations, actions: segment.actions });
  return steps;
}

/** Plays a prompt's timeline on a canvas at the demonstration's own speed. */
export class Player {
  constructor(reels) {
    Object.assign(this, { reels, steps: [], at: 0, running: true, shownAt: 0, prompt: null });
  }

  load(made) {
    if (made && made.prompt === this.prompt) return;
    Object.assign(this, { steps: timeline(made), at: 0, running: true, prompt: made ? made.prompt : null });
  }

  get moment() {
    return this.steps[this.at];
  }

  get picture() {
    return this.moment && this.reels.at(this.moment.name, this.moment.step);
  }

  /** Moves on if it is time; says whether there is something new to draw. */
  tick(now) {
    const reel = this.moment && this.reels.reels.get(this.moment.name);
    if (!reel?.pictures.length) return false;
    const gap = 1000 / (reel.fps * reel.stride);
    if (!this.running || now - this.shownAt < gap) return false;
    if (this.at === this.steps.length - 1 && now - this.shownAt < 800) return false;
    const passed = Math.min(8, Math.max(1, Math.floor((now - this.shownAt) / gap)));
    this.at = this.at === this.steps.length - 1 ? 0 : Math.min(this.at + passed, this.steps.length - 1);
    this.shownAt = now;
    return true;
  }
}
