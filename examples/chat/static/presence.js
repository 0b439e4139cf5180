// Who comes and goes, without noise. A server that dies is noticed seconds after its people have reconnected, so a
// name may "join" before it has "left"; counting keeps such a pair silent.

export class Presence {
  #counts = new Map();

  /** Somebody speaks, so is there. */
  seen(username) {
    if (!this.#counts.get(username)) this.#counts.set(username, 1);
  }

  /** @returns {string | null} what to say, if anything changed for the reader */
  change(event, username) {
    const before = this.#counts.get(username) ?? 0;
    const after = Math.max(0, before + (event === "joined" ? 1 : -1));
    if (after) this.#counts.set(username, after);
    else this.#counts.delete(username);
    if (event === "joined") return before ? null : `${username} joined`;
    return after ? null : `${username} left`;
  }
}
