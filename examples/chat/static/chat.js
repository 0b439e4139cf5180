// The page: a form to join, then a conversation. Everything that touches the network is in connection.js.

import { Connection } from "./connection.js";
import { Log } from "./log.js";
import { bytesOf, MAX_MESSAGE_BYTES, MAX_WAITING, Outbox } from "./outbox.js";
import { Presence } from "./presence.js";

// What the chat's route takes: letters, digits, underscore. 40 keep the group's name below its 200 bytes.
const ROOM = /^[\p{L}\p{N}_]{1,40}$/u;
// An echo this late means a connection that is dead without knowing it (a network that was changed).
const ANSWER_MS = 30_000;
// From here on the counter is shown, so that the limit does not come as a surprise.
const SHOW_SIZE_BYTES = MAX_MESSAGE_BYTES * 0.9;
// After so many handshakes in vain the reader is told that trying may not help.
const HARD_FAILURES = 4;
const TITLE = document.title;

const by = (id) => document.getElementById(id);
const log = new Log(showUnseen);
let connection = null;
let outbox = new Outbox();
let presence = new Presence();
let me = "";
let room = "";
let unread = 0;
let retryAtMs = 0;

// ---- joining and leaving ----

function storedName() {
  return sessionStorage.getItem("name") ?? localStorage.getItem("name") ?? "";
}

function complain(field, text) {
  const error = by(`${field}-error`);
  error.textContent = text;
  error.hidden = !text;
  if (text) by(field).setAttribute("aria-invalid", "true");
  else by(field).removeAttribute("aria-invalid");
  return !text;
}

function readForm() {
  const name = by("name").value.trim();
  const wanted = by("room").value.trim().normalize("NFC").replace(/[\s-]+/g, "_");
  const roomIsRight = complain("room", ROOM.test(wanted) ? "" : "Use 1 to 40 letters, digits or underscores.");
  const nameIsRight = complain("name", name ? "" : "Please give a name, so that others know who writes.");
  if (!nameIsRight) by("name").focus();
  else if (!roomIsRight) by("room").focus();
  return nameIsRight && roomIsRight ? { name, wanted } : null;
}

