"""The script and the style of `<cite-viewer>`: drag, wheel, keys, buttons; class, opacity, scale bar.

A custom element of plain JavaScript, since a viewer from a CDN would need the network. Names of classes
come from files and users: they are only ever set as text.
"""

from __future__ import annotations

STYLE = """
cite-viewer { display: block; }
@@ .bar { display: flex; flex-wrap: wrap; gap: 8px 18px; align-items: center; margin: 0 0 8px;
  font-size: 14px; }
@@ label { display: flex; align-items: center; gap: 8px; }
@@ select { max-width: 340px; padding: 5px 30px 5px 10px; font-size: 14px; line-height: 20px;
  text-overflow: ellipsis; border-radius: 6px;
  border: 1px solid var(--border-color-primary, #ccc); color: var(--body-text-color, #222);
  background-color: var(--input-background-fill, #fff); }
@@ input[type=checkbox] { appearance: auto; width: 16px; height: 16px; margin: 0;
  accent-color: #1f6fb4; }
@@ input[type=range] { width: 140px; accent-color: #1f6fb4; }
@@ .buttons { position: absolute; right: 14px; top: 12px; display: flex; gap: 6px; z-index: 2; }
@@ .buttons button { min-width: 32px; height: 30px; margin: 0; padding: 0 9px; font-size: 13px;
  font-weight: 400; line-height: 28px; border-radius: 5px; border: 1px solid #999; cursor: pointer;
  color: #111; background: rgba(255,255,255,.9); }
@@ .buttons button:hover { background: #e5e7eb; }
@@ .use { position: absolute; left: 14px; top: 12px; padding: 3px 8px; font-size: 12px;
  color: #7c2d12; background: rgba(255,247,237,.92); border-radius: 4px; }
@@ .stage { position: relative; overflow: hidden; height: 560px; border-radius: 8px;
  border: 1px solid var(--border-color-primary, #ccc); background: #f4f4f4; cursor: grab;
  touch-action: none; }
@@ .stage.held { cursor: grabbing; }
@@ .stage:focus-visible { outline: 2px solid #1f6fb4; }
@@ .stage:fullscreen { height: 100vh; border-radius: 0; }
@@ .layer { position: absolute; left: 0; top: 0; transform-origin: 0 0; }
@@ .layer img { position: absolute; left: 0; top: 0; max-width: none; margin: 0;
  user-select: none; pointer-events: none; }
@@ img.map { image-rendering: pixelated; }
@@ .scale { position: absolute; left: 14px; bottom: 12px; padding: 3px 8px 6px; font-size: 12px;
  color: #111; text-align: center; background: rgba(255,255,255,.85); border-radius: 4px; }
@@ .scale i { display: block; height: 5px; border: 2px solid #111; border-top: 0; }
@@ .legend { position: absolute; right: 14px; bottom: 12px; padding: 3px 8px 6px; width: 190px;
  font-size: 12px; color: #111; background: rgba(255,255,255,.85); border-radius: 4px; }
@@ .legend i { display: block; height: 10px; border: 1px solid #555; }
@@ .legend span { display: flex; justify-content: space-between; }
@@ .legend b { display: block; font-weight: 600; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
""".replace(
    '@@', '.gradio-container cite-viewer'
)  # stronger than what Gradio says of buttons and fields

