// One connection to the server for any number of runs, mended for as long as somebody follows one.
// It runs in events-worker.js for all tabs, or in the page where there are no shared workers.

/** No byte for so long after opening: something between holds the stream back, and polling starts (ms). */
const PATIENCE = 5000;
/** How often changes are asked for then (ms). */
const POLL = 2000;
/** No byte for so long on a stream, though the server says something every 15 s: it is opened again (ms). */
const SILENCE = 40000;
/** Time before the next attempt after a failed one: it doubles up to the last (ms). */
const BACK_OFF = [250, 4000];
/** Runs are often followed and left in one go: the stream is opened once for all of them (ms). */
const TOGETHER = 20;

/**
 * @param {URL|string} base where the addresses start
 * @param {(message: object) => void} deliver takes the server's messages, and `{connection, refused}` when
 *   that changes, and `{heard: true}` at every sign of life
 */
export class Stream {
  constructor(base, deliver) {
    this.base = base;
    this.deliver = deliver;
    this.connection = { connection: "lost", refused: false };
    this.positions = new Map(); // run -> number of the last event that was passed on
    this.wait = BACK_OFF[0];
    this.abort = null;
    this.timer = 0; // of the next opening
    this.polling = 0; // of the next poll; 0 while the stream itself delivers
  }

  /** All that happens in a run after event `seq` will be delivered; some of it perhaps twice. */
  follow(run, seq) {
    const position = this.positions.get(run);
    if (position !== undefined && position <= seq && this.abort) return;
    this.positions.set(run, position === undefined ? seq : Math.min(seq, position));
    this.#reopen(TOGETHER);
  }

  /** Ends that. */
  leave(run) {
    if (this.positions.delete(run)) this.#reopen(TOGETHER);
  }

  #reopen(after) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#open(), after);
  }

  async #open() {
    this.abort?.abort();
    this.abort = null;
    if (!this.positions.size) return this.#stopPolling();
    const mine = (this.abort = new AbortController());
    const opened = performance.now();
    let watch = setTimeout(() => this.#startPolling(), PATIENCE);
    try {
      const answer = await fetch(this.#address("events", "since"), {
        signal: mine.signal,
        cache: "no-store",
      });
      if (answer.status === 400) this.#beginAnew();
      if (answer.status === 404) await this.#dropMissing(mine.signal);
      if (!answer.ok) throw refusal(answer);
      const lines = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await lines.read();
        if (done) break;
        clearTimeout(watch);
        watch = setTimeout(() => mine.abort(), SILENCE);
        if (performance.now() - opened < PATIENCE) this.#stopPolling();
        if (!this.polling) this.#is("live");
        this.wait = BACK_OFF[0];
        rest = this.#take(rest + value);
      }
      throw new Error("ended");
    } catch (error) {
      clearTimeout(watch);
      if (this.abort !== mine) return; // opened anew in the meantime
      if (!this.polling || error.refused) this.#is("lost", Boolean(error.refused));
      this.#reopen(this.wait * (0.75 + Math.random() / 2));
      this.wait = Math.min(2 * this.wait, BACK_OFF[1]);
    }
  }

  /** Passes on whole messages; returns what is left over. */
  #take(text) {
    const blocks = text.replaceAll("\r", "").split("\n\n");
    const rest = blocks.pop();
    for (const block of blocks) {
      const data = block
        .split("\n")
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5));
      if (data.length) this.#pass(JSON.parse(data.join("\n")));
    }
    this.deliver({ heard: true });
    return rest;
  }

  #pass(message) {
    if (!this.positions.has(message.run)) return;
    if (message.resync) this.positions.delete(message.run); // until somebody has a snapshot and follows anew
    else this.positions.set(message.run, message.to);
    this.deliver(message);
  }

  /** The server has no such states: it is another one than before. */
  #beginAnew() {
    for (const run of [...this.positions.keys()]) this.#pass({ run, resync: true });
  }

  /** One run that is not there any more would keep all others from being followed. */
  async #dropMissing(signal) {
    for (const [run, seq] of [...this.positions]) {
      const answer = await fetch(this.#address("changes", "after", [[run, seq]]), {
        signal,
        cache: "no-store",
      });
      if (answer.status !== 404) continue;
      this.positions.delete(run);
      this.deliver({ run, missing: true });
    }
    this.wait = BACK_OFF[0];
  }

  #startPolling() {
    if (!this.polling) this.#poll();
  }

  #stopPolling() {
    clearTimeout(this.polling);
    this.polling = 0;
  }

  async #poll() {
    this.polling = setTimeout(() => this.#poll(), POLL);
    try {
      const answer = await fetch(this.#address("changes", "after"), { cache: "no-store" });
      if (answer.status === 400) this.#beginAnew();
      if (answer.status === 404) await this.#dropMissing();
      if (!answer.ok) throw refusal(answer);
      const { messages } = await answer.json();
      if (!this.polling) return;
      this.#is("polling");
      this.deliver({ heard: true });
      messages.forEach((message) => this.#pass(message));
    } catch (error) {
      if (this.polling) this.#is("lost", Boolean(error.refused));
    }
  }

  #address(path, name, positions = this.positions) {
    const address = new URL(path, this.base);
    for (const [run, seq] of positions) address.searchParams.append(name, `${run}:${seq}`);
    return address;
  }

  #is(connection, refused = false) {
    if (this.connection.connection === connection && this.connection.refused === refused) return;
    this.connection = { connection, refused };
    this.deliver(this.connection);
  }
}

const refusal = ({ status }) => Object.assign(new Error(`answered ${status}`), { refused: status === 401 });
