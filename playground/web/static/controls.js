// Buttons, choosers, keys, driving, and what is kept and shared.

import { openReports } from './reports.js';
import { writeLink } from './share.js';
import { recall, remember } from './storage.js';

/** Where keys mean what they say. */
const TYPED = 'input:not([type=range]), textarea, select, [contenteditable=true], [role=listbox], dialog';

export class Controls {
  constructor(app, demonstrations) {
    const { bindings, labels } = app.catalogue.keys;
    Object.assign(this, { app, demonstrations, held: new Set(), driving: { keys: {} }, bindings, labels });
    this.act = {
      play: () => app.send({ playing: !app.state.playing }),
      step: () => app.send({ step: 1 }),
      reset: () => app.send({ reset: true }),
      new: () => app.send({ reset: Math.floor(Math.random() * 100000) }),
      rewind: () => app.send({ rewind: 10 }),
      slower: () => this.shift(-1),
      faster: () => this.shift(1),
      ghost: () => this.setGhost(!demonstrations.ghost),
      choose: (key) => {
        const name = app.gallery.nth(Number(key) - 1);
        if (name) app.choose(name);
      },
      compare: () => {
        const other = app.gallery.contrast(), last = (app.state.others || []).length;
        if (last) app.send({ drop: last });
        else if (other) app.send({ compare: other.name });
      },
      shuffle: () => app.timeline.toggle('shuffled'),
      reverse: () => app.timeline.toggle('reversed'),
      join: () => app.control.join.click(),
      noprompt: () => app.control.noprompt.click(),
      camera: () => {
        const { camera } = app.control;
        app.send({ camera: camera.options[(camera.selectedIndex + 1) % camera.options.length].value });
      },
      push: () => app.send({ push: true }),
      blind: () => app.send({ blind: !app.state.blind }),
      drive: () => app.send({ drive: !app.state.driving }),
      take: () => app.send({ take: true }),
      record: () => app.send({ record: !app.state.recording }),
      share: () => this.share(),
      help: () => app.out.help.showModal(),
      closehelp: () => app.out.help.close(),
      experiments: () => openReports(app),
      download: () => this.download(),
      upload: () => app.control.file.click(),
      theme: () => {
        const dark = document.body.classList.toggle('dark');
        remember('playground-theme', dark ? 'dark' : 'light');
        app.live.stale = app.timeline.stale = true;
      },
    };
    for (const [name, run] of Object.entries(this.act))
      if (app.control[name] && !app.control[name].onclick && app.control[name].tagName === 'BUTTON')
        app.control[name].onclick = () => {
          run();
          app.control[name].blur();
        };
    const theme = recall('playground-theme');
    if (theme) document.body.classList.toggle('dark', theme === 'dark');
    this.wireChoosers();
    this.wireKeys();
    app.control.file.onchange = () => this.upload(app.control.file.files[0]);
    app.view.clip.onclick = () => {
      demonstrations.player.running = !demonstrations.player.running;
      demonstrations.draw();
    };
    const plots = app.root.querySelectorAll('[data-plot]');
    for (const button of plots)
      button.onclick = () => {
        app.live.kind = button.dataset.plot;
        app.live.stale = true;
        for (const other of plots) other.setAttribute('aria-pressed', other === button);
      };
  }

  wireChoosers() {
    const { app } = this, { control, out, catalogue } = app;
    for (const domain of catalogue.domains) {
      const chip = document.createElement('button');
      chip.textContent = domain.name.replace('_', ' ');
      chip.dataset.domain = domain.name;
      chip.onclick = () => this.openTask(domain.first);
      out.domains.append(chip);
    }
    const agents = catalogue.agents.map((name) => new Option(name === 'model' ? 'the agent' : name, name));
    control.agent.replaceChildren(...agents);
    control.task.onchange = () => this.openTask(control.task.value);
    control.agent.onchange = () => app.send({ agent: control.agent.value });
    control.speed.onchange = () => {
      this.setSpeed(control.speed.value);
      control.speed.blur();
    };
    control.camera.onchange = () => {
      app.send({ camera: control.camera.value });
      control.camera.blur();
    };
    control.seed.onchange = () => {
      const seed = Number(control.seed.value);
      if (Number.isInteger(seed) && seed >= 0) app.send({ reset: seed });
      control.seed.blur();
    };
  }

  openTask(task) {
    const found = this.app.catalogue.domains.flatMap(({ tasks }) => tasks).find(({ id }) => id === task);
    this.app.open({ task, prompts: [found.prompts ? task + '#0' : 'none'], agent: this.app.state.agent });
  }

  setSpeed(value) {
    this.app.send({ speed: value === 'max' ? value : Number(value) });
  }

  shift(by) {
    const { options, selectedIndex } = this.app.control.speed;
    this.setSpeed(options[Math.min(options.length - 1, Math.max(0, selectedIndex + by))].value);
  }

  setGhost(on) {
    this.demonstrations.ghost = on;
    this.app.control.ghost.setAttribute('aria-pressed', on);
  }

  wireKeys() {
    const { app } = this;
    const actions = {};
    for (const { action, keys, label, help, group } of this.bindings) {
      for (const key of keys) actions[key] = action;
      this.listKey(label, help, group);
    }
    document.addEventListener('keydown', (event) => {
      if (event.target.closest(TYPED) || event.ctrlKey || event.metaKey || event.altKey) return;
      if (app.state.driving && event.key in this.driving.keys) {
        event.preventDefault();
        if (this.driving.turns) app.send({ press: event.key });
        else if (!event.repeat) this.hold(this.held.add(event.key));
        return;
      }
      if (event.repeat) return;
      const action = actions[event.key] || actions[event.key.toLowerCase()];
      if (!action) return;
      event.preventDefault();
      this.act[action](event.key);
    });
    document.addEventListener('keyup', (event) => {
      if (this.held.delete(event.key)) this.hold(this.held);
    });
    window.addEventListener('blur', () => {
      if (!this.held.size) return;
      this.held = new Set();
      this.hold(this.held);
    });
  }

