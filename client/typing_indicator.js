// The page of exercise 3: the chat of exercise 2, in which one sees who is typing.

import { chat, connection, content, listen } from "./chat.js";

const STOP_AFTER = 2000; // milliseconds after the last key
const AGAIN_AFTER = 5000; // milliseconds after which it is told again that one types on
const FORGET_AFTER = 8000; // milliseconds after which somebody is forgotten of whom nothing more comes

const typing = new Map(); // who of the others is typing, with the timer that forgets them
let stopping = null; // the timer, while one is typing oneself
let told = 0; // when it was told last

// What one does oneself.

content.addEventListener("input", () => {
  if (!content.value || !chat.username) return;
  if (stopping === null || Date.now() - told > AGAIN_AFTER) tell();
  clearTimeout(stopping);
  stopping = setTimeout(stopTyping, STOP_AFTER);
});

document.querySelector("#say").addEventListener("submit", stopTyping);

function tell() {
  told = Date.now();
  connection.send({ type: "typing" });
}

function stopTyping() {
  if (stopping === null) return;
  clearTimeout(stopping);
  stopping = null;
  if (chat.username) connection.send({ type: "stop_typing" });
}

// What the others do.

listen((message) => {
  switch (message?.type) {
    case "typing":
      if (message.username !== chat.username) begin(message.username);
      break;
    case "stop_typing":
    case "message":
      end(message.username);
      break;
    case "user_list":
      for (const name of typing.keys()) if (!chat.users.includes(name)) end(name);
      if (stopping !== null && chat.username) tell(); // somebody may have come who does not know
      break;
    case undefined: // the connection is lost
      for (const name of typing.keys()) end(name);
  }
});

function begin(name) {
  clearTimeout(typing.get(name));
  typing.set(name, setTimeout(end, FORGET_AFTER, name));
  show();
}

function end(name) {
  clearTimeout(typing.get(name));
  if (typing.delete(name)) show();
}

function show() {
  document.querySelector("#typing").textContent = whoTypes([...typing.keys()]);
}

function whoTypes(names) {
  if (names.length === 0) return "";
  if (names.length === 1) return `${names[0]} is typing…`;
  if (names.length === 2) return `${names[0]} and ${names[1]} are typing…`;
  return "Several people are typing…";
}
