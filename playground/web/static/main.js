// The stage: one object that everything else hangs on, what arrives, and what is drawn at each frame of the screen.

import { Connection } from './socket.js';
import { Controls } from './controls.js';
import { Gallery } from './gallery.js';
import { Guide } from './guide.js';
import { Live, paint } from './live.js';
import { ClipPlayer, Clips } from './clips.js';
import { PromptTimeline } from './timeline.js';
import { AgentView } from './agent_view.js';
import { NO_PROMPT, label, parse } from './prompt_spec.js';
import { readLink } from './share.js';

const READ_MS = 120;
/** How often the demonstration moves when no live picture comes; else both are painted together, at half the cost. */
const ALONE_MS = 66;
/** Changes of the state that are shown at once, not when it is time to read again. */
const SOON = ['task', 'prompt', 'agent', 'playing', 'speed', 'episode', 'error', 'busy', 'driving', 'recording'];
SOON.push('blind', 'camera', 'done');

/** What to ask of a server that has forgotten us; it has forgotten our recordings too. */
function whereWeWere({ task, seed, agent, prompt, others }) {
  const isOwn = (text) => parse(text).cuts.some(({ name }) => name.startsWith('yours/'));
  const prompts = [prompt, ...others.map((other) => other.prompt)].map((text) => (isOwn(text) ? NO_PROMPT : text));
  return { task, prompts, seed, agent };
}