  listKey(label, help, group) {
    const { keytable } = this.app.out, row = document.createElement('div');
    if (group !== this.group) {
      const heading = document.createElement('h3');
      heading.textContent = this.group = group;
      keytable.append(heading);
    }
    row.innerHTML = '<kbd></kbd><span></span>';
    row.firstChild.textContent = label;
    row.lastChild.textContent = help;
    keytable.append(row);
  }

  hold(held) {
    this.app.send({ held: [...held] });
  }

  useControls(controls) {
    this.driving = controls;
    this.app.out.keys.replaceChildren(
      ...Object.entries(controls.keys).map(([key, meaning]) => {
        const item = document.createElement('button');
        item.innerHTML = '<kbd></kbd> ';
        item.firstChild.textContent = this.labels[key] || key;
        item.append(meaning);
        item.onpointerdown = () => (controls.turns ? this.app.send({ press: key }) : this.hold(this.held.add(key)));
        item.onpointerup = item.onpointerleave = () => {
          if (this.held.delete(key)) this.hold(this.held);
        };
        return item;
      }),
    );
  }

  useCameras(cameras) {
    const { control } = this.app;
    control.camera.disabled = cameras.length < 2;
    control.camera.replaceChildren(...cameras.map((name) => new Option(name, name)));
  }

  /** Pulling with the mouse, over the first panel's picture. */
  wirePull(canvas) {
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      const side = Math.min(box.width / canvas.width, box.height / canvas.height);
      const x = (event.clientX - box.left - (box.width - side * canvas.width) / 2) / (side * canvas.width);
      const y = (event.clientY - box.top - (box.height - side * canvas.height) / 2) / (side * canvas.height);
      return [x, y].map((share) => Math.min(1, Math.max(0, share)));
    };
    let pulling = false;
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      pulling = true;
      this.app.send({ grab: place(event) });
    };
    canvas.onpointermove = (event) => pulling && this.app.send({ drag: place(event) });
    canvas.onpointerup = canvas.onpointercancel = () => {
      if (pulling) this.app.send({ release: true });
      pulling = false;
    };
  }

  show(state) {
    const { control, out, root, catalogue } = this.app;
    out.play.textContent = state.playing ? '❚❚ Pause' : '▶ Play';
    out.error.hidden = !state.error;
    out.error.textContent = state.error;
    control.speed.value = String(state.speed);
    if (state.camera) control.camera.value = state.camera;
    if (document.activeElement !== control.seed && state.seed !== undefined) control.seed.value = state.seed;
    if (document.activeElement !== control.agent) control.agent.value = state.agent;
    const pressed = { blind: state.blind, drive: state.driving, record: state.recording };
    for (const [name, on] of Object.entries(pressed)) control[name].setAttribute('aria-pressed', Boolean(on));
    control.record.firstChild.textContent = state.recording ? 'Stop recording' : 'Record mp4';
    out.keys.hidden = !state.driving;
    if (!state.task || state.task === this.task) return;
    this.task = state.task;
    const [domain] = state.task.split('/');
    const { tasks } = catalogue.domains.find(({ name }) => name === domain);
    const shown = ({ name, badge }) => name + (badge === 'held out' ? '  (held out)' : '');
    control.task.replaceChildren(...tasks.map((task) => new Option(shown(task), task.id)));
    control.task.value = state.task;
    for (const chip of out.domains.querySelectorAll('button'))
      chip.setAttribute('aria-pressed', chip.dataset.domain === domain);
    root.dataset.domain = domain;
  }

  async share() {
    const { app } = this, link = writeLink(app.state);
    history.replaceState(null, '', link.slice(link.indexOf('#')));
    const byHand = app.state.touched ? 'what you did by hand is' : '';
    const without = /[=:+]yours\//.test(link) ? 'your own recordings are' : byHand;
    const note = without && ` (${without} not in it)`;
    try {
      await navigator.clipboard.writeText(link);
      app.say('link copied' + note);
    } catch {
      app.say('the link is in the address bar' + note);
    }
  }

  async download() {
    const answer = await fetch(this.app.base + 'pg/episode/' + this.app.visitor());
    if (!answer.ok) return this.app.say((await answer.json()).error || 'there is nothing to download yet');
    const name = answer.headers.get('content-disposition').match(/filename="(.+)"/)[1];
    this.offer(URL.createObjectURL(await answer.blob()), name);
  }

  kept(name) {
    this.offer(this.app.base + 'pg/kept/' + this.app.visitor() + '/' + name, name);
  }

  offer(url, name) {
    const link = document.createElement('a');
    Object.assign(link, { href: url, download: name, textContent: name });
    this.app.out.kept.replaceChildren('saved: ', link);
    link.click();
  }

  async upload(file) {
    const { app } = this;
    if (!file) return;
    app.control.file.value = '';
    try {
      const answer = await fetch(app.base + 'pg/upload/' + app.visitor(), { method: 'POST', body: file });
      const result = await answer.json();
      if (!answer.ok) app.say(result.error || result.detail);
    } catch {
      app.say('the upload failed; is the server still there?');
    }
  }
}
