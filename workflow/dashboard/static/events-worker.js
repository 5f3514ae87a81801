// The one stream of all tabs: browsers allow six connections to a server, and streams would use them up.
import { Stream } from "./stream.js";

/** A tab that said nothing for so long is gone; hidden tabs may speak once a minute only (ms). */
const GONE = 200000;

const ports = new Map(); // port -> {runs: Set, spoke: ms}
const stream = new Stream(new URL("..", self.location.href), (message) => {
  for (const [port, { runs }] of ports) {
    if (message.run === undefined || runs.has(message.run)) port.postMessage(message);
  }
});

self.onconnect = ({ ports: [port] }) => {
  ports.set(port, { runs: new Set(), spoke: performance.now() });
  port.onmessage = ({ data }) => listen(port, data);
  port.postMessage(stream.connection);
};

function listen(port, { follow, seq, leave, bye }) {
  if (bye) return forget(port);
  let tab = ports.get(port);
  if (!tab) {
    // it slept for longer than we waited
    ports.set(port, (tab = { runs: new Set(), spoke: 0 }));
    port.postMessage({ forgotten: true });
  }
  tab.spoke = performance.now();
  if (follow !== undefined) {
    tab.runs.add(follow);
    stream.follow(follow, seq);
  }
  if (leave !== undefined) {
    tab.runs.delete(leave);
    drop(leave);
  }
}

function forget(port) {
  const tab = ports.get(port);
  ports.delete(port);
  tab?.runs.forEach(drop);
}

function drop(run) {
  if (![...ports.values()].some(({ runs }) => runs.has(run))) stream.leave(run);
}

setInterval(() => {
  const now = performance.now();
  for (const [port, { spoke }] of ports) if (now - spoke > GONE) forget(port);
}, GONE / 4);
