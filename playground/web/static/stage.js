// The stage: draws what the server sends over one websocket, and sends back the controls.
// A message is 4 bytes length, JSON, and perhaps a JPEG; each is acknowledged once it is on screen.

const one = (selector) => element.querySelector(selector);
const out = Object.fromEntries([...element.querySelectorAll('[data-out]')].map((node) => [node.dataset.out, node]));
const view = Object.fromEntries([...element.querySelectorAll('[data-view]')].map((node) => [node.dataset.view, node]));
const control = Object.fromEntries([...element.querySelectorAll('[data-do]')].map((node) => [node.dataset.do, node]));
const TINTS = ['#f97316', '#3b82f6', '#10b981', '#a855f7', '#e11d48', '#eab308'];

let socket = null;
let visitor = '';
let state = {};
let unsent = [];
let retry = 500;
let inOrder = Promise.resolve();
let connections = 0;

function send(message) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  else unsent.push(message);
}
window.playground = { send, state: () => state, drop: () => socket.close(), connections: () => connections };

function connect() {
  const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
  const base = location.pathname.replace(/[^/]*$/, '');
  socket = new WebSocket(scheme + '//' + location.host + base + 'stage?visitor=' + encodeURIComponent(visitor));
  socket.binaryType = 'arraybuffer';
  socket.onmessage = ({ data }) => {
    // One after the other: a message without picture must not overtake one whose picture is still being decoded.
    inOrder = inOrder.then(() => (typeof data === 'string' ? greet(JSON.parse(data)) : receive(data))).catch(console.error);
  };
  socket.onclose = () => {
    if (out.link.dataset.state !== 'full') link('lost', 'connection lost, trying again …');
    setTimeout(connect, retry);
    retry = Math.min(retry * 2, 8000);
  };
}

function link(kind, text) {
  out.link.dataset.state = kind;
  out.link.textContent = text;
}

function greet(hello) {
  if (hello.full) return link('full', hello.full);
  retry = 500;
  connections += 1;
  link('live', 'connected');
  // A server that forgot us gets told where we were.
  if (visitor && hello.visitor !== visitor && state.task)
    send({ agent: state.agent, task: state.task, prompt: state.prompt });
  visitor = hello.visitor;
  if (document.hidden) send({ visible: false });
  unsent.splice(0).forEach(send);
}

async function receive(data) {
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const jpeg = data.byteLength > 4 + length ? new Blob([new Uint8Array(data, 4 + length)], { type: 'image/jpeg' }) : null;
  try {
    const bitmap = jpeg && (await createImageBitmap(jpeg));
    if (header.live) showLive(header.live, bitmap);
    if (header.reel) addToReel(header.reel, bitmap);
  } finally {
    if (socket.readyState === WebSocket.OPEN) socket.send('{"ack": true}');
  }
}

// ---- the live view

function paint(canvas, bitmap) {
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  canvas.getContext('2d').drawImage(bitmap, 0, 0);
}

const percent = (x) => Math.round(100 * x) + ' %';
const short = (x) => (Math.abs(x) >= 1000 ? Math.round(x).toString() : x.toFixed(2));
const shortName = (name) => (name ? name.split('/').pop() : 'no prompt');

