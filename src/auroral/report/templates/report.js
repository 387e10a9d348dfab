// A crosshair over each chart that reads its values. The page says the same without it.
"use strict";
for (const figure of document.querySelectorAll("figure[data-chart]")) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  if (!data.x.length) continue;
  const box = figure.querySelector(".plot-box");
  const cross = figure.querySelector(".cross");
  const hit = Object.assign(document.createElement("div"), { className: "hit", tabIndex: 0 });
  const readout = Object.assign(document.createElement("div"), { className: "readout", hidden: true });
  hit.setAttribute("role", "group");
  hit.setAttribute("aria-label", figure.querySelector(".chart-title").textContent + ": arrow keys read the values");
  readout.setAttribute("role", "status");
  box.append(hit, readout);
  let current = -1;

  const show = (index) => {
    current = Math.max(0, Math.min(data.x.length - 1, index));
    const at = data.x[current];
    cross.setAttribute("x1", at + "%");
    cross.setAttribute("x2", at + "%");
    cross.style.visibility = "visible";
    const head = document.createElement("b");
    head.textContent = data.t[current];
    const rows = data.rows.map(([label, color, values]) => {
      const row = document.createElement("span"), name = document.createElement("em");
      name.className = "c-" + color;
      name.textContent = label;
      row.append(name, values[current]);
      return row;
    });
    readout.replaceChildren(head, ...rows);
    readout.hidden = false;
    const width = box.clientWidth, half = readout.offsetWidth, x = (at / 100) * width;
    const left = x + 14 + half <= width ? x + 14 : x - 14 - half;
    readout.style.left = Math.max(Math.min(left, width - half), -40) + "px";
  };
  const hide = () => {
    readout.hidden = true;
    cross.style.visibility = "hidden";
    current = -1;
  };
  const follow = (event) => {
    const area = hit.getBoundingClientRect();
    const at = (100 * (event.clientX - area.left)) / area.width;
    let low = 0, high = data.x.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (data.x[middle] < at) low = middle; else high = middle;
    }
    show(at - data.x[low] <= data.x[high] - at ? low : high);
  };
  hit.addEventListener("pointerdown", follow);
  hit.addEventListener("pointermove", follow);
  hit.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
  hit.addEventListener("blur", hide);
  hit.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (step) show(current < 0 ? 0 : current + step);
    else if (event.key === "Home") show(0);
    else if (event.key === "End") show(data.x.length - 1);
    else if (event.key === "Escape") hide();
    else return;
    event.preventDefault();
  });
}
addEventListener("beforeprint", () => {
  for (const closed of document.querySelectorAll("details:not([open])")) closed.open = true;
});
