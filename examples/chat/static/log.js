// The conversation as the eye and the screen reader see it. Text of others is only ever set as textContent.

const MAX_SHOWN = 500;
const TONES = 8;
const NEAR_END_PX = 80;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** A colour number that stays with a name (FNV-1a). */
export function toneOf(name) {
  let hash = 0x811c9dc5;
  for (const unit of name) hash = Math.imul(hash ^ unit.codePointAt(0), 0x01000193);
  return (hash >>> 0) % TONES;
}

function initialOf(name) {
  const first = [...new Intl.Segmenter().segment(name.trim())][0];
  return first ? first.segment.toLocaleUpperCase() : "?";
}

function timeOf(when) {
  const time = make("time", "", clock.format(when));
  time.dateTime = when.toISOString();
  time.title = full.format(when);
  return time;
}

export class Log {
  #scroller;
  #log;
  #pending;
  #empty;
  #last = null;
  #day = new Date().toDateString();
  #follows = true;
  #unseen = 0;
  #onUnseen;

  /** @param {(count: number) => void} onUnseen told how many messages stand below what is in view */
  constructor(onUnseen) {
    this.#scroller = document.getElementById("scroller");
    this.#log = document.getElementById("log");
    this.#pending = document.getElementById("pending");
    this.#empty = document.getElementById("empty");
    this.#onUnseen = onUnseen;
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#follow()).observe(this.#scroller);
  }

  clear() {
    this.#log.replaceChildren();
    this.#pending.replaceChildren();
    this.#empty.hidden = false;
    this.#last = null;
    this.toNewest();
  }

  /** Adds a message of the room. */
  message(username, text, own) {
    const now = new Date();
    this.#newDay(now);
    const time = timeOf(now);
    // Under one name and time stand the messages that share both.
    const together = this.#last?.username === username && this.#last.time === time.textContent;
    this.#append(this.#item(username, text, own, together ? null : time));
    this.#last = { username, time: time.textContent };
    if (!this.#follows && !own) this.#onUnseen(++this.#unseen);
    if (own) this.toNewest();
  }

  /** Adds a line of the page itself: somebody came, something was left out. */
  note(text) {
    this.#last = null;
    this.#append(make("li", "note", text));
  }

  /** Shows own letters that are not confirmed. */
  pending(username, letters, isOpen, act) {
    this.#pending.replaceChildren(...letters.map((letter) => {
      const item = this.#item(username, letter.text, true, null);
      item.lastElementChild.append(this.#status(letter, isOpen, act));
      item.dataset.state = letter.state;
      return item;
    }));
    if (letters.length) this.#empty.hidden = true;
    this.#follow();
  }

  toNewest() {
    this.#follows = true;
    this.#follow();
  }

  #item(username, text, own, time) {
    const item = make("li", own ? "message own" : "message");
    item.dataset.tone = toneOf(username);
    const face = make("span", "face", initialOf(username));
    face.setAttribute("aria-hidden", "true");
    const body = make("div", "body");
    const head = make("p", time ? "head" : "head unseen");
    head.append(make("span", own ? "name unseen" : "name", own ? "You" : username), " ", time ?? "");
    const bubble = make("p", "bubble", text);
    // A text in Hebrew or Arabic reads from the right, whatever the page's language.
    bubble.dir = "auto";
    body.append(head, bubble);
    if (!time) item.classList.add("together");
    item.append(face, body);
    return item;
  }

  #status(letter, isOpen, act) {
    if (letter.state === "sent" || isOpen && letter.state === "waiting") return make("p", "status sending", "Sending…");
    if (letter.state === "waiting") return make("p", "status", "Waits for the connection");
    const status = make("p", "status doubt", "May not have arrived ");
    for (const [label, what] of [["Send again", "again"], ["Discard", "discard"]]) {
      const button = make("button", "link", label);
      button.type = "button";
      button.addEventListener("click", () => act(what, letter.id));
      status.append(button, " ");
    }
    return status;
  }

  #newDay(now) {
    if (now.toDateString() === this.#day) return;
    this.#day = now.toDateString();
    this.note(day.format(now));
  }

  #append(item) {
    this.#empty.hidden = true;
    this.#log.append(item);
    while (this.#log.childElementCount > MAX_SHOWN) this.#log.firstElementChild.remove();
    this.#follow();
  }

  #follow() {
    if (this.#follows) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#scrolled();
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.#scroller;
    this.#follows = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (!this.#follows || this.#unseen === 0) return;
    this.#unseen = 0;
    this.#onUnseen(0);
  }
}
