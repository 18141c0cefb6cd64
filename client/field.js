// The text field. field.py says how it and the kernel agree on the text, whatever comes when.

// What was typed into `was` goes behind what the kernel has set. By code points, not by halves.
function carriedOver(typed, was, now) {
  const [to, from] = [Array.from(typed), Array.from(was)];
  let start = 0;
  while (start < Math.min(to.length, from.length) && to[start] === from[start]) start += 1;
  let end = 0;
  const most = Math.min(to.length, from.length) - start;
  while (end < most && to.at(-1 - end) === from.at(-1 - end)) end += 1;
  return now + to.slice(start, to.length - end).join("");
}

// The text of one page, whatever number of views it has of it.
class Text {
  page = Math.random().toString(36).slice(2); // a name; a page that is loaded anew has a new one
  number = 0; // of the last message to the kernel
  sent = []; // what the kernel has not confirmed: [number, text, seen, what was pressed]
  inputs = new Set();
  composing = false; // while a word is put together, as in Japanese, nobody else may touch it

  constructor(model) {
    this.model = model;
    const { value, count } = model.get("shown");
    this.text = value;
    this.seen = count; // how many settings of the text this page knows of
    this.history = [[0, value]]; // what the kernel took last, and all that it was sent since
  }

  tell(pressed) {
    this.number += 1;
    this.history.push([this.number, this.text]);
    if (pressed) this.sent.push([this.number, this.text, this.seen, pressed]);
    const { page, number, text, seen, sent } = this;
    this.model.send({ page, number, text, seen, sent });
  }

  typed(text) {
    this.show(text);
    this.tell();
  }

  // The kernel tells its text, and which messages of this page it had taken when it set it.
  update() {
    if (this.composing) return;
    const { value, count, taken } = this.model.get("shown");
    const last = taken[this.page] ?? 0;
    this.sent = this.sent.filter(([number]) => number > last);
    while (this.history.length > 1 && this.history[1][0] <= last) this.history.shift();
    const was = this.history[0][1];
    this.seen = count;
    if (value === was) return;
    this.history = this.history.map(([number, text]) => [number, carriedOver(text, was, value)]);
    this.show(carriedOver(this.text, was, value));
    // The kernel comes to the same text by itself. If it should not, this is what holds.
    if (this.text !== value) this.tell();
  }

  show(text) {
    this.text = text;
    for (const input of this.inputs) if (input.value !== text) show(input, text);
  }
}

function show(input, text) {
  const fromEnd = input.value.length - input.selectionStart;
  input.value = text;
  // Somebody who writes in the middle goes on there.
  const caret = Math.max(0, input.value.length - fromEnd);
  if (input === document.activeElement) input.setSelectionRange(caret, caret);
}

// Called once for each field in a page.
export default () => {
  let text;

  function initialize({ model, signal }) {
    text = new Text(model);
    model.on("change:shown", () => text.update());
    const onClick = (event) => {
      const clicked = model.get("buttons").find((name) => event.target.closest(`.${name}`));
      if (!clicked) return;
      event.stopPropagation(); // or else the button would tell the kernel as well
      text.tell(clicked);
    };
    document.addEventListener("click", onClick, { capture: true, signal });
  }

  function render({ model, el, signal }) {
    const input = document.createElement("input");
    input.type = "text";
    input.className = "widget-input";
    input.value = text.text;
    // As ipywidgets has them, so that its style sheet holds here, too.
    el.classList.add("jupyter-widgets", "widget-inline-hbox", "widget-text", "course-field");
    el.append(input);
    text.inputs.add(input);

    function look() {
      input.placeholder = model.get("placeholder");
      input.setAttribute("aria-label", model.get("placeholder"));
      input.disabled = model.get("disabled");
    }

    function compose(composing) {
      text.composing = composing;
      if (!composing) text.update();
    }

    input.addEventListener("input", () => text.typed(input.value));
    input.addEventListener("keydown", (event) => {
      event.stopPropagation(); // JupyterLab's shortcuts are not meant
      // 229 is the Enter that ends a word that was put together, in a browser that ends it first.
      const ends = event.isComposing || event.keyCode === 229;
      if (event.key === "Enter" && !ends) text.tell("enter");
    });
    input.addEventListener("compositionstart", () => compose(true));
    input.addEventListener("compositionend", () => compose(false));
    input.addEventListener("blur", () => compose(false));
    model.on("change:placeholder change:disabled", look);
    look();
    signal.addEventListener("abort", () => text.inputs.delete(input));
  }

  return { initialize, render };
};
