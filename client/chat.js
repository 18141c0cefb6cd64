// The page of exercise 2: pick a name, see who is there, and talk.

import { stayConnected } from "./connection.js";

const LINES = 200;
const FIRST_PAUSE = 250; // milliseconds between two attempts to join under the name one had
const LONGEST_PAUSE = 2000;
const GOLDEN_ANGLE = 137.5; // degrees; colours that many degrees apart differ

const log = document.querySelector("#log");
const name = document.querySelector("#username");
const people = document.querySelector("#people");
export const content = document.querySelector("#content");

// What the page knows of itself and of the others.
export const chat = { username: null, users: [] };
let wanted = ""; // the name to join under
let accepted = ""; // the name that the server took last
let left = false;
let pause = FIRST_PAUSE;
let nextTry = null;
const hues = new Map();
const listeners = [];

// Calls a function with each message, after the chat has dealt with it; and with null when the
// connection is lost.
export function listen(listener) {
  listeners.push(listener);
}

export const connection = stayConnected({
  onMessage(message) {
    switch (message.type) {
      case "message":
        add(message, nameTag(message.username), ` ${message.content}`);
        break;
      case "system":
        add(message, message.message);
        break;
      case "user_list":
        setUsers(message.users);
        break;
      case "error":
        refused(message.message);
    }
    for (const listener of listeners) listener(message);
  },
  onState(state) {
    if (state === "connected") {
      pause = FIRST_PAUSE;
      askToJoin();
    } else if (state !== "connecting") {
      chat.username = null;
      chat.users = [];
      for (const listener of listeners) listener(null);
    }
    showPeople();
  },
});

function askToJoin() {
  if (wanted && wanted !== chat.username) connection.send({ type: "join", username: wanted });
}

function setUsers(users) {
  chat.users = users;
  if (!users.includes(chat.username)) {
    chat.username = null;
    if (users.includes(wanted)) chat.username = accepted = wanted;
    else if (accepted) tryAgain(); // the server forgot us: another handler has taken over
  }
  showPeople();
}

function refused(words) {
  if (!chat.username && accepted) {
    // It was ours until the line broke, and the server has not noticed yet that it did.
    tryAgain();
    words += " Perhaps by you, before the line broke: trying again…";
  } else {
    wanted = accepted = chat.username ?? "";
  }
  if (log.lastElementChild?.textContent !== words) add({}, words);
}

function tryAgain() {
  clearTimeout(nextTry);
  nextTry = setTimeout(askToJoin, pause);
  pause = Math.min(2 * pause, LONGEST_PAUSE);
}

document.querySelector("#join").addEventListener("submit", (event) => {
  event.preventDefault();
  wanted = name.value.trim();
  accepted = "";
  if (left) connection.reconnect();
  else askToJoin();
  left = false;
  content.focus();
});

document.querySelector("#leave").addEventListener("click", () => {
  left = true;
  connection.disconnect();
});

document.querySelector("#say").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!chat.username) {
    add({}, wanted ? "Not connected: keep your message a moment." : "Write your name above and press Join.");
  } else if (content.value.trim() && connection.send({ type: "message", content: content.value })) {
    content.value = "";
  }
});

// What is shown. Everything goes into the page as text: what others wrote is never HTML.

let waiting = []; // lines that the next painting adds, all at once

function add(message, ...parts) {
  const line = document.createElement("p");
  line.dir = "auto";
  line.className = message.type === "message" ? "" : "quiet";
  if (message.type === "message" && message.username === chat.username) line.className = "own";
  const time = timeOfDay(message.timestamp);
  line.append(...(time ? [time] : []), ...parts);
  if (!waiting.length) schedule(paint);
  waiting.push(line);
  if (waiting.length > LINES) waiting.shift();
}

// A tab in the background paints nothing: there, a timer does.
function schedule(work) {
  if (document.hidden) setTimeout(work, 100);
  else requestAnimationFrame(work);
}

function paint() {
  const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 5;
  log.append(...waiting);
  waiting = [];
  while (log.childElementCount > LINES) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function timeOfDay(timestamp) {
  const date = new Date(timestamp ?? NaN);
  if (isNaN(date)) return null;
  const time = document.createElement("time");
  time.dateTime = timestamp;
  time.textContent = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return time;
}

function nameTag(username) {
  if (!hues.has(username)) hues.set(username, (hues.size * GOLDEN_ANGLE + 250) % 360);
  const tag = document.createElement("bdi");
  tag.className = "name";
  tag.style.setProperty("--hue", hues.get(username));
  tag.textContent = username;
  return tag;
}

function showPeople() {
  const tags = chat.users.flatMap((user) => [
    ", ",
    nameTag(user),
    user === chat.username ? " (you)" : "",
  ]);
  people.replaceChildren(...(tags.length ? ["Here: ", ...tags.slice(1)] : ["You have not joined yet."]));
}
