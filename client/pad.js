// The pad: a pane of glass above a sheet. It takes what a mouse, a pen or a finger draws, shows it at
// once, and tells the kernel: several points in one message, never one message a point.

const SHORTEST_PAUSE = 16; // milliseconds between two messages
const LONGEST_PAUSE = 500; // after which one is sent, though the kernel has not answered the last ones
const UNDERWAY = 4; // messages that the kernel has not answered yet
const POINTER_PAUSE = 60; // milliseconds between two messages about a pen that does not draw
const MOST_POINTS = 400; // in one message
const FARTHEST = 10000; // pixels from the sheet at which a hand still counts
const LINGER = 80; // milliseconds until the sheet below shows what the kernel has painted

export default {
  render({ model, el }) {
    const pad = document.createElement("canvas");
    pad.className = "course-pad";
    pad.width = model.get("width");
    pad.height = model.get("height");
    pad.setAttribute("role", "img");
    pad.setAttribute("aria-label", "The sheet. Draw on it with a mouse, a pen or a finger.");
    el.append(pad);
    const ink = pad.getContext("2d");

    // A notebook may show this pad in several views, and each counts its own messages.
    const view = Math.random().toString(36).slice(2);
    let hand = null; // the pointer that draws
    let last = null; // where it was
    let events = []; // what the kernel is to be told
    let number = 0; // of the last message to the kernel
    let answered = 0; // the last one that it has taken
    let sentAt = -Infinity;
    let timer = null;
    let shown = []; // what is on the glass: [number of its message, color, width, points]
    let pointerAt = 0;

    function place(event) {
      const box = pad.getBoundingClientRect();
      const x = ((event.clientX - box.left) * pad.width) / box.width;
      const y = ((event.clientY - box.top) * pad.height) / box.height;
      // A small sheet on a large screen: the hand may be further away than a server takes.
      return [x, y].map((value) => Math.round(10 * Math.max(-FARTHEST, Math.min(FARTHEST, value))) / 10);
    }

    // What is drawn is on the glass at once.

    function draw([, color, width, points]) {
      ink.strokeStyle = ink.fillStyle = color;
      ink.lineWidth = width;
      ink.lineCap = ink.lineJoin = "round";
      ink.beginPath();
      if (points.length === 1) {
        ink.arc(...points[0], width / 2, 0, 2 * Math.PI);
        ink.fill();
      }
      for (const point of points) ink.lineTo(...point);
      ink.stroke();
    }

    function show(points) {
      shown.push([number + 1, model.get("color"), model.get("stroke"), points]);
      draw(shown.at(-1));
    }

    function wipe(until) {
      shown = shown.filter(([number]) => number > until);
      ink.clearRect(0, 0, pad.width, pad.height);
      shown.forEach(draw);
    }

    // What the kernel is told, and when.

    function tell(event) {
      const before = events.at(-1);
      const joins = event.type === "draw_points" && before?.type === "draw_points";
      if (joins && before.points.length < MOST_POINTS) before.points.push(...event.points);
      else events.push(event);
      plan();
    }

    function plan() {
      if (timer !== null || !events.length) return;
      const since = performance.now() - sentAt;
      const pause = number - answered >= UNDERWAY ? LONGEST_PAUSE : SHORTEST_PAUSE;
      if (since >= pause) flush();
      else timer = setTimeout(flush, pause - since);
    }

    function flush() {
      clearTimeout(timer);
      timer = null;
      if (!events.length) return;
      number += 1;
      sentAt = performance.now();
      model.send({ view, number, events });
      events = [];
      plan();
    }

    function onMessage({ view: told, taken, drawn, refused }) {
      if (refused) return wipe(Infinity);
      if (told !== view) return;
      answered = Math.max(answered, taken);
      if (shown.length && shown[0][0] <= drawn) setTimeout(wipe, LINGER, drawn);
      if (timer !== null) {
        clearTimeout(timer);
        timer = null;
      }
      plan();
    }

    // What a hand does.

    function begin(event) {
      if (hand !== null || event.button > 0) return;
      event.preventDefault();
      hand = event.pointerId;
      pad.setPointerCapture(hand); // so that it may leave the sheet and be let go elsewhere
      last = place(event);
      const [x, y] = last;
      show([last]);
      tell({ type: "draw_start", x, y, color: model.get("color"), width: model.get("stroke") });
    }

    function move(event) {
      if (hand === null) return hover(event);
      if (event.pointerId !== hand) return;
      // A mouse may report more often than the browser paints.
      const several = event.getCoalescedEvents?.() ?? [];
      const points = (several.length ? several : [event]).map(place);
      const moved = points.filter(([x, y], i) => {
        const [fromX, fromY] = points[i - 1] ?? last;
        return x !== fromX || y !== fromY;
      });
      if (!moved.length) return;
      show([last, ...moved]);
      last = moved.at(-1);
      tell({ type: "draw_points", points: moved });
    }

    function hover(event) {
      if (event.timeStamp - pointerAt < POINTER_PAUSE) return;
      pointerAt = event.timeStamp;
      const [x, y] = place(event);
      events = events.filter(({ type }) => type !== "pointer");
      tell({ type: "pointer", x, y });
    }

    function end(event) {
      if (event.pointerId !== hand) return;
      hand = null;
      tell({ type: "draw_end" });
    }

    pad.addEventListener("pointerdown", begin);
    pad.addEventListener("pointermove", move);
    pad.addEventListener("pointerup", end);
    pad.addEventListener("pointercancel", end);
    pad.addEventListener("lostpointercapture", end);
    model.on("msg:custom", onMessage);
    return () => model.off("msg:custom", onMessage);
  },
};
