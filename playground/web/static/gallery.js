// The demonstrations to choose from: cards with thumbnails, which are asked for as they scroll into view.

import { parse } from './prompt_spec.js';
import { short } from './live.js';

const OOD = 'out of distribution';

const CARD =
  '<button class="pg-swap"><span class="pg-thumbnails"></span><span class="pg-cap"><b></b><i></i></span></button>' +
  '<button class="pg-plus" title="compare side by side">vs</button>';

/** A demonstration's length, and its return where nothing is to be solved. */
function sizeOf({ length, success, return: total }) {
  if (length === undefined) return '';
  return `${length} steps` + (success === null ? ' · ' + short(total) : '');
}

export class Gallery {
  constructor(app, clips) {
    Object.assign(this, { app, clips, groups: [], wanted: new Set(), cards: new Map(), ood: new Set(), scoring: 0 });
    this.watcher = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) if (isIntersecting) this.want(target.dataset.name);
    }, { root: null, rootMargin: '80px' });
  }

  async load(task) {
    if (task === this.task) return;
    this.task = task;
    this.groups = [];
    this.render();
    const answer = await fetch(this.app.base + 'pg/gallery?task=' + encodeURIComponent(task));
    if (task !== this.task || !answer.ok) return;
    this.groups = await answer.json();
    this.render();
    if (this.app.state.agent === 'model') this.score(task);
  }

  /** Marks what is out of distribution; it takes the agent a moment to read them all. */
  async score(task) {
    this.scoring += 1;
    const asked = fetch(this.app.base + 'pg/ood?task=' + encodeURIComponent(task));
    const answer = await asked.finally(() => (this.scoring -= 1));
    if (!answer.ok) return;
    for (const name of await answer.json()) {
      if (this.ood.has(name)) continue;
      this.ood.add(name);
      if (this.cards.has(name)) this.badge(this.cards.get(name), OOD);
    }
  }

  badge(card, text) {
    const badge = document.createElement('em');
    badge.className = 'pg-badge';
    badge.dataset.kind = badge.textContent = text;
    card.querySelector('.pg-thumbnails').append(badge);
  }

  render() {
    const { out, own, state } = this.app, box = out.gallery;
    this.watcher.disconnect();
    this.wanted.clear();
    this.cards.clear();
    box.replaceChildren();
    const recordings = own.map((name, n) => ({ name, title: 'recording ' + (n + 1), badge: 'yours' }));
    if (recordings.length) box.append(this.group('yours', recordings));
    for (const { title, cards } of this.groups) box.append(this.group(title, cards));
    this.mark(state.prompt);
  }

  group(title, cards) {
    const section = document.createElement('section');
    section.setAttribute('role', 'listitem');
    const head = document.createElement('h3');
    head.textContent = title;
    section.append(head, ...cards.map((about) => this.card(about)));
    return section;
  }

  /**
   * @param {{ name: string, title?: string, badge?: string | null, task?: string, goal?: string | null,
   *   length?: number, return?: number, success?: boolean | null, foreign?: boolean }} about
   */
  card(about) {
    const [task, number] = about.name.split('#');
    const title = about.title || (task === this.task ? '' : task.split('/').pop() + ' ') + '#' + number;
    const goal = about.goal ? ' · ' + about.goal : '';
    const card = document.createElement('div');
    card.className = 'pg-card';
    card.dataset.name = about.name;
    card.innerHTML = CARD;
    card.querySelector('b').textContent = title + goal;
    card.querySelector('i').textContent = sizeOf(about);
    this.wireCard(card, about, title, goal);
    for (const text of this.badges(about)) this.badge(card, text);
    this.cards.set(about.name, card);
    if (this.clips.thumbnails.has(about.name)) this.picture(card, this.clips.thumbnails.get(about.name));
    else this.watcher.observe(card);
    return card;
  }

  wireCard(card, about, title, goal) {
    const swap = card.querySelector('.pg-swap'), plus = card.querySelector('.pg-plus');
    const size = about.length === undefined ? '' : `${about.length} steps, return ${short(about.return)}`;
    swap.setAttribute('aria-label', `prompt ${title}${goal}`);
    swap.title = `${about.task || 'yours'}${goal}: ${size}`;
    swap.onclick = () => this.app.choose(about.name);
    plus.setAttribute('aria-label', `compare with ${title}`);
    plus.onclick = () => this.app.send({ compare: about.name });
  }

  badges({ name, badge, task, foreign }) {
    const domain = (id) => id.split('/')[0];
    const other = foreign ? (domain(task) === domain(this.task) ? 'other body' : 'other domain') : null;
    return [badge, other, this.ood.has(name) ? OOD : null].filter(Boolean);
  }

  want(name) {
    if (this.clips.thumbnails.has(name) || this.wanted.has(name)) return;
    this.wanted.add(name);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), 120);
  }

  /** What is wanted and has not come. */
  get missing() {
    return [...this.wanted].filter((name) => !this.clips.thumbnails.has(name));
  }

  /** Asks for what is missing; again after a lost connection. */
  ask() {
    if (this.missing.length) this.app.send({ thumbnails: this.missing.slice(-40) });
  }

  addThumbnails(name, url) {
    this.clips.thumbnails.set(name, url);
    const card = this.cards.get(name);
    if (card) this.picture(card, url);
  }

  picture(card, url) {
    if (url) card.querySelector('.pg-thumbnails').style.backgroundImage = `url(${url})`;
    else card.querySelector('.pg-thumbnails').dataset.none = 'no pictures';
  }

  mark(prompt) {
    const names = new Set(parse(prompt).cuts.map((cut) => cut.name));
    for (const [name, card] of this.cards) card.setAttribute('aria-current', names.has(name));
  }

  /** The n-th card's name, as the number keys mean it. */
  nth(n) {
    return [...this.cards.keys()][n];
  }

  /** A demonstration that contrasts with the present one: of the same world and another task, if there is one. */
  contrast() {
    if (this.task !== this.app.state.task) return undefined;
    const group = this.groups.find(({ title }) => title.startsWith('same world')) || this.groups[0];
    const now = new Set(parse(this.app.state.prompt).cuts.map((cut) => cut.name));
    return group?.cards.find(({ name }) => !now.has(name));
  }
}
