// The page of exercise 7: a sheet on which everybody draws.
//
// It asks the server for batches: several points in one message. With a server that does not offer
// them it falls back to one message a point.

import { stayConnected } from "./connection.js";
import { drawWithKeys } from "./keyboard.js";
import { toJSON, toSVG, fromJSON } from "./drawing.js";

const PAUSE = 16; // milliseconds between two messages with points
const POINTER_PAUSE = 60; // milliseconds between two messages about a pen that does not draw
const GONE = 5000; // milliseconds after which a pen that does not move is shown no longer
const PATIENCE = 1500; // milliseconds, twice of which a server may take for an answer
const ASKING = 4000; // milliseconds in which a second click on Clear clears
const MOST_POINTS = 400; // in one message
const HELLO = 1000; // milliseconds in which a server that takes batches says so
const UNTAKEN = 2000; // messages that are kept while there is no connection
const FARTHEST = 10000; // pixels from the sheet at which a hand still counts

const find = (id) => document.getElementById(id);
const paper = find("paper").getContext("2d");
const glass = find("glass");
const ink = glass.getContext("2d");

const strokes = new Map(); // what is on the sheet, by number, in the order of the server
const pens = new Map(); // where the pens of the others are
let pen = null; // the number of ours
let mode = null; // "batch" or "plain", once the server is known
let noHello = null; // a timer: a server that takes batches would have said so by then
let begun = 0; // our strokes, for a plain server
let number = Date.now(); // of our last message; a page that is loaded again must count on
let untaken = []; // our messages that the server has not taken yet, in order
let anew = false; // whether the whole sheet has to be painted once more

// With this key we get our pen back after the line broke, or the page was loaded again.
// It is not stored while we have it: a second tab, made from this one, needs a pen of its own.
const key = sessionStorage.getItem("pen") ?? Math.random().toString(36).slice(2).padEnd(12, "x");
sessionStorage.removeItem("pen");
addEventListener("pagehide", () => sessionStorage.setItem("pen", key));

const connection = stayConnected({
  query: "batch=1",
  onState(state) {
    clearTimeout(noHello);
    mode = null;
    if (state !== "connected") return;
    beginAnew();
    noHello = setTimeout(fallBack, HELLO);
  },
  onMessage(message) {
    switch (message.type) {
      case "hello":
        clearTimeout(noHello);
        beginAnew(); // also when another handler takes over on this connection
        introduce();
        break;
      case "welcome":
        welcomed(message);
        break;
      case "error":
        // A handler has taken over that does not know batches.
        if (mode === "batch" && !("n" in message)) fallBack();
        else say(message.message);
        forget(message.n);
        break;
      case "taken": // and nobody was told: it changed nothing
        forget(message.n);
        break;
      case "pointer":
        pens.set(message.pen, { ...message, since: Date.now() });
        break;
      case "pointer_gone":
        pens.delete(message.pen);
        break;
      default:
        take(message);
    }
    repaint();
  },
});

// Forgets the drawing: the server tells it once more.
function beginAnew() {
  strokes.clear();
  pens.clear();
  anew = true;
  repaint();
}

function introduce() {
  // What one cannot see in a name, the server would refuse.
  const letters = [...find("username").value.replace(/[\p{C}\p{Z}]+/gu, " ").trim()];
  connection.send({ type: "join", username: letters.slice(0, 20).join("").trim() || "Browser", key });
}

function welcomed({ pen: given, taken }) {
  if (pen === null && find("color").value === "#222222") find("color").value = shade(given);
  pen = given;
  number = Math.max(number, taken);
  forget(taken);
  if (mode !== "batch") for (const { message } of untaken) connection.send(message);
  mode = "batch";
}

// Sends one message a point from now on: the server has not said that it takes several.
function fallBack() {
  mode = "plain";
  for (const { message } of untaken.splice(0)) actPlainly(message);
}

// Such a server does not tell us what we did ourselves.
function actPlainly({ n, ...message }) {
  if (message.type === "draw_start") begun += 1;
  const moves = message.type === "draw_points" ? message.points : [];
  for (const [x, y] of moves) connection.send({ type: "draw_move", x, y });
  if (!moves.length) connection.send(message);
  if (message.type.startsWith("draw_")) take({ ...message, stroke: `own ${begun}` });
  repaint();
}

// Changes the drawing as a message of the server says.
function take(message) {
  const stroke = strokes.get(message.stroke);
  switch (message.type) {
    case "draw_start":
      if (strokes.delete(message.stroke)) anew = true; // another server, which counts anew
      begin(message, message.x, message.y);
      break;
    case "draw_move":
      // It may have begun before we came, and nobody told us.
      if (!stroke) begin(message, message.fromX ?? message.x, message.fromY ?? message.y);
      strokes.get(message.stroke).points.push([message.x, message.y]);
      break;
    case "draw_points":
      stroke?.points.push(...message.points);
      break;
    case "undo":
      strokes.delete(message.stroke);
      anew = true;
      break;
    case "clear":
      strokes.clear();
      anew = true;
  }
  if (pen === null || message.pen !== pen) return follow(message);
  forget(message.n);
  say(""); // what was said before is over
}

