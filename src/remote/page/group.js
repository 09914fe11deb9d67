// The group that the daemon sits in: who is there, what was said, and a line to say something.

import { attempt, by, el, icon, say } from "./dom.js";
import { Refused, call } from "./rpc.js";
import { count } from "./text.js";

/** Looks in between while nobody has it open, for the mark of what is new. */
const SELDOM = 8;
const LINES_MAX = 300;
/** Lines of one person within so many seconds stand together. */
const TOGETHER_S = 180;

let isOpen = false;
let looks = 0;
let last = 0;
let seen = 0;
let before = null;
let parts = null;

/** Asks what is new; nothing where the daemon sits in no group. */
export async function look() {
  looks += 1;
  if (!isOpen && looks % SELDOM !== 1) return;
  const group = await ask();
  by("group-open").hidden = !group.group;
  if (!group.group) return;
  build();
  // Another number than before: the daemon was started anew.
  if (group.last < last) return forget();
  for (const line of group.lines) show(line);
  if (last === 0) seen = group.last;
  last = group.last;
  if (isOpen) seen = last;
  say(parts.name, group.group);
  say(parts.topic, group.topic);
  say(parts.trouble, group.trouble ? `Not there now: ${group.trouble}` : "");
  say(parts.who, group.nicks.length > 0 ? `${count(group.nicks.length, "member")}: ${group.nicks.join(", ")}` : "");
  parts.own = group.nick;
  by("group-open").classList.toggle("news", last > seen);
  by("group-open").setAttribute("aria-label", last > seen ? `${group.group}: ${last - seen} new` : group.group);
}

async function ask() {
  try {
    return await call("peerlink-group-get", { after: last });
  } catch (why) {
    // A daemon that knows no groups has none.
    if (why instanceof Refused) return { group: "" };
    throw why;
  }
}

/** Opens or closes it. */
export function flip() {
  isOpen = !isOpen;
  build();
  by("group").hidden = !isOpen;
  by("group-open").setAttribute("aria-expanded", String(isOpen));
  if (!isOpen) return;
  seen = last;
  parts.log.scrollTop = parts.log.scrollHeight;
  parts.field.focus();
  attempt(look);
}

/** Closes it; false where it was not open. */
export function close() {
  if (isOpen) flip();
  else return false;
  by("group-open").focus();
  return true;
}

function forget() {
  last = 0;
  before = null;
  parts.log.replaceChildren();
}

function build() {
  if (parts) return;
  parts = {
    name: el("bdi"), topic: el("bdi", { class: "quiet" }), trouble: el("p", { class: "wrong" }), who: el("p", { class: "quiet who-is" }),
    log: el("div", { class: "log", role: "log", "aria-label": "What was said", tabindex: "0" }),
    field: el("input", { type: "text", maxlength: "1500", autocomplete: "off", "aria-label": "Say something", placeholder: "Say something" }),
    own: "",
  };
  const form = el("form", { on: { submit: send } }, parts.field, el("button", { class: "main", "aria-label": "Send" }, icon("up")));
  by("group").append(
    el("header", {}, el("div", {}, el("h2", {}, parts.name), parts.topic), el("button", { class: "icon", "aria-label": "Close group", on: { click: () => close() } }, icon("close"))),
    parts.trouble, parts.who, parts.log, form);
}

async function send(event) {
  event.preventDefault();
  const text = parts.field.value.trim();
  if (!text) return;
  const done = await attempt(() => call("peerlink-group-say", { text }));
  if (done) parts.field.value = "";
  await attempt(look);
}

function show(line) {
  const { log } = parts;
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  const time = new Date(line.time * 1000);
  const clock = el("time", { datetime: time.toISOString(), title: time.toLocaleString(), text: time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) });
  const isSame = before && before.kind === "text" && line.kind === "text" && before.nick === line.nick && line.time - before.time < TOGETHER_S;
  before = line;
  const nick = el("bdi", { class: "nick", text: line.nick });
  const text = el("bdi", { class: "said", text: line.text });
  const node = line.kind === "text"
    ? el("div", { class: `message${line.own ? " own" : ""}${isSame ? " same" : ""}` }, isSame ? null : el("p", { class: "by" }, nick, clock), el("p", {}, text))
    : el("p", { class: "event quiet" }, line.kind === "action" ? "* " : "", nick, " ", text, " ", clock);
  log.append(node);
  while (log.childElementCount > LINES_MAX) log.firstChild.remove();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}
