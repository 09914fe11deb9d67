// What this browser remembers of the page: order, theme, what is open.

const KEY = "peerlink";
const DEFAULTS = { sort: "added", down: true, theme: "auto", details: true, tab: "overview", height: 0 };

function read() {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
  } catch {
    return { ...DEFAULTS };
  }
}

export const prefs = read();

/** Remembers. */
export function keep(changes) {
  Object.assign(prefs, changes);
  try {
    localStorage.setItem(KEY, JSON.stringify(prefs));
  } catch {
    // A browser that remembers nothing shows the page as it is by default.
  }
}

/** Colours as wanted: `auto` is what the system says. */
export function dress() {
  const root = document.documentElement;
  if (prefs.theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = prefs.theme;
}