function begin({ stroke, color = "#222222", width = 3 }, x, y) {
  strokes.set(stroke, { color, width, points: [[x, y]], painted: 0 });
}

function follow(message) {
  // What was drawn before we came has no "n": that pen may be gone, or elsewhere.
  if (message.pen === undefined || message.n === undefined) return;
  const known = pens.get(message.pen) ?? {};
  if (message.type === "draw_start") pens.set(message.pen, { ...message, since: Date.now() });
  if (message.type !== "draw_points") return;
  const [x, y] = message.points.at(-1);
  pens.set(message.pen, { ...known, x, y, since: Date.now() });
}

function forget(taken) {
  if (taken) untaken = untaken.filter(({ message }) => message.n > taken);
}

// Sends what our pen does, and keeps it until the server has taken it. `from` is where it was.
function act(message, from) {
  if (mode === "plain") return actPlainly(message);
  if (mode === null && untaken.length >= UNTAKEN) return say("You have drawn a lot without a connection. This is not kept any more.");
  number += 1;
  untaken.push({ message: { ...message, n: number }, from });
  if (mode === "batch") connection.send(untaken.at(-1).message);
  repaint();
}

// What a hand does.

let hand = null; // the pointer that draws
let last = null; // where it was
let fresh = []; // points that have not been sent yet
let freshFrom = null; // where the first of them began
let timer = null;
let sentAt = -Infinity;
let pointerAt = -Infinity;

function place(event) {
  const box = glass.getBoundingClientRect();
  const x = ((event.clientX - box.left) * glass.width) / box.width;
  const y = ((event.clientY - box.top) * glass.height) / box.height;
  // A small sheet on a large screen: the hand may be further away than a server takes.
  return [x, y].map((value) => Math.round(10 * Math.max(-FARTHEST, Math.min(FARTHEST, value))) / 10);
}

const look = () => ({ color: find("color").value, width: Number(find("width").value) });

glass.addEventListener("pointerdown", (event) => {
  if (hand !== null || event.button > 0) return;
  event.preventDefault();
  keys.lift();
  keys.isShown = false;
  hand = event.pointerId;
  glass.setPointerCapture(hand); // so that it may leave the sheet and be let go elsewhere
  last = place(event);
  act({ type: "draw_start", x: last[0], y: last[1], ...look() });
});

glass.addEventListener("pointermove", (event) => {
  if (hand === null) return hover(event);
  if (event.pointerId !== hand) return;
  const several = event.getCoalescedEvents?.() ?? [];
  if (!fresh.length) freshFrom = last;
  for (const point of (several.length ? several : [event]).map(place)) {
    if (point[0] !== last[0] || point[1] !== last[1]) fresh.push(point);
    last = point;
  }
  repaint();
  const since = performance.now() - sentAt;
  if (since >= PAUSE) flush();
  else timer ??= setTimeout(flush, PAUSE - since);
});

function flush() {
  clearTimeout(timer);
  timer = null;
  sentAt = performance.now();
  while (fresh.length) {
    const points = fresh.splice(0, MOST_POINTS);
    act({ type: "draw_points", points }, freshFrom);
    freshFrom = points.at(-1);
  }
}

function end(event) {
  if (event.pointerId !== hand) return;
  flush();
  hand = null;
  act({ type: "draw_end" });
}
for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) glass.addEventListener(name, end);

// What the keys do: see keyboard.js.
const keys = drawWithKeys(glass, {
  isBusy: () => hand !== null,
  start: ([x, y]) => act({ type: "draw_start", x, y, ...look() }),
  move(to, from) {
    const isMoved = to[0] !== from[0] || to[1] !== from[1];
    if (keys.isDown && isMoved) act({ type: "draw_points", points: [to] }, from);
    repaint();
  },
  end: () => act({ type: "draw_end" }),
  say: (words) => { find("pen").textContent = words; },
});

function hover(event) {
  if (mode !== "batch" || event.timeStamp - pointerAt < POINTER_PAUSE) return;
  pointerAt = event.timeStamp;
  const [x, y] = place(event);
  connection.send({ type: "pointer", x, y });
}

// What is painted: once in a frame, however many messages came.

let planned = false;

function repaint() {
  if (planned) return;
  planned = true;
  // A tab in the background paints nothing: there, a timer does.
  if (document.hidden) setTimeout(paint, 100);
  else requestAnimationFrame(paint);
}

