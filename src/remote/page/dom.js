// Elements, signs, messages, dialogs and menus. What comes from outside enters the page here, and only as text.

/** An element. Of the properties, `text` is its text, `on` its listeners; the rest are attributes. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "value" || name === "checked") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** One of the signs of index.html. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Another sign for the same element. */
export function turn(svg, name) {
  const use = svg.firstChild;
  const href = `#i-${name}`;
  if (use.getAttribute("href") !== href) use.setAttribute("href", href);
}

/** Sets a text where it is another: unchanged pages cost nothing to lay out. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export const by = (id) => document.getElementById(id);

/** Whether the page is laid out for a phone. */
export const phone = matchMedia("(max-width: 760px)");

const TOAST_MS = 5000;

/** A message that goes away by itself; `kind` is `good` or `bad`. */
export function toast(text, kind = "good") {
  const note = el("div", { class: `toast ${kind}`, role: kind === "bad" ? "alert" : "status" }, icon(kind === "bad" ? "error" : "done"));
  const close = el("button", { class: "icon", "aria-label": "Close message", on: { click: () => note.remove() } }, icon("close"));
  note.append(el("span", { text }), close);
  by("toasts").append(note);
  setTimeout(() => note.remove(), kind === "bad" ? TOAST_MS * 2 : TOAST_MS);
}

/** Does what may fail; the reason is shown. */
export async function attempt(work) {
  try {
    return await work();
  } catch (why) {
    toast(why.message, "bad");
    return undefined;
  }
}

let names = 0;

/** A number for elements that refer to each other. */
export function name(prefix) {
  names += 1;
  return `${prefix}-${names}`;
}

/**
 * A dialog. `act` does what the main button says: the dialog closes when it has, and shows why when it cannot.
 * Resolves to what `act` returned, or undefined when it was closed.
 */
export function dialog({ title, body, yes, act, danger = false, wide = false, more = [], focus = null }) {
  return new Promise((resolve) => {
    const id = name("dialog");
    const wrong = el("p", { class: "wrong", role: "alert", hidden: true });
    const main = yes && el("button", { class: danger ? "main danger" : "main", type: "submit", text: yes });
    const close = () => box.close();
    const form = el("form", { method: "dialog", novalidate: true },
      el("header", {}, el("h2", { id, text: title }), el("button", { type: "button", class: "icon", "aria-label": "Close", on: { click: close } }, icon("close"))),
      el("div", { class: "content" }, body),
      wrong,
      el("footer", {}, more, el("span", { class: "space" }), el("button", { type: "button", class: "plain", text: yes ? "Cancel" : "Close", on: { click: close } }), main));
    const box = el("dialog", { class: wide ? "wide" : null, "aria-labelledby": id }, form);
    let result;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!act || main.disabled) return;
      main.disabled = true;
      wrong.hidden = true;
      try {
        result = await act();
        close();
      } catch (why) {
        wrong.textContent = why.message;
        wrong.hidden = false;
      }
      main.disabled = false;
    });
    // A click beside the box closes it.
    box.addEventListener("pointerdown", (event) => event.target === box && close());
    box.addEventListener("close", () => {
      box.remove();
      resolve(result);
    });
    document.body.append(box);
    box.showModal();
    (focus ?? main)?.focus();
  });
}

/** A line of a form: its name, its field, and what there is to say. */
export function line(title, field, about = "") {
  const id = field.id || name("field");
  field.id = id;
  const hint = about && el("small", { class: "quiet", id: `${id}-about`, text: about });
  if (hint) field.setAttribute("aria-describedby", hint.id);
  return el("div", { class: "line" }, el("label", { for: id, text: title }), field, hint);
}

/** A box to tick with its name. */
export function tick(title, checked, on = {}) {
  const box = el("input", { type: "checkbox", checked, on });
  return { box, row: el("label", { class: "tick" }, box, el("span", { text: title })) };
}

let openMenu = null;

/**
 * A menu of `[title, sign, act]`, null for a divider, below an element or at a point. `act` missing: it cannot be chosen now.
 */
export function menu(items, at) {
  openMenu?.();
  const before = document.activeElement;
  const list = el("div", { class: "menu", role: "menu" });
  const close = (back) => {
    if (openMenu !== close) return;
    openMenu = null;
    list.remove();
    document.removeEventListener("pointerdown", outside, true);
    if (back !== false) before?.focus();
  };
  const outside = (event) => list.contains(event.target) || close(false);
  for (const item of items) {
    if (!item) {
      list.append(el("hr"));
      continue;
    }
    const [title, sign, act] = item;
    const choose = () => { close(); act(); };
    list.append(el("button", { role: "menuitem", type: "button", tabindex: "-1", disabled: !act, on: { click: choose } }, icon(sign), el("span", { text: title })));
  }
  const all = () => [...list.querySelectorAll("button:not(:disabled)")];
  list.addEventListener("keydown", (event) => {
    const buttons = all();
    const here = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: -1 }[event.key];
    if (event.key === "Escape" || event.key === "Tab") close();
    else if (to !== undefined) buttons.at(to % buttons.length)?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  openMenu = close;
  document.body.append(list);
  place(list, at);
  document.addEventListener("pointerdown", outside, true);
  all()[0]?.focus();
}

function place(list, at) {
  const box = at instanceof Element ? at.getBoundingClientRect() : { left: at.x, bottom: at.y, top: at.y };
  const { offsetWidth: width, offsetHeight: height } = list;
  const below = box.bottom + 4 + height <= innerHeight - 8;
  list.style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`;
  list.style.top = `${Math.max(8, below ? box.bottom + 4 : box.top - height - 4)}px`;
}
