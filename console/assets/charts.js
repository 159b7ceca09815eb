// Charts by uPlot, out of the data beside them. Each has a table behind it, so
// they are hidden from screen readers.
"use strict";

(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const ofSeries = (name) => colour(/^\d$/.test(name) ? `p${name}` : name === "others" ? "px" : name);
  const swatch = (name) => /^\d$/.test(name) ? `c${name}` : name === "others" ? "cx" : name;
  const number = new Intl.NumberFormat("en").format;
  const made = new Map();

  const element = (name, className, text) => {
    const e = document.createElement(name);
    e.className = className;
    if (text !== undefined) e.textContent = text;
    return e;
  };

  const two = (n) => String(n).padStart(2, "0");
  const when = (seconds) => {
    const d = new Date(seconds * 1000);
    return `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())} ${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())} UTC`;
  };

  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const clock = (seconds, step) => {
    const d = new Date(seconds * 1000);
    const day = `${months[d.getUTCMonth()]} ${d.getUTCDate()}`;
    if (step >= 86400) return day;
    const time = `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`;
    if (time === "00:00" && step >= 60) return day;
    return step < 60 ? `${time}:${two(d.getUTCSeconds())}` : time;
  };

  const axes = (extra = {}) => {
    const line = { stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    return [
      { ...line, grid: { show: false }, space: 64, size: 24, values: (_, all, __, ___, step) => all.map((v) => clock(v, step)) },
      { ...line, size: 46, space: 32, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6, 1e7], values: (_, all) => all.map((v) => v >= 1e4 ? `${v / 1000}k` : number(v)), ...extra },
    ];
  };

  // A box that follows the pointer.
  const tip = (fill) => {
    let box;
    return { hooks: {
      init: (u) => {
        box = element("div", "tip");
        box.hidden = true;
        u.over.append(box);
        u.over.addEventListener("mouseleave", () => { box.hidden = true; });
      },
      setCursor: (u) => {
        const { idx, left, top } = u.cursor;
        if (idx == null || left < 0) { box.hidden = true; return; }
        const rows = fill(u, idx, top);
        if (!rows) { box.hidden = true; return; }
        box.replaceChildren(...rows);
        box.hidden = false;
        const width = box.offsetWidth;
        box.style.left = `${left + width + 20 > u.over.clientWidth ? Math.max(left - width - 12, 0) : left + 12}px`;
        box.style.top = "0px";
      },
    } };
  };

  const row = (name, value, mark) => {
    const p = element("p", "");
    const label = element("span", "", name);
    if (mark) label.prepend(element("span", `swatch ${mark}`));
    p.append(label, element("b", "", value));
    return p;
  };

  const base = (place, height) => ({
    width: Math.max(place.clientWidth, 200), height, legend: { show: false }, tzDate: (t) => uPlot.tzDate(new Date(t * 1000), "Etc/UTC"),
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } }, padding: [8, 8, 0, 0],
  });

  function legend(place, entries) {
    const list = element("ul", "legend");
    for (const [name, mark] of entries) {
      const item = element("li", "", name);
      item.prepend(element("span", `swatch ${mark}`));
      list.append(item);
    }
    place.append(list);
  }

  // Bars upon bars, on whole pixels, so that no colour shines through another.
  function stack(place, data) {
    const sums = data.times.map((_, i) => data.series.reduce((sum, s) => sum + s.values[i], 0));
    const paint = (u) => {
      const { ctx } = u;
      ctx.save();
      data.times.forEach((t, i) => {
        const left = Math.round(u.valToPos(t, "x", true)), right = Math.round(u.valToPos(t + data.step, "x", true));
        let under = 0;
        let bottom = Math.round(u.valToPos(0, "y", true));
        for (const s of data.series) {
          if (!s.values[i]) continue;
          under += s.values[i];
          // What is there is seen, however little it is.
          const top = Math.min(Math.round(u.valToPos(under, "y", true)), bottom - 1);
          ctx.fillStyle = ofSeries(s.colour);
          ctx.fillRect(left, top, Math.max(right - left - 1, 1), bottom - top);
          bottom = top;
        }
      });
      ctx.restore();
    };
    const chart = new uPlot({
      ...base(place, 180), axes: axes(), scales: { x: { time: true, range: () => [data.times[0], data.times.at(-1) + data.step] }, y: { range: (_, __, max) => [0, Math.max(max * 1.06, 4)] } },
      series: [{}, { paths: () => null, points: { show: false } }],
      plugins: [{ hooks: { draw: paint } }, tip((_, i) => {
        const rows = data.series.map((s) => [s, s.values[i]]).filter(([, v]) => v > 0).reverse().map(([s, v]) => row(s.name, number(v), swatch(s.colour)));
        return [element("p", "when", when(data.times[i])), ...(rows.length ? rows : [row("nothing", "")])];
      })],
    }, [data.times, sums], place);
    legend(place, data.series.filter((s) => s.values.some((v) => v > 0)).map((s) => [s.name, swatch(s.colour)]));
    return chart;
  }

  // What is left of a limit, as steps; refusals as dots.
  function lines(place, data) {
    const s = data.series[0];
    const times = data.times.map((t) => t / 1000);
    const chart = new uPlot({
      ...base(place, 150), axes: axes(), scales: { x: { time: true }, y: { range: (_, __, max) => [0, Math.max(max * 1.05, 1)] } },
      series: [{}, { label: s.name, stroke: colour("accent"), width: 1.5, fill: `color-mix(in srgb, ${colour("accent")} 12%, transparent)`, paths: uPlot.paths.stepped({ align: 1 }), points: { show: times.length < 2 } },
        { label: "refused", stroke: colour("s5"), fill: colour("s5"), paths: () => null, points: { show: true, size: 6, fill: colour("s5"), width: 0 } }],
      plugins: [tip((_, i) => [element("p", "when", when(times[i])), row("left", number(s.values[i]), "accent"), ...(s.dots?.[i] == null ? [] : [row("refused", "", "dot")])])],
    }, [times, s.values, s.dots ?? []], place);
    legend(place, [["left", "accent"], ...((s.dots ?? []).some((d) => d != null) ? [["refused", "dot"]] : [])]);
    return chart;
  }

  // One cell for each time and duration, the more requests the stronger.
  function heat(place, data) {
    const rows = data.counts.length;
    const most = Math.max(1, ...data.counts.flat());
    const strength = (n) => 0.12 + 0.88 * Math.log1p(n) / Math.log1p(most);
    const draw = (u) => {
      const { ctx } = u;
      ctx.save();
      ctx.fillStyle = colour("accent");
      const width = Math.max(u.valToPos(data.times[0] + data.step, "x", true) - u.valToPos(data.times[0], "x", true) - 1, 1);
      data.counts.forEach((counts, y) => {
        const top = u.valToPos(y + 1, "y", true), height = u.valToPos(y, "y", true) - top - 1;
        counts.forEach((n, i) => {
          if (!n) return;
          ctx.globalAlpha = strength(n);
          ctx.fillRect(Math.round(u.valToPos(data.times[i], "x", true)), Math.round(top), Math.round(width), Math.round(height));
        });
      });
      ctx.restore();
    };
    return new uPlot({
      ...base(place, 206), scales: { x: { time: true, range: () => [data.times[0], data.times.at(-1) + data.step] }, y: { range: () => [0, rows] } },
      axes: axes({ size: 58, splits: () => data.labels.map((_, i) => i + 1), filter: (_, all) => all, values: () => data.labels.map((label, i) => rows <= 8 || (rows - i) % 2 ? label : ""), grid: { show: false } }),
      series: [{}, { paths: () => null, points: { show: false } }],
      plugins: [{ hooks: { draw } }, tip((u, i, top) => {
        const y = Math.floor(u.posToVal(top, "y"));
        if (y < 0 || y >= rows) return null;
        return [element("p", "when", when(data.times[i])), row(`up to ${data.labels[y]}`, number(data.counts[y][i]))];
      })],
    }, [data.times, data.times.map(() => null)], place);
  }

  function draw(place) {
    made.get(place)?.destroy();
    place.replaceChildren();
    const text = place.dataset.chart ?? place.dataset.heat;
    const data = JSON.parse(text);
    const maker = place.dataset.heat ? heat : data.kind === "stack" ? stack : lines;
    made.set(place, maker(place, data));
  }

  function all() {
    for (const [place, chart] of made) {
      if (!place.isConnected) {
        chart.destroy();
        made.delete(place);
      }
    }
    for (const place of document.querySelectorAll("[data-chart], [data-heat]")) if (!made.has(place)) draw(place);
  }

  const again = () => { for (const place of [...made.keys()]) if (place.isConnected) draw(place); };
  let wait;
  addEventListener("resize", () => { clearTimeout(wait); wait = setTimeout(again, 100); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  document.addEventListener("htmx:afterSwap", all);
  addEventListener("DOMContentLoaded", all);
})();
