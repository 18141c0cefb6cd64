// What can be made of a drawing: SVG, and JSON, from which it can be drawn once more.

const FARTHEST = 10000; // pixels
const MOST_STROKES = 2000; // in a file that is opened
const MOST_POINTS = 200000;

export function toSVG(strokes) {
  const lines = Array.from(strokes, ({ color, width, points }) => {
    // A line from a point to itself is a dot, thanks to its round ends.
    const corners = (points.length > 1 ? points : [points[0], points[0]]).map((point) => point.join(",")).join(" ");
    return `<polyline points="${corners}" stroke="${color}" stroke-width="${width}"/>\n`;
  });
  return (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 500" width="800" height="500" ' +
    'fill="none" stroke-linecap="round" stroke-linejoin="round">\n' +
    `<rect width="800" height="500" fill="#ffffff"/>\n${lines.join("")}</svg>\n`
  );
}

export function toJSON(strokes) {
  const listed = Array.from(strokes, ({ color, width, points }) => ({ color, width, points }));
  return JSON.stringify({ whiteboard: 1, strokes: listed });
}

// Returns the strokes in a file, or throws an Error that says what is wrong in it.
export function fromJSON(text) {
  let saved = null;
  try {
    saved = JSON.parse(text);
  } catch {
    throw new Error("This file is no JSON. Expected a drawing that was saved here as JSON.");
  }
  if (!Array.isArray(saved?.strokes)) {
    throw new Error("This file has no list of strokes. Expected a drawing that was saved here as JSON.");
  }
  const strokes = saved.strokes.map(readStroke);
  const points = strokes.reduce((sum, stroke) => sum + stroke.points.length, 0);
  if (strokes.length > MOST_STROKES || points > MOST_POINTS) {
    throw new Error("This drawing is too large: more than 2,000 strokes or 200,000 points.");
  }
  return strokes;
}

function readStroke(stroke, index) {
  const points = stroke?.points;
  const isFine = Array.isArray(points) && points.length > 0 && points.every(isPoint);
  if (!isFine) throw new Error(`Stroke ${index + 1} of this file is broken: expected a list of points such as [120, 80.5].`);
  const color = /^#[0-9a-fA-F]{6}$/.test(stroke.color) ? stroke.color : "#222222";
  const width = isNumber(stroke.width, 50) && stroke.width >= 1 ? stroke.width : 3;
  return { color, width, points };
}

function isPoint(point) {
  return Array.isArray(point) && point.length === 2 && point.every((value) => isNumber(value, FARTHEST));
}

function isNumber(value, most) {
  return typeof value === "number" && Math.abs(value) <= most;
}
