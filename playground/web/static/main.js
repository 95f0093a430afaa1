// The stage: one object that everything else hangs on, what arrives, and what is drawn at each frame of the screen.

import { AgentView } from './agent_view.js';
import { Clips } from './clips.js';
import { Controls } from './controls.js';
import { Demonstrations } from './demonstrations.js';
import { Gallery } from './gallery.js';
import { Guide } from './guide.js';
import { Live } from './live.js';
import { NO_PROMPT, parse } from './prompt_spec.js';
import { readLink } from './share.js';
import { Connection } from './socket.js';
import { PromptTimeline } from './timeline.js';

const READ_MS = 120;
/** How often the demonstration moves when no live picture comes; else both are painted together, at half the cost. */
const ALONE_MS = 66;
/** Changes of the state that are shown at once, not when it is time to read again. */
const SOON = ['task', 'prompt', 'agent', 'playing', 'speed', 'episode', 'error', 'busy', 'driving', 'recording'];
SOON.push('blind', 'camera', 'done');

export async function start(element, base) {
  const catalogue = await (await fetch(base + 'pg/catalogue')).json();
  const app = new App(element.querySelector('.pg'), base, catalogue);
  window.playground = handles(app);
  app.frame(performance.now());
}

/** What the page's parts share: the latest state, what can be sent, and the parts themselves. */
class App {
  constructor(root, base, catalogue) {
    const named = (key) => {
      const nodes = [...root.querySelectorAll(`[data-${key}]`)];
      return Object.fromEntries(nodes.map((node) => [node.dataset[key], node]));
    };
    Object.assign(this, { root, base, catalogue, out: named('out'), view: named('view'), control: named('do') });
    /** What the server said last; the prompt that was requested since; the visitor's own demonstrations. */
    Object.assign(this, { state: {}, requested: null, own: [], promptInfo: [] });
    /** The state that the screen shows, whether there is a newer one, and the agent's view that is still to show. */
    Object.assign(this, { read: {}, readAt: 0, unread: false, unseen: null, alone: 0 });
    this.clips = new Clips();
    this.live = new Live(this);
    this.gallery = new Gallery(this, this.clips);
    this.agentView = new AgentView(this);
    this.demonstrations = new Demonstrations(this, this.clips, this.live);
    this.timeline = new PromptTimeline(this, this.clips, this.demonstrations.player);
    this.guide = new Guide(this);
    this.controls = new Controls(this, this.demonstrations);
    this.controls.wirePull(this.live.panels[0].canvas);
    this.connection = this.connect();
    window.addEventListener('resize', () => (this.live.stale = this.timeline.stale = true));
  }

  connect() {
    return new Connection(this.base, {
      message: (header, pictures) => this.receive(header, pictures),
      link: (kind, text) => {
        this.out.link.dataset.state = kind;
        this.out.link.textContent = text;
        this.live.note(kind === 'live' ? '' : text);
      },
      hello: (first, fresh) => {
        const story = first && readLink();
        if (story) this.open(story);
        // A server that forgot us gets told where we were.
        else if (!first && fresh && this.state.task) this.open(whereWeWere(this.state));
        this.gallery.ask();
      },
    });
  }

  // What can be asked for

  send = (message) => this.connection.send(message);

  visitor() {
    return this.connection.visitor;
  }

  swap(prompt) {
    this.requested = prompt;
    this.send({ prompt });
  }

  /** A demonstration was chosen: it becomes the prompt, or is appended to it. */
  choose(name) {
    if (!this.timeline.append(name)) this.swap(name);
  }

  open(story) {
    this.send({ open: story });
  }

  say(text) {
    this.out.kept.textContent = text;
    this.out.kept.scrollIntoView({ block: 'nearest' });
  }

  // What arrives

