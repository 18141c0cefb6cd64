// Shows what the kernel drew, and tells the kernel which frame somebody has chosen.
export default {
  render({ model, el }) {
    const panel = document.createElement("div");
    panel.className = "wire-panel";
    panel.tabIndex = 0;
    panel.setAttribute("role", "group");
    el.append(panel);

    const mark = () => {
      const chosen = String(model.get("selected"));
      for (const part of panel.querySelectorAll("[data-number]"))
        part.classList.toggle("wire-selected", part.dataset.number === chosen);
    };
    const paint = () => {
      const across = panel.scrollLeft;
      panel.innerHTML = model.get("html");
      panel.setAttribute("aria-label", model.get("label"));
      panel.scrollLeft = across;
      mark();
    };
    const choose = (number) => {
      model.set("selected", number);
      model.save_changes();
    };

    panel.addEventListener("click", (event) => {
      const part = event.target.closest("[data-number]");
      if (part) choose(Number(part.dataset.number));
    });
    panel.addEventListener("keydown", (event) => {
      const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!step) return;
      const rows = [...panel.querySelectorAll(".wire-row")];
      const now = rows.findIndex((row) => row.classList.contains("wire-selected"));
      const next = rows[now < 0 ? rows.length - 1 : now + step];
      if (next) {
        choose(Number(next.dataset.number));
        next.scrollIntoView({ block: "nearest" });
      }
      // JupyterLab would go to another cell.
      event.preventDefault();
      event.stopPropagation();
    });

    model.on("change:html", paint);
    model.on("change:selected", mark);
    paint();
    return () => {
      model.off("change:html", paint);
      model.off("change:selected", mark);
    };
  },
};
