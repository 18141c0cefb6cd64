// The button below the questions, and what it brought: the score and the verdict.

function render({ model, el }) {
  const foot = document.createElement("div");
  foot.className = "course-score";
  const button = foot.appendChild(document.createElement("button"));
  button.type = "button";
  button.addEventListener("click", () => model.send("pressed"));
  // There from the beginning: a screen reader tells what changes in it.
  const status = foot.appendChild(document.createElement("div"));
  status.setAttribute("role", "status");

  function paint() {
    button.textContent = model.get("label");
    const lines = model.get("lines").map((line, index) => {
      const element = document.createElement(index === 0 ? "b" : "p");
      element.textContent = line;
      return element;
    });
    status.replaceChildren(...lines);
  }

  // Plain keys are for the button: JupyterLab would take Enter for itself. With Shift or Ctrl they
  // are for JupyterLab, which listens at the document, so this must listen above it.
  function key(event) {
    const plain = !(event.shiftKey || event.ctrlKey || event.altKey || event.metaKey);
    if (el.contains(event.target)) {
      event.target.toggleAttribute("data-lm-suppress-shortcuts", plain);
    }
  }

  paint();
  window.addEventListener("keydown", key, true);
  model.on("change", paint);
  el.append(foot);
  return () => {
    window.removeEventListener("keydown", key, true);
    model.off("change", paint);
  };
}

export default { render };