export async function start(element, base) {
  const root = element.querySelector('.pg');
  const named = (key) => {
    const nodes = [...root.querySelectorAll(`[data-${key}]`)];
    return Object.fromEntries(nodes.map((node) => [node.dataset[key], node]));
  };
  const app = { root, base, state: {}, own: [], promptInfo: [] };
  Object.assign(app, { out: named('out'), view: named('view'), control: named('do') });
  const clips = new Clips(), player = new ClipPlayer(clips);
  app.catalogue = await (await fetch(base + 'pg/catalogue')).json();

  let connection = null;
  app.send = (message) => connection.send(message);
  app.visitor = () => connection.visitor;
  app.swap = (prompt) => {
    app.requested = prompt;
    app.send({ prompt });
  };
  app.choose = (name) => app.timeline.append(name) || app.swap(name);
  app.open = (story) => app.send({ open: story });
  app.say = (text) => {
    app.out.kept.textContent = text;
    app.out.kept.scrollIntoView({ block: 'nearest' });
  };

  const live = new Live(app), gallery = new Gallery(app, clips), agentView = new AgentView(app);
  app.live = live;
  app.gallery = gallery;
  app.timeline = new PromptTimeline(app, clips, player);
  const guide = new Guide(app), controls = new Controls(app, player);
  controls.wirePull(live.panels[0].canvas);

  let unread = false, mind = null, readAt = 0, shownClip = null;

  /** Pictures and curves at once; what is to be read, some times a second. */
  function take(state, pictures) {
    if (state.error || state.prompt !== app.state.prompt) app.requested = null; // it was answered
    app.state = state;
    mind = state.agent_view || mind;
    live.take(state, pictures);
    unread = true;
    frame(performance.now());
  }

  let read = {};
  function show(state) {
    live.show(state);
    agentView.show(state);
    app.timeline.showState(state);
    if (mind) {
      agentView.think(state, mind);
      app.timeline.look(mind.attention);
      mind = null;
    }
    controls.show(state);
    guide.show(state);
    if (state.task && state.task !== read.task) gallery.load(state.task).then(() => guide.show(app.state));
    if (state.prompt !== read.prompt) gallery.mark(state.prompt);
    read = state;
    unread = false;
  }

  const urgent = (state) => !state.playing || SOON.some((key) => state[key] !== read[key]);

  function showPromptInfo(info) {
    app.promptInfo = info;
    clips.keep(new Set(info.flatMap(({ segments }) => segments.map(({ name }) => name))));
    player.load(info[0]);
    insets.length = 0;
    info.forEach((one) => {
      const inset = new ClipPlayer(clips);
      inset.load(one);
      insets.push(inset);
    });
    app.timeline.load(info[0]);
    const { view, out } = app, shown = info[0].segments.length > 0;
    out.clip.textContent = shown ? label(info[0].prompt, null, app.own) : 'no demonstration';
    if (!shown) view.clip.getContext('2d').clearRect(0, 0, view.clip.width, view.clip.height);
    app.demoMoved();
  }

  const insets = [];
  app.demoMoved = () => {
    const { moment, picture } = player;
    const clip = moment && clips.clips.get(moment.name);
    app.out.clipbanner.hidden = !moment || Boolean(picture);
    app.out.clipbanner.textContent = clip?.note && !clip.pictures.length ? 'no pictures' : 'drawing …';
    const hidden = moment && !moment.observations;
    app.out.note.textContent = hidden ? 'the agent is shown the actions only' : clip?.note || '';
    shownClip = picture;
    if (picture) paint(app.view.clip, picture);
    if (picture) live.panels[0].ghost.hidden || paint(live.panels[0].ghost, picture);
    app.timeline.move();
  };

  function message(header, pictures) {
    if (header.live) take(header.live, header.panels.map((number, n) => [number, pictures[n]]));
    if (header.clip) {
      clips.add(header.clip, pictures[0]);
      if (pictures[0] && header.clip.index === 0) app.demoMoved();
      if (header.clip.note) app.demoMoved();
      app.timeline.stale = true;
    }
    if ('thumbnails' in header) gallery.addThumbnails(header.thumbnails, pictures[0]);
    if (header.prompt_info) showPromptInfo(header.prompt_info);
    if (header.controls) {
      agentView.useControls(header.controls);
      agentView.room = header.room;
      controls.useControls(header.controls);
      controls.useCameras(header.cameras);
    }
    if (header.own) {
      const changed = header.own.join() !== app.own.join();
      app.own = header.own;
      if (changed) gallery.render();
      if (header.new) {
        app.say('added to the gallery: your recording');
        app.swap(header.new[0]);
      }
    }
    if (header.missed) app.say('nothing there can be pulled');
    if (header.kept) controls.kept(header.kept);
  }

  connection = new Connection(base, {
    message,
    link: (kind, text) => {
      app.out.link.dataset.state = kind;
      app.out.link.textContent = text;
      live.note(kind === 'live' ? '' : text);
    },
    hello: (first, fresh) => {
      const story = first && readLink();
      if (story) app.open(story);
      // A server that forgot us gets told where we were.
      else if (!first && fresh && app.state.task) app.open(whereWeWere(app.state));
      gallery.ask();
    },
  });
  window.playground = {
    send: app.send,
    state: () => app.state,
    drop: () => connection.socket.close(),
    actions: () => Object.keys(controls.act),
    connections: () => connection.connections,
    frames: () => live.frames,
    attention: () => app.timeline.attention,
    promptInfo: () => app.promptInfo,
    tint: (prompt) => live.tint(prompt),
    missing: () => gallery.missing.length + gallery.scoring + clips.missing(app.promptInfo),
  };

  let alone = 0;
  function frame(now) {
    clearTimeout(alone);
    alone = setTimeout(() => requestAnimationFrame(frame), ALONE_MS);
    if (player.tick(now) && player.picture !== shownClip) app.demoMoved();
    const first = live.panels[0], ghost = controls.ghost && player.picture;
    if (first.ghost.hidden === Boolean(ghost)) {
      first.ghost.hidden = !ghost;
      if (ghost) paint(first.ghost, player.picture);
    }
    const several = live.panels.length > 1;
    live.panels.forEach((panel, n) => {
      const inset = several && insets[n]?.picture;
      panel.inset.hidden = !inset;
      if (!inset || !(insets[n].tick(now) | (panel.shownInset !== inset))) return;
      panel.shownInset = insets[n].picture;
      paint(panel.inset, panel.shownInset);
    });
    if (now - readAt < READ_MS && !(unread && urgent(app.state))) return;
    readAt = now;
    const place = `${player.at + 1} / ${player.steps.length}${player.running ? '' : ' paused'}`;
    app.out.clipstep.textContent = player.moment ? place : '';
    if (unread) show(app.state);
    live.draw();
    app.timeline.update();
  }
  frame(performance.now());
  window.addEventListener('resize', () => (live.stale = app.timeline.stale = true));
}
