// Charts: what lies under the pointer is read out, arrow keys walk along a line, and the legend hides systems.
(() => {
  const UNITS = 100000;

  // The normal distribution function, to a relative error of 1.2e-7 (Press et al., Numerical Recipes, §6.2).
  function normal(z) {
    const x = Math.abs(z) / Math.SQRT2;
    const t = 1 / (1 + 0.5 * x);
    const steps = [-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587,
      -0.82215223, 0.17087277];
    const tail = 0.5 * t * Math.exp(-x * x + steps.reduceRight((sum, step) => sum * t + step, 0));
    return z > 0 ? 1 - tail : tail;
  }

  function probit(rate) {
    let low = -9;
    let high = 9;
    for (let i = 0; i < 60; i += 1) {
      const middle = (low + high) / 2;
      if (normal(middle) < rate) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  }

  // An axis from its attribute: a share of its length to the number there, as text.
  function axis(text) {
    const [scale, low, high, unit, ...words] = text.split(" ");
    const ends = [Number(low), Number(high)].map((end) => (scale === "probit" ? probit(end) : end));
    return (share, floor) => {
      const place = ends[0] + share * (ends[1] - ends[0]);
      const value = scale === "probit" ? normal(place) : place;
      const none = floor !== undefined ? value <= 1.01 * floor : Math.abs(value) < 1e-6 * Math.abs(ends[1] - ends[0]);
      const shown = none ? "0" : String(Number(((unit === "%" ? 100 : 1) * value).toPrecision(3)));
      return `${words.join(" ")} ${shown.replace("-", "−")}${unit === "%" ? " %" : ""}`;
    };
  }

  // The points of a path, as shares of the width from the left and of the height from the top.
  function points(path) {
    const numbers = (path.getAttribute("d").match(/-?\d+/g) || []).map((part) => Number(part) / UNITS);
    const found = [];
    for (let i = 0; i + 1 < numbers.length; i += 2) {
      const [x, y] = found.length ? found[found.length - 1] : [0, 0];
      found.push([x + numbers[i], y + numbers[i + 1]]);
    }
    return found;
  }

  function explore(canvas) {
    const readout = canvas.closest("figure").querySelector(".readout");
    const readX = axis(canvas.dataset.x);
    const readY = axis(canvas.dataset.y);
    // The last line is on top: it comes first.
    const lines = Array.from(canvas.querySelectorAll("path[data-label]"), (path) => ({ path, points: points(path) })).reverse();
    const probe = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    probe.setAttribute("class", "probe gone");
    probe.setAttribute("r", "6");
    canvas.append(probe);
    let held = null;

    const shown = () => lines.filter((line) => !line.path.classList.contains("gone"));
    const seen = ([x, y]) => x >= -1e-6 && x <= 1 + 1e-6 && y >= -1e-6 && y <= 1 + 1e-6;

    function hold(line, place) {
      held = line ? { line, place } : null;
      for (const other of lines) other.path.classList.toggle("hot", held !== null && other === line && lines.length > 2);
      probe.classList.toggle("gone", held === null);
      readout.textContent = "";
      if (!held) return;
      const [x, y] = line.points[place];
      probe.setAttribute("cx", `${100 * x}%`);
      probe.setAttribute("cy", `${100 * y}%`);
      const [floorX, floorY] = (line.path.dataset.floor || "").split(" ").filter(Boolean).map(Number);
      readout.textContent = `${line.path.dataset.label}: ${readX(x, floorX)}, ${readY(1 - y, floorY)}`;
    }

    function nearest(event) {
      const box = canvas.getBoundingClientRect();
      const at = [event.clientX - box.left, event.clientY - box.top];
      let best = [30, null, 0]; // pixels
      for (const line of shown()) {
        line.points.forEach((point, place) => {
          const far = Math.hypot(point[0] * box.width - at[0], point[1] * box.height - at[1]);
          if (far < best[0] && seen(point)) best = [far, line, place];
        });
      }
      hold(best[1], best[2]);
    }

    function walk(step) {
      if (!held) return start(shown()[0]);
      const place = held.place + step;
      return held.line.points[place] && seen(held.line.points[place]) ? hold(held.line, place) : undefined;
    }

    // A line is entered where it is nearest to where the last one was left, else in its middle.
    function start(line) {
      if (!line) return hold(null);
      const from = held ? held.line.points[held.place] : [0.5, 0.5];
      const far = line.points.map((point) => (seen(point) ? Math.hypot(point[0] - from[0], point[1] - from[1]) : Infinity));
      const place = far.indexOf(Math.min(...far));
      return hold(line, place);
    }

    function change(step) {
      const list = shown();
      const place = held ? list.indexOf(held.line) + step : 0;
      start(list[(place + list.length) % list.length]);
    }

    const keys = { ArrowLeft: () => walk(-1), ArrowRight: () => walk(1), ArrowUp: () => change(-1), ArrowDown: () => change(1) };
    canvas.setAttribute("tabindex", "0");
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", `${canvas.getAttribute("aria-label")}. Arrow keys walk along a line and from line to line.`);
    canvas.addEventListener("pointermove", nearest);
    canvas.addEventListener("pointerdown", nearest);
    canvas.addEventListener("pointerleave", () => document.activeElement === canvas || hold(null));
    canvas.addEventListener("blur", () => hold(null));
    canvas.addEventListener("focus", () => held || (canvas.matches(":focus-visible") && start(shown()[0])));
    canvas.addEventListener("keydown", (event) => {
      if (!keys[event.key]) return;
      event.preventDefault();
      keys[event.key]();
    });
  }

  for (const canvas of document.querySelectorAll(".canvas")) explore(canvas);

  for (const item of document.querySelectorAll(".keys li")) {
    const words = item.querySelector(".toggle");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "toggle";
    button.title = "Show or hide";
    button.setAttribute("aria-pressed", "true");
    button.append(...words.childNodes);
    words.replaceWith(button);
    const parts = Array.from(item.closest("figure").querySelectorAll(".canvas [data-row]"))
      .filter((part) => part.dataset.row === item.dataset.row);
    button.addEventListener("click", () => {
      const visible = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(visible));
      for (const part of parts) part.classList.toggle("gone", !visible);
    });
    const warm = (on) => parts.forEach((part) => part.tagName === "path" && part.classList.toggle("hot", on));
    for (const kind of ["pointerenter", "focus"]) button.addEventListener(kind, () => warm(true));
    for (const kind of ["pointerleave", "blur"]) button.addEventListener(kind, () => warm(false));
  }
})();
