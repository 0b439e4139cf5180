// Messages on their way: from the moment somebody presses Enter until the room's echo of them comes back.

/** Frames larger than this are refused by an interface server in its default settings (close code 1009). */
export const MAX_MESSAGE_BYTES = 64 * 1024;
/** So many may wait while there is no connection. */
export const MAX_WAITING = 100;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Bytes that a text takes on the wire. */
export function bytesOf(text) {
  return encoder.encode(text).length;
}

/**
 * An own message. State `waiting`: not sent yet; `sent`: echo not here yet; `doubtful`: the connection ended in
 * between, so nobody can tell whether it arrived, and only the writer may decide to send it again.
 * @typedef {{id: number, text: string, state: "waiting" | "sent" | "doubtful", atMs: number}} Letter
 */

export class Outbox {
  /** @type {Letter[]} */
  letters = [];
  #lastId = 0;

  get isFull() {
    return this.letters.length >= MAX_WAITING;
  }

  /** Takes a text in. A lone surrogate becomes U+FFFD here already, as it would in the browser's frame. */
  add(text) {
    const letter = { id: ++this.#lastId, text: decoder.decode(encoder.encode(text)), state: "waiting", atMs: Date.now() };
    this.letters.push(letter);
    return letter;
  }

  /** Hands every waiting letter, in order, to `send` until that says false. */
  flush(send) {
    for (const letter of this.letters) {
      if (letter.state !== "waiting") continue;
      if (!send(letter.text)) return;
      letter.state = "sent";
      letter.atMs = Date.now();
    }
  }

  /** An echo has come: removes the oldest sent letter with this text. */
  confirm(text) {
    const index = this.letters.findIndex((letter) => letter.state === "sent" && letter.text === text);
    if (index >= 0) this.letters.splice(index, 1);
  }

  /** The connection has ended: what was sent and not echoed is in doubt. */
  interrupted() {
    for (const letter of this.letters) if (letter.state === "sent") letter.state = "doubtful";
  }

  /** Sends a doubtful letter again, behind all others. */
  again(id) {
    const letter = this.discard(id);
    if (letter) this.letters.push({ ...letter, state: "waiting" });
  }

  discard(id) {
    const index = this.letters.findIndex((letter) => letter.id === id);
    return index < 0 ? null : this.letters.splice(index, 1)[0];
  }

  /** Milliseconds that the oldest unanswered letter has waited for its echo, 0 without one. */
  unansweredMs(now = Date.now()) {
    const oldest = this.letters.find((letter) => letter.state === "sent");
    return oldest ? now - oldest.atMs : 0;
  }
}
