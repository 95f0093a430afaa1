// The stage: one object that everything else hangs on, what arrives, and what is drawn at each frame of the screen.

import { Connection } from './socket.js';
import { Controls } from './controls.js';
import { Gallery } from './gallery.js';
import { Guide } from './guide.js';
import { Live, paint } from './live.js';
import { Player, Reels } from './reels.js';
import { Strip } from './strip.js';
import { Thoughts } from './thoughts.js';
import { label, parse } from './recipe.js';
import { readLink } from './share.js';

export async function start(element, base) {
  const root = element.querySelector('.pg');
  const named = (key) => Object.fromEntries([...root.querySelectorAll(`[data-${key}]`)].map((node) => [node.dataset[key], node]));
  const app = { root, base, state: {}, own: [], made: [], out: named('out'), view: named('view'), control: named('do') };
  const reels = new Reels(), player = new Player(reels);
  app.catalogue = await (await fetch(base + 'pg/catalogue')).json();

  let connection = null;
  app.send = (message) => connection.send(message);
  app.visitor = () => connection.visitor;
  app.swap = (prompt) => app.send({ prompt });
  app.choose = (name) => app.strip.append(name) || app.swap(name);
  app.open = (wish) => app.send({ open: wish });
  app.say = (text) => {
    app.out.kept.textContent = text;
  };

  const live = new Live(app), gallery = new Gallery(app, reels), thoughts = new Thoughts(app);
  app.live = live;
  app.gallery = gallery;
  app.strip = new Strip(app, reels, player);
  const guide = new Guide(app), controls = new Controls(app, player);
  controls.wirePull(live.panels[0].canvas);
  thoughts.context = app.catalogue.context || thoughts.context;

  function showState(state, pictures) {
    const before = app.state;
    app.state = state;
    live.show(state, pictures);
    thoughts.show(state);
    app.strip.showState(state);
    if (state.thoughts) app.strip.showAttention(state.thoughts.attention);
    controls.show(state);
    guide.show(state);
    if (state.task && state.task !== before.task) gallery.load(state.task);
    if (state.prompt !== before.prompt) gallery.mark(state.prompt);
  }

  function showMade(made) {
    app.made = made;
    reels.keep(new Set(made.flatMap(({ segments }) => segments.map(({ name }) => name))));
    player.load(made[0]);
    insets.length = 0;
    made.forEach((one) => {
      const inset = new Player(reels);
      inset.load(one);
      insets.push(inset);
    });
    app.strip.load(made[0]);
    app.out.reel.textContent = made[0].segments.length ? label(made[0].prompt, null, app.own) : 'no demonstration';
    if (!made[0].segments.length) app.view.reel.getContext('2d').clearRect(0, 0, app.view.reel.width, app.view.reel.height);
    app.demoMoved();
  }

  const insets = [];
  app.demoMoved = () => {
    const { moment, picture } = player;
    const reel = moment && reels.reels.get(moment.name);
    app.out.reelbanner.hidden = !moment || Boolean(picture);
    app.out.reelbanner.textContent = reel && reel.note && !reel.pictures.length ? 'no pictures' : 'drawing …';
    app.out.note.textContent = moment && !moment.observations ? 'the agent is shown the actions only' : (reel && reel.note) || '';
    app.out.reelstep.textContent = moment ? `${player.at + 1} / ${player.steps.length}${player.running ? '' : ' paused'}` : '';
    if (picture) paint(app.view.reel, picture);
    app.strip.stale = true;
  };

  function message(header, pictures) {
    if (header.live) showState(header.live, header.panels.map((number, n) => [number, pictures[n]]));
    if (header.reel) {
      reels.add(header.reel, pictures[0]);
      if (pictures[0] && header.reel.index === 0) app.demoMoved();
      if (header.reel.note) app.demoMoved();
      app.strip.stale = true;
    }
    if ('strip' in header) gallery.addStrip(header.strip, pictures[0]);
    if (header.made) showMade(header.made);
    if (header.controls) {
      thoughts.useControls(header.controls);
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
    },
    greet: (first, fresh) => {
      const wish = first && readLink();
      if (wish) app.open(wish);
      // A server that forgot us gets told where we were.
      else if (!first && fresh && app.state.task) app.open({ task: app.state.task, prompts: [app.state, ...app.state.others].map(({ prompt }) => (parse(prompt).cuts.some(({ name }) => name.startsWith('yours/')) ? 'none' : prompt)), seed: app.state.seed, agent: app.state.agent });
      gallery.ask();
    },
  });
  window.playground = { send: app.send, state: () => app.state, drop: () => connection.socket.close(), connections: () => connection.connections, frames: () => live.frames, attention: () => app.strip.attention, made: () => app.made };

  function frame(now) {
    requestAnimationFrame(frame);
    if (player.tick(now)) app.demoMoved();
    const first = live.panels[0];
    first.ghost.hidden = !(controls.ghost && player.picture);
    if (!first.ghost.hidden) paint(first.ghost, player.picture);
    const several = live.panels.length > 1;
    live.panels.forEach((panel, n) => {
      panel.inset.hidden = !several || !insets[n] || !insets[n].picture;
      if (!panel.inset.hidden && insets[n].tick(now)) paint(panel.inset, insets[n].picture);
    });
    live.draw();
    app.strip.draw();
  }
  requestAnimationFrame(frame);
}
