// Pictures: the pieces of a torrent, and speeds over the last minutes.

import { rate } from "./text.js";

const colour = (node, name) => getComputedStyle(node).getPropertyValue(name).trim();

/** A canvas as sharp as the screen; its context, and its size in the units of the page. */
function sheet(canvas) {
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  const scale = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const to = canvas.getContext("2d");
  to.setTransform(scale, 0, 0, scale, 0, 0);
  to.clearRect(0, 0, width, height);
  return { to, width, height };
}

/** Bits from base64; the highest of each byte comes first. */
export function bits(base64, count) {
  const bytes = atob(base64 || "");
  const has = new Uint8Array(count);
  for (let at = 0; at < count; at += 1) has[at] = (bytes.charCodeAt(at >> 3) >> (7 - (at & 7))) & 1;
  return has;
}

const CELL = 11;
const GAP = 2;
const ROWS_MAX = 4;

/** Pieces as a field of cells; where there is not room for all, a cell stands for several. */
export function pieces(canvas, has) {
  const columns = Math.max(1, Math.floor((canvas.clientWidth + GAP) / (CELL + GAP)));
  const rows = Math.max(1, Math.min(ROWS_MAX, Math.ceil(has.length / columns)));
  canvas.style.height = `${rows * (CELL + GAP) - GAP}px`;
  const { to, width } = sheet(canvas);
  if (width === 0 || has.length === 0) return;
  const cells = Math.min(has.length, columns * rows);
  const none = colour(canvas, "--bar");
  const some = colour(canvas, "--tint");
  for (let cell = 0; cell < cells; cell += 1) {
    const from = Math.floor((cell * has.length) / cells);
    const end = Math.max(from + 1, Math.floor(((cell + 1) * has.length) / cells));
    let sum = 0;
    for (let at = from; at < end; at += 1) sum += has[at];
    const x = (cell % columns) * (CELL + GAP);
    const y = Math.floor(cell / columns) * (CELL + GAP);
    to.globalAlpha = 1;
    to.fillStyle = none;
    box(to, x, y);
    if (sum === 0) continue;
    to.globalAlpha = sum === end - from ? 1 : 0.25 + (0.5 * sum) / (end - from);
    to.fillStyle = some;
    box(to, x, y);
  }
  to.globalAlpha = 1;
}

function box(to, x, y) {
  to.beginPath();
  to.roundRect(x, y, CELL, CELL, 2.5);
  to.fill();
}

const LEFT = 64;
const BOTTOM = 20;
const TOP = 8;

const SPAN_MIN_S = 120;
const SPAN_MAX_S = 600;

/** Speeds `[seconds, down, up]` of the last minutes: as many as are known, ten at most. */
export function speeds(canvas, history) {
  const { to, width, height } = sheet(canvas);
  if (width === 0) return;
  const now = Date.now() / 1000;
  const span = Math.max(SPAN_MIN_S, Math.min(SPAN_MAX_S, now - (history[0]?.[0] ?? now)));
  const recent = history.filter(([at]) => at >= now - span - 5);
  const top = ceiling(Math.max(10_000, ...recent.map(([, down, up]) => Math.max(down, up))));
  const x = (at) => LEFT + (width - LEFT - 6) * (1 - (now - at) / span);
  const y = (value) => TOP + (height - TOP - BOTTOM) * (1 - value / top);
  to.font = `11px ${getComputedStyle(canvas).fontFamily}`;
  to.lineWidth = 1;
  to.textBaseline = "middle";
  to.textAlign = "right";
  for (let part = 0; part <= 4; part += 1) {
    const value = (top * part) / 4;
    to.strokeStyle = colour(canvas, "--line");
    to.beginPath();
    to.moveTo(LEFT, Math.round(y(value)) + 0.5);
    to.lineTo(width - 6, Math.round(y(value)) + 0.5);
    to.stroke();
    to.fillStyle = colour(canvas, "--soft");
    if (part % 2 === 0) to.fillText(part === 0 ? "0" : rate(value), LEFT - 8, y(value));
  }
  to.textBaseline = "bottom";
  for (let minute = 0; minute <= span / 60; minute += 1) {
    to.textAlign = minute === 0 ? "right" : "center";
    if (minute % 2 === 0 || span <= 300) to.fillText(minute === 0 ? "now" : `${minute} min`, minute === 0 ? width - 6 : x(now - minute * 60), height - 2);
  }
  to.save();
  to.beginPath();
  to.rect(LEFT, 0, width - LEFT, height);
  to.clip();
  curve(to, recent, x, y, 1, colour(canvas, "--down"));
  curve(to, recent, x, y, 2, colour(canvas, "--up"));
  to.restore();
}

function curve(to, moments, x, y, which, paint) {
  if (moments.length < 2) return;
  to.beginPath();
  // A gap is a time when nobody looked.
  let last = -1e9;
  for (const moment of moments) {
    if (moment[0] - last > 15) to.moveTo(x(moment[0]), y(moment[which]));
    else to.lineTo(x(moment[0]), y(moment[which]));
    last = moment[0];
  }
  to.strokeStyle = paint;
  to.lineWidth = 2;
  to.lineJoin = "round";
  to.stroke();
  to.lineTo(x(moments.at(-1)[0]), y(0));
  to.lineTo(x(moments[0][0]), y(0));
  to.globalAlpha = 0.12;
  to.fillStyle = paint;
  to.fill();
  to.globalAlpha = 1;
}

/** The next round number: 1, 2, 4 or 5 times a power of ten. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 4, 5, 10].find((step) => step * power >= value);
}
