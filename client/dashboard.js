// The page of exercise 6: numbers and charts of the last minute, and how old they are.

import { stayConnected } from "./connection.js";

const SECONDS = 60; // that a chart shows, and samples that are kept
const LIVE = 2000; // milliseconds for which data counts as live

const samples = [];
let arrived = 0;
let state = "connecting";

stayConnected({
  onMessage(message) {
    // After a reconnect the server tells the last minute once more.
    if (message.type !== "metrics" || samples.some((old) => old.timestamp === message.timestamp)) return;
    samples.push(message);
    if (samples.length > SECONDS) samples.shift();
    arrived = Date.now();
    show();
  },
  onState(now) {
    state = now;
    showAge();
  },
});

function show() {
  const newest = samples.at(-1);
  document.querySelector("#connections").textContent = newest.connections;
  for (const field of ["cpu", "memory"]) {
    const chart = document.querySelector(`#${field}`);
    chart.querySelector("b").textContent = `${newest[field].toFixed(0)} %`;
    chart.querySelector("polyline").setAttribute("points", points(field, newest));
  }
  showAge();
}

// Seconds from the left, percent from the top, as SVG counts.
function points(field, newest) {
  return samples
    .map((sample) => [(Date.parse(newest.timestamp) - Date.parse(sample.timestamp)) / 1000, sample[field]])
    .filter(([age]) => age >= 0 && age <= SECONDS)
    .map(([age, percent]) => `${(SECONDS - age).toFixed(1)},${(100 - percent).toFixed(0)}`)
    .join(" ");
}

function showAge() {
  const age = Date.now() - arrived;
  let words = age < LIVE ? "live" : "old";
  if (state !== "connected") words = "lost";
  if (samples.length === 0) words = "none yet";
  // Whoever listens to the page is told when the word changes, and not of each second.
  const shown = document.querySelector("#age");
  if (shown.textContent !== words) shown.textContent = words;
  document.querySelector("#seconds").textContent = words === "old" ? `, ${Math.round(age / 1000)} s` : "";
}

setInterval(showAge, 500);
