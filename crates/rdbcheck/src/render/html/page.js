"use strict";
// The maps zoom. Without a script the page says the same.
for (const map of document.querySelectorAll("figure.map")) {
  const size = Number(map.dataset.size), bar = map.querySelector(".zoom"), range = map.querySelector(".range");
  const parts = [...map.querySelectorAll("[data-start]")];
  let from = 0, to = size;
  const draw = () => {
    for (const part of parts) {
      const start = (Number(part.dataset.start) - from) / (to - from) * 1000;
      const end = (Number(part.dataset.end) - from) / (to - from) * 1000;
      const seen = end >= 0 && start <= 1000;
      const left = Math.max(0, start), width = Math.max(3, Math.min(1000, end) - left);
      part.setAttribute("x", Math.min(left, 997).toFixed(2));
      part.setAttribute("width", Math.min(width, 1000).toFixed(2));
      const shown = part.closest("a") || part;
      if (seen) { shown.removeAttribute("display"); } else { shown.setAttribute("display", "none"); }
    }
    range.textContent = "bytes " + Math.floor(from).toLocaleString("en") + " to " + Math.ceil(to).toLocaleString("en");
  };
  const move = (middle, width) => {
    width = Math.min(size, Math.max(16, width));
    from = Math.min(Math.max(0, middle - width / 2), size - width);
    to = from + width;
    draw();
  };
  // It begins to zoom where the first finding lies.
  const first = () => {
    const inside = parts.map((part) => Number(part.dataset.start)).filter((at) => at >= from && at <= to);
    return to - from === size && inside.length ? inside[0] : (from + to) / 2;
  };
  const does = {
    in: () => move(first(), (to - from) / 4),
    out: () => move((from + to) / 2, (to - from) * 4),
    left: () => move((from + to) / 2 - (to - from) / 2, to - from),
    right: () => move((from + to) / 2 + (to - from) / 2, to - from),
    all: () => move(size / 2, size),
  };
  bar.hidden = size < 17;
  bar.addEventListener("click", (event) => {
    const what = event.target.dataset.zoom;
    if (what) { does[what](); }
  });
}
