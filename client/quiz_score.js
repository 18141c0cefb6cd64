// The button below the questions, and what it brought: the score and the verdict.

function render({ model, el }) {
  const foot = document.createElement("div");
  foot.className = "course-score";
  const button = foot.appendChild(document.createElement("button"));
  button.type = "button";
  // JupyterLab would take the Enter key for itself, and go into the cell's code.
  button.setAttribute("data-lm-suppress-shortcuts", "true");
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

  paint();
  model.on("change", paint);
  el.append(foot);
  return () => model.off("change", paint);
}

export default { render };
