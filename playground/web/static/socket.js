// One websocket: messages out as JSON, messages in as 4 bytes length, JSON, pictures. Each is acknowledged once shown.

export class Connection {
  constructor(base, on) {
    Object.assign(this, { base, on, visitor: '', unsent: [], retry: 500, connections: 0, socket: null });
    this.inOrder = Promise.resolve();
    document.addEventListener('visibilitychange', () => this.send({ visible: !document.hidden }));
    this.connect();
  }

  send(message) {
    const open = this.socket?.readyState === WebSocket.OPEN && this.visitor;
    if (open) this.socket.send(JSON.stringify(message));
    else if (!('visible' in message)) this.unsent.push(message);
  }

  connect() {
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const stage = location.host + this.base + 'pg/stage?visitor=' + encodeURIComponent(this.visitor);
    const socket = new WebSocket(scheme + '//' + stage);
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => {
      // One after the other: a message without picture must not overtake one whose picture is still being decoded.
      const take = () => (typeof data === 'string' ? this.hello(JSON.parse(data)) : this.receive(data, socket));
      this.inOrder = this.inOrder.then(take).catch(console.error);
    };
    socket.onclose = ({ code, reason }) => {
      if (code === 4002) return this.on.link('lost', `an error ended this session; reload to begin anew (${reason})`);
      if (code === 4001) return this.on.link('lost', 'closed while you were away; reload to come back');
      if (!this.turnedAway) this.on.link('lost', 'connection lost, trying again …');
      setTimeout(() => this.connect(), this.retry);
      this.retry = Math.min(this.retry * 2, 8000);
    };
  }

  hello(hello) {
    if (hello.full) {
      this.turnedAway = true;
      return this.on.link('full', hello.full);
    }
    const { queue, limit } = hello;
    if (queue) return this.on.link('wait', `${limit} people are here; you are number ${queue} in line`);
    Object.assign(this, { retry: 500, turnedAway: false });
    this.connections += 1;
    const known = this.visitor;
    this.visitor = hello.visitor;
    this.on.link('live', 'connected');
    this.on.hello(known === '', known !== hello.visitor);
    if (document.hidden) this.send({ visible: false });
    this.unsent.splice(0).forEach((message) => this.send(message));
  }

  async receive(data, socket) {
    try {
      const length = new DataView(data).getUint32(0, true);
      const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
      let start = 4 + length;
      const pictures = await Promise.all(
        header.blobs.map((size) => {
          const blob = new Blob([new Uint8Array(data, start, size)], { type: 'image/jpeg' });
          start += size;
          if ('thumbnails' in header) return size ? URL.createObjectURL(blob) : '';
          return createImageBitmap(blob);
        }),
      );
      // A picture each frame of the screen: of two in one frame the first would be drawn for nobody.
      if (header.live && pictures.length) await new Promise(requestAnimationFrame);
      this.on.message(header, pictures);
    } finally {
      if (socket.readyState === WebSocket.OPEN) socket.send('{"ack": true}');
    }
  }
}
