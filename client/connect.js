// The page of exercise 1: say something, and see all that the server sends.

import { stayConnected } from "./connection.js";

const LINES = 200;
const log = document.querySelector("#log");
const content = document.querySelector("#content");
const leave = document.querySelector("#leave");
let there = true;

const connection = stayConnected({
  onMessage(message) {
    switch (message.type) {
      case "message":
        return add(`${message.from}: ${message.content}`);
      case "user_joined":
      case "user_left":
        document.querySelector("#count").textContent = `${message.client_count} connected ·`;
        return add(message.message, "quiet");
      case "system":
      case "error":
        return add(message.message, "quiet");
      default:
        return add(JSON.stringify(message), "quiet");
    }
  },
  onText: (text) => add(text),
  onState: (state) => {
    if (state !== "connected") document.querySelector("#count").textContent = "";
  },
});

function add(text, style = "") {
  const line = document.createElement("p");
  line.textContent = text; // as text: what others wrote is never HTML
  line.className = style;
  const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 5;
  log.append(line);
  while (log.childElementCount > LINES) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

document.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (content.value && connection.send({ type: "message", content: content.value })) {
    content.value = "";
  }
});

document.querySelector("#ping").addEventListener("click", () => connection.send({ type: "ping" }));

leave.addEventListener("click", () => {
  there = !there;
  leave.textContent = there ? "Disconnect" : "Connect";
  if (there) connection.reconnect();
  else connection.disconnect();
});
