// One WebSocket that comes back by itself. What a close means is decided by `afterClose`, which does no I/O.

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
// A restarting server sends all its clients away at once; they come back spread over this long.
const RESTART_SPREAD_MS = 2_000;
// A server that accepts and at once hangs up must not be called in a tight loop: only a connection that has
// lasted this long begins the back-off anew.
const STABLE_MS = 5_000;
// A handshake that nobody answers is given up; the server's own limit for a verdict is 10 s.
const HANDSHAKE_MS = 15_000;

// Close codes after which trying again would only be refused again (RFC 6455, section 7.4).
const FINAL = new Map([
  [1000, "The server ended the conversation."],
  [1002, "The server did not understand this browser."],
  [1003, "The server does not take this kind of message."],
  [1007, "The server could not read the message as text."],
  [1008, "The server does not allow this conversation."],
]);

/**
 * Says what to do after a close.
 * @param {number} code close code; 1006 if the connection just went, or never came to be
 * @param {number} attempt how many tries in a row have failed before, from 0
 * @param {string} reason what the server gave as reason, may be empty
 * @param {() => number} random 0 to 1
 * @returns {{again: boolean, delayMs: number, why: string}}
 */
export function afterClose(code, attempt, reason = "", random = Math.random) {
  if (FINAL.has(code) || (code >= 4000 && code <= 4999)) {
    const why = FINAL.get(code) ?? `The server ended the conversation with code ${code}.`;
    return { again: false, delayMs: 0, why: reason ? `${why} Its reason: ${reason}.` : why };
  }
  if ((code === 1012 || code === 1001) && attempt === 0) {
    return { again: true, delayMs: Math.round(random() * RESTART_SPREAD_MS), why: "The server is restarting." };
  }
  // Half fixed, half random: never at once, and never all at the same moment.
  const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt, 16));
  const why = code === 1013 ? "The server asks for patience."
    : code === 1009 ? "The server found a message too long."
    : "The connection is lost.";
  return { again: true, delayMs: Math.round(ceiling * (0.5 + random() / 2)), why };
}

/** Keeps a WebSocket open. States: connecting, open, waiting (for the next try), stopped. */
export class Connection {
  #url;
  #on;
  #socket = null;
  #timer = 0;
  #attempt = 0;
  #openedAt = 0;

  /**
   * @param {string} url where to
   * @param {{state: (state: string, detail: {why?: string, untilMs?: number, failures?: number}) => void,
   *          text: (text: string) => void}} on what is told
   */
  constructor(url, on) {
    this.#url = url;
    this.#on = on;
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  get isWaiting() {
    return this.#socket === null && this.#timer !== 0;
  }

  /** Connects now, also when it would have waited or had stopped; does nothing on a living connection. */
  connect() {
    if (this.#socket) return;
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#openedAt = 0;
    this.#on.state("connecting", { failures: this.#attempt });
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    const patience = setTimeout(() => this.#ended(socket, 1006, ""), HANDSHAKE_MS);
    socket.onopen = () => {
      clearTimeout(patience);
      this.#openedAt = Date.now();
      this.#on.state("open", {});
    };
    socket.onmessage = (event) => {
      if (typeof event.data === "string") this.#on.text(event.data);
    };
    socket.onclose = (event) => {
      clearTimeout(patience);
      this.#ended(socket, event.code, event.reason);
    };
  }

  /** @returns {boolean} whether it was handed to the browser */
  send(text) {
    if (!this.isOpen) return false;
    this.#socket.send(text);
    return true;
  }

  /** Gives up a connection that does not answer any more and tries another. */
  renew() {
    if (this.#socket) this.#ended(this.#socket, 1006, "");
  }

  /** Ends it for good. */
  close() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#detach()?.close(1000);
  }

  #detach() {
    const socket = this.#socket;
    this.#socket = null;
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    return socket;
  }

  #ended(socket, code, reason) {
    if (socket !== this.#socket) return;
    this.#detach().close();
    if (this.#openedAt && Date.now() - this.#openedAt >= STABLE_MS) this.#attempt = 0;
    const next = afterClose(code, this.#attempt, reason);
    this.#attempt += 1;
    if (!next.again) {
      this.#on.state("stopped", { why: next.why });
      return;
    }
    this.#timer = setTimeout(() => this.connect(), next.delayMs);
    this.#on.state("waiting", {
      why: next.why,
      untilMs: Date.now() + next.delayMs,
      failures: this.#openedAt ? 0 : this.#attempt,
    });
  }
}
