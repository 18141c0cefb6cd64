// Drawing without a hand on the sheet: the arrow keys move a pen, and the space bar puts it down.

const STEP = 10; // pixels
const FINE = 2; // with the Shift key
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const HOW = "The arrow keys move the pen, with Shift in small steps. The space bar puts it down and lifts it.";

// Listens to the keys on a sheet, unless `isBusy` says that a hand draws there. `start`, `move` and `end` draw: they are called with a place, and
// `move` also with where the pen was. `say` is called with words. Returns the pen: where it is,
// and whether it has to be shown.
export function drawWithKeys(sheet, { isBusy, start, move, end, say }) {
  const pen = { place: [sheet.width / 2, sheet.height / 2], isShown: false, isDown: false, lift };

  function lift() {
    if (!pen.isDown) return;
    pen.isDown = false;
    end();
    say("The pen is up.");
  }

  sheet.addEventListener("keydown", (event) => {
    if (isBusy() || event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = ARROWS[event.key];
    if (!arrow && event.key !== " ") return;
    event.preventDefault(); // or else the page would scroll
    pen.isShown = true;
    if (!arrow) {
      if (pen.isDown) return lift();
      pen.isDown = true;
      say("The pen is down.");
      return start(pen.place);
    }
    const step = event.shiftKey ? FINE : STEP;
    const from = pen.place;
    pen.place = [within(from[0] + step * arrow[0], sheet.width), within(from[1] + step * arrow[1], sheet.height)];
    move(pen.place, from);
  });

  sheet.addEventListener("focus", () => {
    if (!sheet.matches(":focus-visible")) return; // it was clicked
    pen.isShown = true;
    say(HOW);
    move(pen.place, pen.place);
  });

  sheet.addEventListener("blur", () => {
    lift();
    pen.isShown = false;
    say("");
    move(pen.place, pen.place);
  });

  return pen;
}

function within(value, most) {
  return Math.max(0, Math.min(most, value));
}
