// The page of exercise 4: a number, a button to add one, and a button to take one away.

import { stayConnected } from "./connection.js";

const number = document.querySelector("#number");

const connection = stayConnected({
  onMessage(message) {
    if (message.type === "counter") number.textContent = message.value;
  },
});

document.querySelector("#plus").addEventListener("click", () => connection.send({ type: "increment" }));
document.querySelector("#minus").addEventListener("click", () => connection.send({ type: "decrement" }));
