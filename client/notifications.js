// The page of exercise 5: toasts that come and go, and an inbox of what was not yet read.

import { stayConnected } from "./connection.js";

const STAY = 5000; // milliseconds that a toast stays
const MOST_TOASTS = 4;
const ROWS = 200; // notifications that the inbox shows
const REMEMBERED = 10000; // ids by which one that comes twice is known

const inbox = document.querySelector("#inbox");
const toasts = document.querySelector("#toasts");
const all = document.querySelector("#all");
const seen = new Set();
const unread = new Set();

stayConnected({
  onMessage(message) {
    if (message.type !== "notification" || seen.has(message.id)) return;
    seen.add(message.id);
    unread.add(message.id);
    if (seen.size > REMEMBERED) forget(seen.values().next().value);
    addRow(message);
    addToast(message);
    showUnread();
  },
});

function addRow(message) {
  const row = document.createElement("li");
  const words = document.createElement("span");
  const button = document.createElement("button");
  words.textContent = message.message; // as text: what others wrote is never HTML
  button.textContent = "✕";
  button.title = `Dismiss: ${message.message}`;
  button.setAttribute("aria-label", button.title);
  button.addEventListener("click", () => {
    dismiss(message.id);
    // The button is gone, and the keyboard would begin anew at the top of the page.
    (inbox.querySelector(".fresh button") ?? all).focus();
  });
  row.dataset.id = message.id;
  row.className = "fresh";
  row.append(words, button);
  inbox.prepend(row);
  while (inbox.childElementCount > ROWS) inbox.lastElementChild.remove();
}

function addToast(message) {
  const toast = document.createElement("div");
  toast.className = "toast";
  toast.textContent = `🔔 ${message.message}`;
  toast.dataset.id = message.id;
  toasts.prepend(toast);
  while (toasts.childElementCount > MOST_TOASTS) toasts.lastElementChild.remove();
  setTimeout(() => toast.remove(), STAY);
}

function dismiss(id) {
  unread.delete(id);
  for (const element of document.querySelectorAll("[data-id]")) {
    if (element.dataset.id !== id) continue;
    if (element.parentElement === toasts) element.remove();
    else element.className = "quiet";
  }
  showUnread();
}

function forget(id) {
  seen.delete(id);
  unread.delete(id);
}

function showUnread() {
  document.querySelector("#unread").textContent = unread.size;
}

all.addEventListener("click", () => {
  for (const id of [...unread]) dismiss(id);
});