  receive(header, pictures) {
    if (header.live) this.take(header.live, header.panels.map((number, n) => [number, pictures[n]]));
    if (header.clip) this.addClip(header.clip, pictures[0]);
    if ('thumbnails' in header) this.gallery.addThumbnails(header.thumbnails, pictures[0]);
    if (header.prompt_info) this.showPromptInfo(header.prompt_info);
    if (header.controls) this.useWorld(header);
    if (header.own) this.addOwn(header.own, header.new);
    if (header.missed) this.say('nothing there can be pulled');
    if (header.kept) this.controls.kept(header.kept);
  }

  /** Pictures and curves at once; what is to be read, some times a second. */
  take(state, pictures) {
    if (state.error || state.prompt !== this.state.prompt) this.requested = null; // it was answered
    this.state = state;
    this.unseen = state.agent_view || this.unseen;
    this.live.take(state, pictures);
    this.unread = true;
    this.frame(performance.now());
  }

  addClip(clip, picture) {
    this.clips.add(clip, picture);
    if ((picture && clip.index === 0) || clip.note) this.demonstrations.draw();
    this.timeline.stale = true;
  }

  /** @param {import('./clips.js').PromptInfo[]} prompts of all panels */
  showPromptInfo(prompts) {
    this.promptInfo = prompts;
    this.demonstrations.load(prompts);
    this.timeline.load(prompts[0]);
    this.demonstrations.draw();
  }

  useWorld({ controls, room, cameras }) {
    this.agentView.useControls(controls);
    this.agentView.room = room;
    this.controls.useControls(controls);
    this.controls.useCameras(cameras);
  }

  addOwn(own, added) {
    const changed = own.join() !== this.own.join();
    this.own = own;
    if (changed) this.gallery.render();
    if (!added) return;
    this.say('added to the gallery: your recording');
    this.swap(added[0]);
  }

  // What is drawn

  frame(now) {
    clearTimeout(this.alone);
    this.alone = setTimeout(() => requestAnimationFrame((then) => this.frame(then)), ALONE_MS);
    this.demonstrations.tick(now);
    if (now - this.readAt < READ_MS && !(this.unread && this.urgent)) return;
    this.readAt = now;
    this.out.clipstep.textContent = this.demonstrations.place;
    if (this.unread) this.show(this.state);
    this.live.draw();
    this.timeline.update();
  }

  get urgent() {
    return !this.state.playing || SOON.some((key) => this.state[key] !== this.read[key]);
  }

  show(state) {
    const { read } = this;
    this.live.show(state);
    this.agentView.show(state);
    this.timeline.showState(state);
    if (this.unseen) {
      this.agentView.think(state, this.unseen);
      this.timeline.look(this.unseen.attention);
      this.unseen = null;
    }
    this.controls.show(state);
    this.guide.show(state);
    if (state.task && state.task !== read.task) this.gallery.load(state.task).then(() => this.guide.show(this.state));
    if (state.prompt !== read.prompt) this.gallery.mark(state.prompt);
    this.read = state;
    this.unread = false;
  }
}

/** What to ask of a server that has forgotten us; it has forgotten our recordings too. */
function whereWeWere({ task, seed, agent, prompt, others }) {
  const isOwn = (text) => parse(text).cuts.some(({ name }) => name.startsWith('yours/'));
  const prompts = [prompt, ...others.map((other) => other.prompt)].map((text) => (isOwn(text) ? NO_PROMPT : text));
  return { task, prompts, seed, agent };
}

/** For tests and measurements. */
function handles(app) {
  return {
    send: app.send,
    state: () => app.state,
    drop: () => app.connection.socket.close(),
    actions: () => Object.keys(app.controls.act),
    connections: () => app.connection.connections,
    frames: () => app.live.frames,
    attention: () => app.timeline.attention,
    promptInfo: () => app.promptInfo,
    tint: (prompt) => app.live.tint(prompt),
    missing: () => app.gallery.missing.length + app.gallery.scoring + app.clips.missing(app.promptInfo),
  };
}