SCRIPT = """
(() => {
  const make = (tag, name, parent, text) => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  };
  class Viewer extends HTMLElement {
    connectedCallback() {
      if (this.stage) return;
      const c = JSON.parse(this.dataset.content);
      this.content = c;
      const bar = make('div', 'bar', this);
      const ofClass = make('label', '', bar, 'Class');
      const select = make('select', '', ofClass);
      c.classes.forEach((one, at) => {
        make('option', '', select, one.name + ' (' + one.probability.toFixed(3) + ')').value = at;
      });
      const ofOpacity = make('label', '', bar, 'Opacity of the map');
      const opacity = make('input', '', ofOpacity);
      Object.assign(opacity, { type: 'range', min: 0, max: 100, value: 50 });
      const ofGrey = make('label', '', bar, 'Slide in grey');
      const grey = make('input', '', ofGrey);
      grey.type = 'checkbox';
      const buttons = make('div', 'buttons');
      const button = (text, title, act) => {
        const made = make('button', '', buttons, text);
        made.type = 'button'; made.title = title; made.setAttribute('aria-label', title);
        made.onclick = act;
      };
      button('+', 'zoom in', () => this.zoom(1.5));
      button('\\u2212', 'zoom out', () => this.zoom(1 / 1.5));
      button('Whole slide', 'show the whole slide', () => this.fit());
      button('Full screen', 'full screen', () => document.fullscreenElement
        ? document.exitFullscreen() : this.stage.requestFullscreen());
      this.stage = make('div', 'stage', this);
      this.stage.tabIndex = 0;
      this.stage.setAttribute('aria-label', 'slide with heat map; arrow keys move it, + and - zoom');
      this.layer = make('div', 'layer', this.stage);
      const image = (source, name, width, height) => {
        const made = make('img', name, this.layer);
        made.src = source; made.alt = ''; made.draggable = false;
        made.style.width = width + 'px'; made.style.height = height + 'px';
        return made;
      };
      this.layer.style.width = c.width + 'px';
      this.layer.style.height = c.height + 'px';
      this.layer.style.overflow = 'hidden';
      const picture = image(c.picture, 'picture', c.width, c.height);
      grey.onchange = () => { picture.style.filter = grey.checked ? 'grayscale(1)' : ''; };
      const map = image(c.classes[0].map, 'map', c.box[0], c.box[1]);
      this.stage.append(buttons);
      buttons.onpointerdown = (e) => e.stopPropagation();
      buttons.ondblclick = (e) => e.stopPropagation();
      make('div', 'use', this.stage, c.note);
      const scale = make('div', 'scale', this.stage);
      this.told = make('span', '', scale);
      this.line = make('i', '', scale);
      const legend = make('div', 'legend', this.stage);
      const name = make('b', '', legend);
      make('i', '', legend).style.background = 'linear-gradient(to right,' + c.colours.join(',') + ')';
      const ends = make('span', '', legend);
      ['0', 'probability', '1'].forEach((text) => make('span', '', ends, text));
      const show = () => {
        const one = c.classes[select.value];
        map.src = one.map; name.textContent = one.name; name.title = one.name;
      };
      select.onchange = show;
      opacity.oninput = () => { map.style.opacity = opacity.value / 100; };
      show(); opacity.oninput();
      this.listen();
      this.watch = new ResizeObserver(() => {
        if (!this.touched && this.stage.clientWidth) this.fit();
        else this.place();
      });
      this.watch.observe(this.stage);
    }
    disconnectedCallback() { if (this.watch) this.watch.disconnect(); }
    listen() {
      const s = this.stage;
      const held = new Map();
      let apart = 0;
      const at = (e) => {
        const r = s.getBoundingClientRect();
        return [e.clientX - r.left, e.clientY - r.top];
      };
      s.addEventListener('wheel', (e) => {
        e.preventDefault();
        this.zoom(Math.exp(-e.deltaY * (e.deltaMode ? 0.05 : 0.0015)), ...at(e));
      }, { passive: false });
      s.addEventListener('pointerdown', (e) => {
        held.set(e.pointerId, at(e)); s.setPointerCapture(e.pointerId); s.classList.add('held'); apart = 0;
      });
      s.addEventListener('pointermove', (e) => {
        if (!held.has(e.pointerId)) return;
        const [x, y] = held.get(e.pointerId), [u, v] = at(e);
        held.set(e.pointerId, [u, v]);
        if (held.size > 1) {
          const [a, b] = [...held.values()];
          const now = Math.hypot(a[0] - b[0], a[1] - b[1]);
          if (apart) this.zoom(now / apart, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
          apart = now;
        } else this.move(u - x, v - y);
      });
      const free = (e) => {
        held.delete(e.pointerId); apart = 0;
        if (!held.size) s.classList.remove('held');
      };
      s.addEventListener('pointerup', free);
      s.addEventListener('pointercancel', free);
      s.addEventListener('dblclick', (e) => this.zoom(2, ...at(e)));
      s.addEventListener('keydown', (e) => {
        const step = 60, acts = {
          ArrowLeft: () => this.move(step, 0), ArrowRight: () => this.move(-step, 0),
          ArrowUp: () => this.move(0, step), ArrowDown: () => this.move(0, -step),
          '+': () => this.zoom(1.5), '=': () => this.zoom(1.5), '-': () => this.zoom(1 / 1.5),
          '0': () => this.fit(),
        };
        if (acts[e.key] && !e.ctrlKey && !e.metaKey) { e.preventDefault(); acts[e.key](); }
      });
    }
    fit() {
      const c = this.content, w = this.stage.clientWidth, h = this.stage.clientHeight;
      this.k = this.least = Math.min(w / c.width, h / c.height);
      this.x = (w - c.width * this.k) / 2; this.y = (h - c.height * this.k) / 2;
      this.touched = false;
      this.place();
    }
    zoom(by, x, y) {
      if (x === undefined) { x = this.stage.clientWidth / 2; y = this.stage.clientHeight / 2; }
      const k = Math.min(Math.max(this.k * by, this.least / 2), 16);
      this.x = x - (x - this.x) * k / this.k; this.y = y - (y - this.y) * k / this.k;
      this.k = k; this.touched = true;
      this.place();
    }
    move(dx, dy) { this.x += dx; this.y += dy; this.touched = true; this.place(); }
    place() {
      if (!this.k) return;
      const c = this.content, rest = 40;
      this.x = Math.min(Math.max(this.x, rest - c.width * this.k), this.stage.clientWidth - rest);
      this.y = Math.min(Math.max(this.y, rest - c.height * this.k), this.stage.clientHeight - rest);
      this.layer.style.transform = 'translate(' + this.x + 'px,' + this.y + 'px) scale(' + this.k + ')';
      const each = c.um / this.k, want = each * 130, tens = 10 ** Math.floor(Math.log10(want));
      const round = [5, 2, 1].find((n) => n * tens <= want) * tens;
      this.line.style.width = round / each + 'px';
      const um = Number(round.toPrecision(2));
      this.told.textContent = um >= 1000 ? um / 1000 + ' mm' : um + ' \\u00b5m';
    }
  }
  if (!customElements.get('cite-viewer')) customElements.define('cite-viewer', Viewer);
})();
"""