function enter(name, wanted, remember) {
  me = name;
  room = wanted;
  sessionStorage.setItem("name", me);
  localStorage.setItem("name", me);
  const address = `?room=${encodeURIComponent(room)}`;
  if (remember) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
  outbox = new Outbox();
  log.clear();
  by("room-title").textContent = room;
  by("me").textContent = me;
  by("join").hidden = true;
  by("chat").hidden = false;
  showTitle();
  showSize();
  const url = new URL(`chat/${encodeURIComponent(room)}`, document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  url.search = new URLSearchParams({ username: me, presence: "1" });
  connection = new Connection(url.href, { state: showState, text: receive });
  connection.connect();
  by("text").focus();
}

function leave(remember) {
  connection?.close();
  connection = null;
  if (remember) history.pushState(null, "", location.pathname);
  by("chat").hidden = true;
  by("join").hidden = false;
  by("name").value = storedName();
  by("room").value = room;
  unread = 0;
  document.title = TITLE;
  by(by("name").value ? "room" : "name").focus();
}

function start() {
  const query = new URLSearchParams(location.search);
  const name = (query.get("name") ?? sessionStorage.getItem("name") ?? "").trim().slice(0, 40);
  const wanted = query.get("room") ?? "";
  by("name").value = name || storedName();
  by("room").value = wanted || "lobby";
  if (name && ROOM.test(wanted)) enter(name, wanted, false);
  else by(by("name").value ? "room" : "name").focus();
}

// ---- what the connection tells ----

const STATES = { connecting: "Connecting", open: "Connected", waiting: "Offline", stopped: "Ended" };

function showState(state, { why = "", untilMs = 0, failures = 0 }) {
  by("state").dataset.state = state;
  by("state-text").textContent = STATES[state];
  retryAtMs = state === "waiting" ? untilMs : 0;
  const trouble = state === "waiting" || state === "stopped" || (state === "connecting" && failures > 0);
  by("trouble").hidden = !trouble;
  if (state === "open") {
    // The counts may have changed unseen while nobody was listening.
    presence = new Presence();
    flush();
  } else if (state !== "connecting") {
    outbox.interrupted();
    const hard = failures >= HARD_FAILURES ? " The server may be down, or may not let you in." : "";
    const text = why + hard;
    // An alert speaks when its text changes; the same text again stays silent, as it should.
    if (by("trouble-text").textContent !== text) by("trouble-text").textContent = text;
    by("retry").textContent = state === "stopped" ? "Connect again" : "Try now";
    showPending();
  }
  if (!trouble) by("trouble-text").textContent = "";
  showCountdown();
}

function showCountdown() {
  const seconds = Math.ceil((retryAtMs - Date.now()) / 1000);
  by("countdown").textContent = !retryAtMs ? "" : seconds > 0 ? `Next try in ${seconds} s.` : "Trying…";
}

function receive(raw) {
  let frame;
  try {
    frame = JSON.parse(raw);
  } catch {
    log.note("A message that could not be read was left out.");
    return;
  }
  const { message, username, event } = frame ?? {};
  if (typeof username !== "string") return;
  if (event === "joined" || event === "left") {
    const text = username === me ? null : presence.change(event, username);
    if (text) log.note(text);
  } else if (typeof message === "string") {
    presence.seen(username);
    const own = username === me;
    if (own) outbox.confirm(message);
    log.message(username, message, own);
    if (own) showPending();
    else count();
  }
}

// ---- what is written ----

function flush() {
  outbox.flush((text) => connection?.send(text) ?? false);
  showPending();
}

function showPending() {
  log.pending(me, outbox.letters, connection?.isOpen ?? false, (what, id) => {
    if (what === "again") outbox.again(id);
    else outbox.discard(id);
    flush();
    by("text").focus();
  });
}

function submit() {
  const text = by("text").value.trim();
  if (!text || !showSize() || outbox.isFull) return;
  outbox.add(text);
  by("text").value = "";
  fit();
  log.toNewest();
  flush();
  showSize();
  by("text").focus();
}

/** Shows how long the message is where that matters. @returns {boolean} whether it may be sent */
function showSize() {
  const bytes = bytesOf(by("text").value.trim());
  const over = bytes - MAX_MESSAGE_BYTES;
  const size = by("size");
  size.classList.toggle("over", over > 0 || outbox.isFull);
  size.textContent = outbox.isFull ? `${MAX_WAITING} messages wait already. Please let the connection come back first.`
    : over > 0 ? `Too long by ${over.toLocaleString()} bytes`
    : bytes > SHOW_SIZE_BYTES ? `${(-over).toLocaleString()} bytes left` : "";
  by("text").setAttribute("aria-invalid", String(over > 0));
  by("send").setAttribute("aria-disabled", String(bytes === 0 || over > 0 || outbox.isFull));
  return over <= 0;
}

function fit() {
  const text = by("text");
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
}

// ---- what waits to be read ----

function showUnseen(number) {
  by("newest").hidden = number === 0;
  if (number) by("newest-text").textContent = number === 1 ? "1 new message" : `${number} new messages`;
}

function count() {
  if (document.visibilityState === "visible" && document.hasFocus()) return;
  unread += 1;
  showTitle();
}

function showTitle() {
  document.title = `${unread ? `(${unread}) ` : ""}${room} · ${TITLE}`;
}

function attended() {
  if (!connection || document.visibilityState !== "visible") return;
  if (unread) {
    unread = 0;
    showTitle();
  }
}

async function copyLink() {
  const link = new URL(`?room=${encodeURIComponent(room)}`, location.href).href;
  const label = by("copy").querySelector("span");
  try {
    await navigator.clipboard.writeText(link);
    label.textContent = "Copied";
    by("notice").textContent = "The link to this room is in the clipboard.";
  } catch {
    // No clipboard without https, or not allowed: the address bar holds the same link.
    label.textContent = "See address bar";
    by("notice").textContent = "The link could not be copied. It stands in the address bar.";
  }
  setTimeout(() => {
    label.textContent = "Copy link";
    by("notice").textContent = "";
  }, 2500);
}

// ---- events ----

by("join-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = readForm();
  if (form) enter(form.name, form.wanted, true);
});
by("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
by("text").addEventListener("keydown", (event) => {
  // While an input method composes a character, Enter belongs to it.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
});
by("text").addEventListener("input", () => {
  fit();
  showSize();
});
by("leave").addEventListener("click", () => leave(true));
by("copy").addEventListener("click", copyLink);
by("retry").addEventListener("click", () => {
  connection.connect();
  by("text").focus();
});
by("newest").addEventListener("click", () => {
  log.toNewest();
  by("text").focus();
});
addEventListener("online", () => connection?.isWaiting && connection.connect());
addEventListener("focus", attended);
document.addEventListener("visibilitychange", () => {
  attended();
  // Timers of a hidden page are slowed down: whoever comes back should not wait for one.
  if (document.visibilityState === "visible" && connection?.isWaiting) connection.connect();
});
addEventListener("popstate", () => {
  leave(false);
  start();
});
addEventListener("beforeunload", (event) => {
  if (connection && outbox.letters.length) event.preventDefault();
});
setInterval(() => {
  if (!connection) return;
  if (retryAtMs) showCountdown();
  if (connection.isOpen && outbox.unansweredMs() > ANSWER_MS) connection.renew();
}, 1000);

start();
