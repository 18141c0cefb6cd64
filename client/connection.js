// One connection to the server that brought this page. It comes back by itself.

const FIRST_PAUSE = 100; // milliseconds between two attempts to connect
const LONGEST_PAUSE = 2000;
const STEADY = 5000; // milliseconds after which a connection counts as one that works

// The address of the page with another scheme: so it is right behind a proxy, too.
const address = new URL(".", location.href);
address.protocol = address.protocol.replace("http", "ws");

const badge = document.querySelector("#state");

// Connects, and calls onMessage with each JSON object and onText with each other text. A query is
// what the address ends with. Returns what the page can do with the connection.
export function stayConnected({ onMessage, onText = () => {}, onState = () => {}, query = "" }) {
  address.search = query;
  let socket = null;
  let pause = FIRST_PAUSE;
  let timer = null;
  let wanted = true;
  let trouble = null; // why there is no connection, as long as there is none

  function show(state, words) {
    badge.className = state;
    // The same words anew would be read out anew to whoever listens to the page.
    if (badge.textContent !== words) badge.textContent = words;
    onState(state);
  }

  function open() {
    // While it tries again and again, it stays lost, and the badge does not go to and fro.
    if (!trouble) show("connecting", "connecting…");
    const mine = new WebSocket(address);
    let opened = null;
    socket = mine;
    mine.onopen = () => {
      opened = Date.now();
      trouble = null;
      show("connected", "connected");
    };
    mine.onmessage = (event) => {
      const message = readObject(event.data);
      if (message) onMessage(message);
      else onText(event.data);
    };
    mine.onclose = () => {
      if (!wanted) return goodbye();
      if (opened && Date.now() - opened > STEADY) pause = FIRST_PAUSE;
      trouble ??= "lost, reconnecting…";
      show("lost", trouble);
      if (!opened) tellWhy();
      timer = setTimeout(open, pause * (0.75 + Math.random() / 2));
      pause = Math.min(2 * pause, LONGEST_PAUSE);
    };
  }

  // A script does not learn why a WebSocket was refused. A plain request does.
  async function tellWhy() {
    const answer = await fetch(new URL("about", address.href.replace("ws", "http"))).catch(() => null);
    if (answer?.status !== 401 && answer?.status !== 403) return;
    const words = await answer.text();
    if (socket.readyState !== WebSocket.CLOSED) return;
    trouble = `refused: ${words}`;
    show("lost", trouble);
  }

  function goodbye() {
    trouble = null;
    show("disconnected", "disconnected");
  }

  open();
  return {
    send(message) {
      if (socket.readyState !== WebSocket.OPEN) return false;
      socket.send(JSON.stringify(message));
      return true;
    },
    disconnect() {
      wanted = false;
      clearTimeout(timer);
      if (socket.readyState === WebSocket.CLOSED) goodbye();
      else socket.close(1000);
    },
    reconnect() {
      wanted = true;
      pause = FIRST_PAUSE;
      if (socket.readyState === WebSocket.CLOSED) open();
    },
  };
}

function readObject(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