function showLive(now, bitmap) {
  state = now;
  if (bitmap) paint(view.live, bitmap);
  out.play.textContent = now.playing ? '❚❚ Pause' : '▶ Play';
  out.title.textContent = (now.agent === 'model' ? 'agent' : now.agent) + ' in ' + now.task.split('/').pop();
  out.error.hidden = !now.error;
  out.error.textContent = now.error;
  control.speed.value = String(now.speed);
  if (document.activeElement !== control.seed) control.seed.value = now.seed;
  const ended = now.done ? (now.success ? 'solved' : 'episode over') : '';
  const banner = now.busy || ended || (now.playing ? '' : 'paused');
  out.banner.textContent = banner;
  out.banner.hidden = !banner;
  const pending = now.t > 0 && (now.acted || 'none') !== (now.prompt || 'none');
  const own = now.prompt && now.prompt.split('#')[0] === now.task;
  const name = own ? '#' + now.prompt.split('#')[1] : shortName(now.prompt);
  out.under.textContent = 'prompt ' + name + (pending ? ', from the next step' : '');
  if (!now.prompt || now.prompt === 'none') {
    if (reel.name !== null) clearReel(null, 'no demonstration');
    out.under.textContent = 'without a prompt';
  }
  if (now.t === undefined) return;
  out.t.textContent = now.t + ' / ' + now.max_steps;
  out.progress.style.width = (100 * now.t) / now.max_steps + '%';
  out.return.textContent = short(now.return);
  out.score.textContent = now.score === null ? '–' : percent(now.score);
  out.success.textContent = now.success === null ? '–' : now.success ? 'yes' : 'not yet';
  out.success.dataset.good = now.success === true;
  out.latency.textContent = now.latency_ms === null ? '–' : now.latency_ms.toFixed(1) + ' ms';
  out.ratio.textContent = now.playing && now.ratio !== null ? now.ratio.toFixed(2) + '×' : '–';
  out.fps.textContent = now.playing && now.fps !== null ? now.fps : '–';
  out.entropy.textContent = now.entropy === null ? '–' : now.entropy.toFixed(1) + ' bit';
  out.goal.textContent = now.goal === null ? 'none of its own' : now.goal;
  showAction(now);
  extendPlot(now);
}

function showAction(now) {
  const count = now.choices || (now.action ? now.action.length : out.action.childElementCount);
  if (out.action.childElementCount !== count)
    out.action.replaceChildren(...Array.from({ length: count }, () => document.createElement('i')));
  out.action.classList.toggle('pg-choices', now.choices > 0);
  [...out.action.children].forEach((bar, index) => {
    const value = now.action === null ? 0 : now.choices ? Number(now.action[0] === index) : now.action[index];
    bar.style.setProperty('--v', value);
    bar.title = 'action ' + index + (now.choices ? '' : ': ' + value.toFixed(2));
  });
}

// ---- the return so far

let curve = [];
const tints = new Map();

function extendPlot(now) {
  const last = curve[curve.length - 1];
  if (!last || last.episode !== now.episode || now.t < last.t || last.task !== now.task) curve = now.t > 0 ? [{ ...now, t: 0, value: 0, acted: now.acted || 'no prompt' }] : [];
  if (!last || now.t !== last.t || !curve.length)
    curve.push({ t: now.t, value: now.return, acted: now.acted || 'no prompt', episode: now.episode, task: now.task });
  if (curve.length % 2 && now.playing && !now.done) return;
  drawPlot(Math.min(now.max_steps, Math.max(40, Math.ceil(now.t * 1.25))));
}

function drawPlot(steps) {
  const pen = view.plot.getContext('2d');
  const { width, height } = view.plot;
  const style = getComputedStyle(element);
  const low = Math.min(0, ...curve.map((p) => p.value));
  const high = Math.max(1e-3, ...curve.map((p) => p.value));
  const x = (t) => 4 + ((width - 8) * t) / steps;
  const y = (value) => height - 6 - ((height - 30) * (value - low)) / (high - low);
  pen.clearRect(0, 0, width, height);
  pen.font = '24px system-ui, sans-serif';
  pen.fillStyle = pen.strokeStyle = style.getPropertyValue('--body-text-color-subdued') || '#888';
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(4, y(0));
  pen.lineTo(width - 4, y(0));
  pen.stroke();
  pen.fillText(short(curve.length ? curve[curve.length - 1].value : 0), 8, 24);
  pen.lineWidth = 4;
  pen.lineJoin = 'round';
  for (let i = 1; i < curve.length; i++) {
    const { t, value, acted } = curve[i];
    if (!tints.has(acted)) tints.set(acted, TINTS[tints.size % TINTS.length]);
    pen.strokeStyle = tints.get(acted);
    pen.beginPath();
    pen.moveTo(x(curve[i - 1].t), y(curve[i - 1].value));
    pen.lineTo(x(t), y(value));
    pen.stroke();
    if (i > 1 && curve[i - 1].acted !== acted) {
      pen.save();
      pen.lineWidth = 2;
      pen.setLineDash([6, 5]);
      pen.beginPath();
      pen.moveTo(x(curve[i - 1].t), 0);
      pen.lineTo(x(curve[i - 1].t), height);
      pen.stroke();
      pen.restore();
    }
  }
}

