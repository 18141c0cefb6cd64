// One question and its answers. Which answer is right is not here: the notebook's kernel tells it
// when the answers are checked.

function render({ model, el }) {
  // Radio buttons of one name exclude each other in the whole page, and a question may be shown
  // twice. Counting would not do: each widget has a copy of this file of its own.
  const name = `course-question-${Math.random().toString(36).slice(2)}`;

  function paint() {
    const marks = model.get("marks");
    const chosen = model.get("chosen");
    const set = document.createElement("fieldset");
    set.className = "course-question";
    const legend = set.appendChild(document.createElement("legend"));
    legend.append(`${model.get("number")}. `, prose(model.get("text")));
    if (marks.length) {
      const right = chosen >= 0 && marks[chosen].right;
      legend.append(" ");
      const badge = legend.appendChild(document.createElement("span"));
      badge.className = right ? "course-mark course-right" : "course-mark course-wrong";
      badge.textContent = right ? "✓ right" : "✗ wrong";
    }
    model.get("answers").forEach((text, index) => {
      set.append(choice(text, index, index === chosen, marks[index]));
    });
    el.replaceChildren(set);
  }

  function choice(text, index, isChosen, mark) {
    const row = document.createElement("div");
    row.className = "course-choice";
    const label = row.appendChild(document.createElement("label"));
    const radio = label.appendChild(document.createElement("input"));
    Object.assign(radio, { type: "radio", name, value: index, checked: isChosen });
    radio.addEventListener("change", () => {
      model.set("chosen", index);
      model.save_changes();
    });
    const words = label.appendChild(document.createElement("span"));
    words.append(prose(text));
    if (mark) {
      radio.disabled = true;
      row.classList.add(mark.right ? "course-right" : isChosen ? "course-wrong" : "course-other");
      const why = row.appendChild(document.createElement("p"));
      why.id = `${name}-${index}`;
      radio.setAttribute("aria-describedby", why.id);
      const verdict = mark.right ? "✓ Right. " : isChosen ? "✗ Your answer. " : "";
      if (verdict) why.appendChild(document.createElement("b")).textContent = verdict;
      why.append(prose(mark.why));
    }
    return row;
  }

  function check() {
    el.querySelectorAll("input").forEach((radio, index) => {
      radio.checked = index === model.get("chosen");
    });
  }

  // Plain keys are for the answers: JupyterLab would take the arrow keys for itself. With Shift or Ctrl they
  // are for JupyterLab, which listens at the document, so this must listen above it.
  function key(event) {
    const plain = !(event.shiftKey || event.ctrlKey || event.altKey || event.metaKey);
    if (el.contains(event.target)) {
      event.target.toggleAttribute("data-lm-suppress-shortcuts", plain);
    }
  }

  paint();
  window.addEventListener("keydown", key, true);
  model.on("change:answers change:marks", paint);
  model.on("change:chosen", check);
  return () => {
    window.removeEventListener("keydown", key, true);
    model.off("change:answers change:marks", paint);
    model.off("change:chosen", check);
  };
}

// Text with `code` in it, as text: what stands in a question is never HTML.
function prose(text) {
  const pieces = document.createDocumentFragment();
  text.split("`").forEach((piece, index) => {
    if (index % 2) pieces.appendChild(document.createElement("code")).textContent = piece;
    else pieces.append(piece);
  });
  return pieces;
}

export default { render };