function paint() {
  planned = false;
  if (anew) paper.clearRect(0, 0, glass.width, glass.height);
  for (const stroke of strokes.values()) {
    const painted = anew ? 0 : stroke.painted;
    if (painted < stroke.points.length) line(paper, stroke, stroke.points.slice(Math.max(0, painted - 1)));
    stroke.painted = stroke.points.length;
  }
  anew = false;
  ink.clearRect(0, 0, glass.width, glass.height);
  paintUntaken();
  if (keys.isShown) ring(...keys.place);
  for (const [number, { x, y, color, username, since }] of pens) {
    if (Date.now() - since > GONE) pens.delete(number);
    else cursor(x, y, color, username);
  }
}

// What the server has not taken yet lies on the glass, so that one sees at once what one draws.
function paintUntaken() {
  let style = look();
  for (const { message, from } of untaken) {
    if (message.type === "draw_start") style = message;
    if (message.type === "draw_start") line(ink, style, [[message.x, message.y]]);
    if (message.type === "draw_points") line(ink, style, [from, ...message.points]);
  }
  if (fresh.length) line(ink, look(), [freshFrom, ...fresh]);
}

function line(context, { color, width }, points) {
  context.strokeStyle = context.fillStyle = color;
  context.lineWidth = width;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  if (points.length === 1) {
    context.arc(...points[0], width / 2, 0, 2 * Math.PI);
    context.fill();
  }
  for (const point of points) context.lineTo(...point);
  context.stroke();
}

function cursor(x, y, color, username) {
  ink.fillStyle = color;
  ink.beginPath();
  ink.arc(x, y, 4, 0, 2 * Math.PI);
  ink.fill();
  // On a phone the sheet is small, and its letters are not to be.
  ink.font = `${Math.max(16, (12 * glass.width) / glass.clientWidth)}px system-ui, sans-serif`;
  // Near the right edge the name stands on the left, or it would be cut off.
  const isRight = x > glass.width - 160;
  ink.textAlign = isRight ? "right" : "left";
  ink.fillText(username, x + (isRight ? -8 : 8), Math.max(y - 6, 14));
}

// Where the pen of the keys is: thick around what it draws, so that one sees it on any ink.
function ring(x, y) {
  for (const [color, width] of [["#ffffff", 5], ["#0b57d0", 2]]) {
    ink.strokeStyle = color;
    ink.lineWidth = width;
    ink.beginPath();
    ink.arc(x, y, 9, 0, 2 * Math.PI);
    ink.stroke();
  }
}

setInterval(() => pens.size && repaint(), 1000);

// Connects anew if the server does not say that it took what we sent: the line may be dead, or a
// handler has taken over that knows nothing of batches.
let waitedFor = 0;
setInterval(() => {
  const waiting = mode === "batch" && untaken.length ? untaken[0].message.n : 0;
  if (waiting && waiting === waitedFor) {
    connection.disconnect();
    connection.reconnect();
  }
  waitedFor = waiting;
}, PATIENCE);

// The golden angle: pens with other numbers have other colours, however many there are.
function shade(number) {
  const hue = (number * 137.5) % 360;
  const parts = [0, 120, 240].map((turn) => 0.42 + 0.34 * Math.cos(((hue - turn) * Math.PI) / 180));
  return "#" + parts.map((part) => Math.round(255 * part).toString(16).padStart(2, "0")).join("");
}

// The buttons.

function say(words) {
  find("words").textContent = words;
}

find("username").addEventListener("change", () => mode === "batch" && introduce());
find("undo").addEventListener("click", () => act({ type: "undo" }));

let asked = null;
find("clear").addEventListener("click", () => {
  if (asked) act({ type: "clear" });
  const first = !asked;
  clearTimeout(asked);
  asked = first ? setTimeout(doNotClear, ASKING) : null;
  find("clear").textContent = first ? "Clear for everybody?" : "Clear";
});
function doNotClear() {
  asked = null;
  find("clear").textContent = "Clear";
}

find("svg").addEventListener("click", () => save("whiteboard.svg", "image/svg+xml", toSVG(strokes.values())));
find("json").addEventListener("click", () => save("whiteboard.json", "application/json", toJSON(strokes.values())));
find("png").addEventListener("click", () => {
  const picture = Object.assign(document.createElement("canvas"), { width: glass.width, height: glass.height });
  const context = picture.getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, picture.width, picture.height);
  context.drawImage(find("paper"), 0, 0);
  picture.toBlob((blob) => save("whiteboard.png", "image/png", blob));
});

function save(name, type, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

find("open").addEventListener("change", async ({ target }) => {
  try {
    for (const { color, width, points } of fromJSON(await target.files[0].text())) {
      act({ type: "draw_start", x: points[0][0], y: points[0][1], color, width });
      for (let i = 1; i < points.length; i += MOST_POINTS) {
        act({ type: "draw_points", points: points.slice(i, i + MOST_POINTS) }, points[i - 1]);
      }
      act({ type: "draw_end" });
    }
    say("");
  } catch (error) {
    say(error.message);
  }
  target.value = "";
});