// ---- the demonstration

const reel = { name: null, pictures: [], fps: 15, total: 0, at: 0, running: true, shownAt: 0 };

function clearReel(name, text) {
  reel.pictures.forEach((picture) => picture.close());
  Object.assign(reel, { name, pictures: [], total: 0, at: 0, running: true });
  view.reel.getContext('2d').clearRect(0, 0, view.reel.width, view.reel.height);
  out.reel.textContent = text;
  out.reelstep.textContent = out.note.textContent = '';
  out.reelbanner.hidden = name === null;
  out.reelbanner.textContent = 'drawing …';
  control.scrub.disabled = name === null;
}

function addToReel(news, bitmap) {
  if (news.name !== state.prompt) return bitmap && bitmap.close();
  if (news.name !== reel.name || (news.index === 0 && reel.pictures.length)) clearReel(news.name, shortName(news.name) + (news.goal ? ' · ' + news.goal : ''));
  Object.assign(reel, { fps: news.fps, total: news.total });
  out.note.textContent = news.note;
  if (bitmap) reel.pictures[news.index] = bitmap;
  if (news.note && !reel.pictures.length) out.reelbanner.textContent = 'no pictures';
  else out.reelbanner.hidden = reel.pictures.length > 0;
  control.scrub.max = Math.max(0, reel.total - 1);
}

function showReel(now) {
  requestAnimationFrame(showReel);
  if (!reel.running || !reel.pictures.length || now - reel.shownAt < 1000 / reel.fps) return;
  const complete = reel.pictures.length >= reel.total;
  const next = reel.at + 1;
  if (next < reel.pictures.length) reel.at = next;
  else if (complete && now - reel.shownAt > 800) reel.at = 0;
  else if (reel.at > 0) return;
  reel.shownAt = now;
  showReelPicture();
}

function showReelPicture() {
  const picture = reel.pictures[reel.at];
  if (!picture) return;
  paint(view.reel, picture);
  control.scrub.value = reel.at;
  out.reelstep.textContent = reel.at + 1 + ' / ' + reel.total + (reel.running ? '' : ' paused');
}
requestAnimationFrame(showReel);

// ---- controls

const act = {
  play: () => send({ playing: !state.playing }),
  step: () => send({ step: 1 }),
  reset: () => send({ reset: true }),
  new: () => send({ reset: Math.floor(Math.random() * 100000) }),
};
for (const [name, run] of Object.entries(act))
  control[name].onclick = () => {
    run();
    control[name].blur();
  };
control.speed.onchange = () => {
  send({ speed: Number(control.speed.value) });
  control.speed.blur();
};
control.seed.onchange = () => {
  const seed = Number(control.seed.value);
  if (Number.isInteger(seed) && seed >= 0) send({ reset: seed });
  control.seed.blur();
};
control.scrub.oninput = () => {
  reel.running = false;
  reel.at = Math.min(Number(control.scrub.value), Math.max(0, reel.pictures.length - 1));
  showReelPicture();
};
view.reel.onclick = () => {
  reel.running = !reel.running;
  showReelPicture();
};
const KEYS = { ' ': 'play', '.': 'step', r: 'reset', n: 'new' };
document.addEventListener('keydown', (event) => {
  const typing = event.target.closest('input:not([type=range]), textarea, select, [contenteditable=true], [role=listbox]');
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  event.preventDefault();
  act[KEYS[event.key]]();
});
document.addEventListener('visibilitychange', () => send({ visible: !document.hidden }));
connect();
